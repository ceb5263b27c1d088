"""The station service in tests: started, waited for, stopped, and killed at random."""

import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.station import Station, ended, make_card, until

QUICK = {
    "SEALDOCK_WATCH_RESCAN_SECONDS": "0.2",
    "SEALDOCK_WATCH_QUIET_SECONDS": "0.6",
    "SEALDOCK_WATCH_UNKNOWN_VOLUMES": "accept",
    "SEALDOCK_LOG_LEVEL": "info",
}


@contextmanager
def watching(station: Station, root: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the service until the block ends; it must stop by itself when it is asked to."""
    process = station.start("watch", root, **{**QUICK, **settings})
    try:
        until(lambda: _ready(process))
        yield process
        process.send_signal(signal.SIGTERM)
        told = ended(process).expect(0)
        assert "Stopped" in told.text
    finally:
        if process.poll() is None:
            process.kill()
            with suppress(ValueError):
                process.communicate()


def _ready(process: "subprocess.Popen[bytes]") -> bool:
    """Tell whether the service has come so far that it catches SIGTERM (or has ended: that shows later)."""
    if process.poll() is not None:
        return True
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def states(station: Station) -> Counter[str]:
    return Counter(row[0] for row in station.rows("SELECT state FROM clip"))


def closed(station: Station) -> int:
    found: int = station.value("SELECT count(*) FROM docking WHERE closed_at IS NOT NULL")
    return found


def finish(station: Station, root: Path, clips: int, *, within: float = 120) -> None:
    """Run the service until so many clips are released and every docking is closed, then stop it."""
    with watching(station, root):
        until(lambda: states(station) == {"released": clips}, within=within)
        until(lambda: closed(station) == station.value("SELECT count(*) FROM docking"), within=within)


def kill_at_random(
    station: Station,
    root: Path,
    *,
    seconds: float,
    seed: int,
    on_kill: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Start the service and kill it, again and again; folders with clips keep appearing. Return the folders.

    Its output goes nowhere: what it did is in the register.
    """
    rng = random.Random(seed)  # noqa: S311 - a seed, so that a failure can be repeated
    began = time.monotonic()
    folders: list[Path] = []
    kills = 0
    while time.monotonic() - began < seconds:
        number = len(folders)
        files: dict[str | bytes, bytes] = {
            f"{number}-{n}.mp4": rng.randbytes(rng.choice([0, 5_000, 3_000_000])) + b"%d.%d" % (number, n)
            for n in range(rng.randint(1, 5))
        }
        # It must not be seen half made: nothing here is about folders that are still being filled.
        made = make_card(root.parent / f"making{number}", files)
        folders.append(made.rename(root / f"drop{number}"))
        process = station.start("watch", root, **QUICK)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1 + rng.random() * 4)
        process.kill()
        assert ended(process).code == -signal.SIGKILL, "it ended by itself"
        kills += 1
        on_kill(kills)
    return folders
