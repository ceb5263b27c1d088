"""The card is very full, or is pulled out."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fault import Scene, Story, fault
from tests.support.service import states
from tests.support.station import Station, ended, make_card, until

pytestmark = pytest.mark.slow

FILES = 100_000
FIRST, MORE = 500, 200


def safe(station: Station) -> int:
    found = states(station)
    return found["confirmed"] + found["released"]


@pytest.mark.timeout(900)
@fault(
    "A card with 100,000 files: `dock` is killed after 500 of them are confirmed, and run again",
    "all 100,000 are in the inventory, 500 or more are safe, the others are on the card → `dock`, run again: goes on "
    "with the same docking, none of the first 500 is read again",
)
def test_a_hundred_thousand_files(station: Station, tmp_path: Path, story: Story) -> None:
    card = tmp_path / "card"
    for folder in range(FILES // 1000):
        (card / f"{folder:03}").mkdir(parents=True)
        for number in range(1000):
            (card / f"{folder:03}" / f"{number:03}.txt").write_bytes(b"%d" % (folder * 1000 + number))
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


def dock_until(station: Station, card: Path, many: int) -> None:
    process = station.start("dock", card, "--json")
    until(lambda: process.poll() is not None or safe(station) >= many, within=400)
    process.kill()
    assert ended(process).code == -signal.SIGKILL


@contextmanager
def stick(folder: Path) -> Iterator[str]:
    """Make a disk of 256 MB with a file system; return its device."""
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(256_000_000)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    found = subprocess.run(
        ["losetup", "--find", "--show", image], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("no loop devices here")
    try:
        yield found.stdout.strip()
    finally:
        subprocess.run(["losetup", "--detach", found.stdout.strip()], check=True)


@pytest.mark.root
@fault(
    "The card is unmounted by force (`umount -l`) while a clip is copied, and put in again",
    "`dock` 33, missing_at_unplug (`source-vanished`) → `dock` 0, all safe",
)
def test_a_lazy_unmount(station: Station, tmp_path: Path, story: Story) -> None:
    card = tmp_path / "card"
    card.mkdir()
    with stick(tmp_path) as device:
        if subprocess.run(["mount", device, card], check=False).returncode:
            pytest.skip("no mounts here")
        make_card(card, {f"clip{n}.mp4": bytes([n]) * 70_000_000 for n in range(3)})
        scene = Scene.of(station, card)
        subprocess.run(["umount", card], check=True)
        subprocess.run(["mount", "-o", "ro,noload", device, card], check=True)
        process = station.start("dock", card, "--json", SEALDOCK_DOCKING_PARALLEL="1")
        until(lambda: station.spool.exists() and any(station.spool.iterdir()))
        subprocess.run(["umount", "-l", card], check=True)
        story.docked(ended(process))
        subprocess.run(["mount", "-o", "ro,noload", device, card], check=True)
        try:
            story.docked(station.run("dock", card, "--json"))
            story.ends(scene)
        finally:
            subprocess.run(["umount", card], check=True)
