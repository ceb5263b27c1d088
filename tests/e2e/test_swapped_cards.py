"""Two cards, one after the other at the same place, with files of the same names, sizes and times."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.lacking import lacking
from tests.support.station import Station, digest_of, make_card

pytestmark = [pytest.mark.slow, pytest.mark.root]

FIRST, SECOND = b"first" * 1000, b"other" * 1000
TIME = (1_577_836_800, 1_577_836_800)


def content(folder: Path, data: bytes) -> Path:
    card = make_card(folder, {"DCIM/MOV0001.MP4": data})
    os.utime(card / "DCIM" / "MOV0001.MP4", TIME)
    return card


@contextmanager
def mounted(place: Path, *what: str | Path) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", *what, place], check=False, capture_output=True).returncode:
        lacking("no mounts here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def both_are_kept(station: Station) -> None:
    kept = {row[0] for row in station.rows("SELECT sha256 FROM clip WHERE state = 'released'")}
    assert kept == {digest_of(FIRST), digest_of(SECOND)}


def test_the_file_system_says_which_it_is(station: Station, tmp_path: Path) -> None:
    """Also where no udev keeps /dev/disk/by-uuid, as in a container."""
    place = tmp_path / "slot"
    for number, data in enumerate((FIRST, SECOND)):
        image = tmp_path / f"card{number}.img"
        with image.open("wb") as file:
            file.truncate(16_000_000)
        made = content(tmp_path / f"content{number}", data)
        subprocess.run(["mkfs.ext4", "-q", "-d", made, image], check=True)
        with mounted(place, "-o", "loop,ro", image):
            assert station.dock(place)["ok"]
    assert station.value("SELECT count(DISTINCT recorder_id) FROM docking") == 2
    both_are_kept(station)


def test_one_that_does_not_say_which_it_is(station: Station, tmp_path: Path) -> None:
    """Then whether it is the card that was here before is not known, and every file is read."""
    place = tmp_path / "slot"
    for data in (FIRST, SECOND):
        with mounted(place, "-t", "ramfs", "ramfs"):
            content(place, data)
            assert station.dock(place)["ok"]
            assert [clip["sha256"] for clip in station.dock(place)["clips"]][-1] == digest_of(data)
    both_are_kept(station)
