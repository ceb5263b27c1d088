"""The ledger of a register: events appended in batches, checked, and a register made anew from its vault.

Prints figures beside the goals and judges nothing. ``--clips`` small clips are docked first, which takes a
while; ``--events`` further events are appended to a register of its own.
"""

import argparse
import gc
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from cards import make_card

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from commands.common import build_node  # noqa: E402 - the checkout is on the path only now
from config.settings import Settings  # noqa: E402 - same
from jobs.ledger.checking import check  # noqa: E402 - same
from jobs.ledger.rebuilding import prepared_rebuild  # noqa: E402 - same
from jobs.node import Node  # noqa: E402 - same
from metadata import events  # noqa: E402 - same
from metadata.events import EventKind  # noqa: E402 - same
from metadata.models import StoredKind, StoredVersion  # noqa: E402 - same
from storage.immutable import set_immutable  # noqa: E402 - same

BATCH = 500
AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=100_000, help="default 100000")
    parser.add_argument("--clips", type=int, default=1000, help="default 1000")
    chosen = parser.parse_args()
    gc.set_threshold(400_000)  # as the command has it (cli.main)
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    folder = Path(tempfile.mkdtemp(prefix="sealdock-bench-"))
    try:
        append_and_check(folder, chosen.events)
        rebuild(folder, chosen.clips)
    finally:
        thaw(folder)
        shutil.rmtree(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of all that | | {peak:.0f} MiB")


def append_and_check(folder: Path, count: int) -> None:
    node = new_home(folder / "events")
    before = time.perf_counter()
    for first in range(0, count, BATCH):
        with node.register.write() as session:
            for number in range(first, min(first + BATCH, count)):
                session.add(version(number))
                events.append(
                    session,
                    EventKind.RECONCILED,
                    node.actor,
                    AT,
                    attempt=str(number),
                    subject="bench",
                    facts={"done": "adopted", "key": f"clips/{number}"},
                )
    seconds = time.perf_counter() - before
    print(f"appending {BATCH} at once, a row with each | >= 2000 events/s | {count / seconds:.0f} events/s")
    before = time.perf_counter()
    done = check(node)
    seconds = time.perf_counter() - before
    if done.found:
        raise SystemExit(f"the check found {done.differences[:3]}")
    print(f"ledger check | >= 50000 events/s | {done.events / seconds:.0f} events/s, as many rows")
    node.close()


def version(number: int) -> StoredVersion:
    return StoredVersion(
        id=f"{number:026d}",
        vault="main",
        key=f"clips/{number}",
        version="1",
        kind=StoredKind.ORIGINAL.value,
        sha256=f"{number:064x}",
        size=number,
        lock_mode="advisory",
        lock_until=AT,
        confirmation="full",
        created_at=AT,
    )


def rebuild(folder: Path, clips: int) -> None:
    node = new_home(folder / "clips")
    card = make_card(folder, clips=clips, size=100 * 1024)
    subprocess.run(
        [sys.executable, "-m", "cli", "dock", card, "--json"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SEALDOCK_HOME": str(node.home)},
    )
    node.close()
    for path in node.home.glob("register.db*"):
        path.unlink()
    node = opened(node.home)
    before = time.perf_counter()
    prepared_rebuild(node)
    seconds = time.perf_counter() - before
    node.close()
    print(f"rebuild of {clips} clips from a local vault | >= 500 clips/s | {clips / seconds:.0f} clips/s")


def new_home(home: Path) -> Node:
    subprocess.run(
        [sys.executable, "-m", "cli", "init"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "SEALDOCK_HOME": str(home)},
    )  # fmt: skip
    return opened(home)


def opened(home: Path) -> Node:
    return build_node(home, Settings.load(home))


def thaw(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                set_immutable(file.fileno(), immutable=False)


if __name__ == "__main__":
    main()
