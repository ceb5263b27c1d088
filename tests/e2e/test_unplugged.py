"""Cards that go, or change, in the middle of a docking."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import Station, by_path, digest_of, make_card, picture, until

pytestmark = pytest.mark.slow

SLOW_CARD = 200 << 20
"""Bytes that take long enough to copy that something can happen meanwhile."""


@contextmanager
def slow_docking(station: Station, card: Path) -> Iterator[Any]:
    """Dock a card with large clips; the block runs when the first of them is being read."""
    process = station.start("dock", card, "--json", SEALDOCK_DOCKING_PARALLEL="1")
    try:
        until(lambda: process.poll() is not None or _spooled(station) > 1 << 20)
        yield process
    finally:
        if process.poll() is None and process.stdout is not None and not process.stdout.closed:
            process.kill()
            process.communicate()


def _spooled(station: Station) -> int:
    if not station.spool.exists():
        return 0
    total = 0
    for path in station.spool.iterdir():
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def large_card(folder: Path) -> Path:
    return make_card(folder, {f"clip{number}.mp4": bytes([number]) * (SLOW_CARD // 3) for number in range(3)})


def test_a_card_that_goes_in_the_middle_and_comes_back(station: Station, tmp_path: Path) -> None:
    card = large_card(tmp_path / "card")
    with slow_docking(station, card) as process:
        card.rename(tmp_path / "pocket")
        out, err = process.communicate(timeout=120)
    assert process.returncode == 33, err.decode()
    found = json.loads(out)
    missing = [clip for clip in found["clips"] if clip["state"] == "missing_at_unplug"]
    assert missing
    assert {clip["reason"] for clip in missing} == {"source-vanished"}
    assert station.value("SELECT closed_at IS NOT NULL FROM docking") == 1

    (tmp_path / "pocket").rename(card)
    again = station.dock(card)
    assert {clip["id"] for clip in again["clips"]} == {clip["id"] for clip in found["clips"]}
    assert Counter(clip["state"] for clip in again["clips"]) == {"released": 3}
    shown = picture(station)
    assert set(shown["seals"].values()) == {1}
    assert shown["spool"] == []


def test_a_file_that_goes_while_its_card_stays(station: Station, tmp_path: Path) -> None:
    card = large_card(tmp_path / "card")
    with slow_docking(station, card) as process:
        (card / "clip2.mp4").unlink()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 33, err.decode()
    clips = by_path(json.loads(out))
    assert (clips["clip2.mp4"]["state"], clips["clip2.mp4"]["reason"]) == (
        "missing_at_unplug",
        "file-vanished",
    )
    assert {clips[name]["state"] for name in ("clip0.mp4", "clip1.mp4")} == {"released"}
    # The inventory keeps what it saw.
    inventory = json.loads(station.value("SELECT inventory FROM docking"))
    assert [entry["path"] for entry in inventory["entries"]] == sorted(clips)


def test_another_card_at_the_same_place(station: Station, tmp_path: Path) -> None:
    card = large_card(tmp_path / "card")
    other = make_card(tmp_path / "other", {f"clip{number}.mp4": b"another" for number in range(3)})
    with slow_docking(station, card) as process:
        card.rename(tmp_path / "pocket")
        other.rename(card)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 33, err.decode()
    found = json.loads(out)
    missing = {clip["reason"] for clip in found["clips"] if clip["state"] == "missing_at_unplug"}
    assert missing == {"volume-swapped"}
    # Nothing of the second card was taken under the first one's name.
    assert not station.object(digest_of(b"another")).exists()
    second = station.dock(card)
    assert second["recorder"] != found["recorder"]
    assert len(second["clips"]) == 3
    shutil.rmtree(tmp_path / "pocket")
