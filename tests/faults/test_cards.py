"""The card is very full, or is pulled out."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fault import Scene, Story, fault
from tests.support.full_card import dock_until, make_full_card
from tests.support.lacking import lacking
from tests.support.station import Station, ended, make_card, until

pytestmark = pytest.mark.slow

FILES = 100_000
FIRST, MORE = 500, 200


@pytest.mark.timeout(900)
@fault(
    "A card with 100,000 files: `dock` is killed after 500 of them are confirmed, and run again",
    "all 100,000 are in the inventory, 500 or more are safe, the others are on the card → "
    "`dock`, run again: goes on with the same docking, none of the first 500 is read again",
)
def test_a_hundred_thousand_files(station: Station, tmp_path: Path, story: Story) -> None:
    card = make_full_card(tmp_path / "card", FILES)
    scene = Scene.of(station, card)
    dock_until(station, card, FIRST)
    assert station.value("SELECT count(*) FROM sighting") == FILES
    first = {row[0] for row in station.rows("SELECT id FROM clip WHERE state IN ('confirmed', 'released')")}
    assert len(first) >= FIRST
    assert scene.lost() == []
    story.saw("all 100,000 are in the inventory, 500 or more are safe, the others are on the card")
    dock_until(station, card, len(first) + MORE)
    assert station.value("SELECT count(*) FROM docking") == 1
    read = "SELECT clip_id FROM custody_event WHERE kind = 'offloaded' GROUP BY clip_id HAVING count(*) > 1"
    assert first.isdisjoint(row[0] for row in station.rows(read))
    story.saw("`dock`, run again: goes on with the same docking, none of the first 500 is read again")
    story.ends(scene)


@contextmanager
def stick(folder: Path, content: Path) -> Iterator[str]:
    """Make a disk with a file system that holds the content; return its device."""
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(256_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-d", content, image], check=True)
    attach = ["losetup", "--find", "--show", "--read-only", image]
    found = subprocess.run(attach, capture_output=True, text=True, check=False)
    if found.returncode:
        lacking("no loop devices here")
    device = found.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["umount", "-l", "--all-targets", device], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.root
@fault(
    "The card is unmounted by force (`umount -l`) while a clip is copied, and put in again",
    "`dock` 33, missing_at_unplug (`source-vanished`) → `dock` 0, all safe",
)
def test_a_lazy_unmount(station: Station, tmp_path: Path, story: Story) -> None:
    content = make_card(tmp_path / "content", {f"clip{n}.mp4": bytes([n]) * 70_000_000 for n in range(3)})
    card = tmp_path / "card"
    card.mkdir()
    with stick(tmp_path, content) as device:
        mount = ["mount", "-o", "ro,noload", device, str(card)]
        if subprocess.run(mount, check=False).returncode:
            lacking("no mounts here")
        scene = Scene.of(station, card)
        process = station.start("dock", card, "--json", SEALDOCK_DOCKING_PARALLEL="1")
        until(lambda: station.spool.exists() and any(station.spool.iterdir()))
        subprocess.run(["umount", "-l", card], check=True)
        story.docked(ended(process))
        subprocess.run(mount, check=True)
        story.docked(station.run("dock", card, "--json"))
        story.ends(scene)
