"""A card with very many files, and a docking of it that is killed on the way."""

import signal
from pathlib import Path

from tests.support.service import states
from tests.support.station import Station, ended, until


def make_full_card(card: Path, files: int) -> Path:
    """Make tiny files, a thousand in each folder; no two hold the same."""
    for number in range(files):
        folder = card / f"{number // 1000:03}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number % 1000:03}.txt").write_bytes(b"%d" % number)
    return card


def dock_until(station: Station, card: Path, many: int, *, within: float = 400) -> None:
    """Dock until so many clips are safe, then kill the process."""

    def safe() -> int:
        found = states(station)
        return found["confirmed"] + found["released"]

    process = station.start("dock", card, "--json")
    try:
        until(lambda: process.poll() is not None or safe() >= many, within=within, every=0.5)
    finally:
        process.kill()
        code = ended(process).code
    assert code == -signal.SIGKILL, "it ended by itself"
