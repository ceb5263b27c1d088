"""Speed and memory of sealdock, as whole processes, against baselines measured in the same run.

``make bench`` runs it; ``make bench BENCH_ARGS="--only dock --runs 5"`` chooses. It prints figures and
ratios beside the goals and judges nothing: machines differ, ratios less so. Runs of a pair take turns
(A B A B), and the ratio is the median over the pairs.
"""

import argparse
import contextlib
import os
import platform
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cards import MIB, make_card, make_sparse_card
from measured import Run
from measured import run as measure
from stores import Printer, idle, s3, s3_memory, s3_small, s3_verify

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from storage.immutable import set_immutable  # noqa: E402 - the checkout is on the path only now

SEALDOCK = (sys.executable, "-m", "cli")
SMALL = 100 * 1024
PROBED = 100


def main() -> None:
    benches = {"dock": dock, "small": small, "verify": verify, "memory": memory, "start": start}
    # These need a store or ten minutes: only when they are named.
    apart = {"s3": s3, "s3-small": s3_small, "s3-verify": s3_verify, "s3-memory": s3_memory, "idle": idle}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=sorted([*benches, *apart]), action="append", help="one bench; may be repeated"
    )
    parser.add_argument("--runs", type=int, default=3, help="counted runs or pairs of each bench (default 3)")
    parser.add_argument("--mib", type=int, default=2048, help="size of the large card in MiB (default 2048)")
    parser.add_argument("--clips", type=int, default=1000, help="clips of the small card (default 1000)")
    parser.add_argument("--memory-mib", type=int, default=8192, help="size of the one large clip in MiB")
    parser.add_argument("--idle-minutes", type=float, default=10, help="how long `idle` looks (default 10)")
    parser.add_argument(
        "--confirmation", default="", help="vault.confirmation of the s3 benches (default: the setting's own)"
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--ocopy", help="an ocopy command to show beside the large card")
    parser.add_argument("--ascmhl", help="an ascmhl command to show beside the large card")
    chosen = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print("goal, then medians; 'others' is the share of the processors that other processes used meanwhile")
    for name in chosen.only or benches:
        with workplace(chosen.folder) as folder:
            if name in apart:
                apart[name](folder, chosen, Printer(show, show_pairs))
            else:
                benches[name](folder, chosen)


@contextlib.contextmanager
def workplace(parent: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards, locked objects and all."""
    folder = Path(tempfile.mkdtemp(prefix="sealdock-bench-", dir=parent))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Delete a tree in which a vault may have made files immutable."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY)
                try:
                    set_immutable(fd, immutable=False)
                finally:
                    os.close(fd)
    shutil.rmtree(folder)


def sealdock(home: Path, *arguments: str | Path, memory: bool = False) -> Run:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEALDOCK_HOME": str(home)}
    return measure([*SEALDOCK, *arguments], environment, memory=memory)


def shell(line: str) -> Run:
    """Run a line of shell that this file wrote."""
    return measure(["sh", "-ec", line], dict(os.environ))


def fresh_home(folder: Path) -> Path:
    home = folder / "home"
    if home.exists():
        remove(home)
    sealdock(home, "init")
    shell("sync")
    return home


def show(title: str, goal: str, unit: str, figures: Sequence[float], runs: Sequence[Run]) -> None:
    spread = f"{min(figures):.2f} to {max(figures):.2f}" if len(figures) > 1 else "one run"
    print(
        f"{title} | {goal} | {statistics.median(figures):.2f}{unit} ({spread}) | "
        f"{statistics.median(run.seconds for run in runs):.2f} s, "
        f"processor {statistics.median(run.processor for run in runs):.2f} s, "
        f"others {statistics.median(run.others for run in runs):.0%}",
        flush=True,
    )


def show_pairs(
    title: str, goal: str, pairs: Sequence[tuple[Run, Run]], ratio: Callable[[Run, Run], float]
) -> None:
    show(title, goal, " x", [ratio(ours, base) for ours, base in pairs], [ours for ours, _ in pairs])
    show("  baseline", "", " s", [base.seconds for _, base in pairs], [base for _, base in pairs])


def dock(folder: Path, chosen: argparse.Namespace) -> None:
    """A large card in 8 clips: dock to confirmed, process start included, against copying and one digest."""
    card = make_card(folder, clips=8, size=chosen.mib * MIB // 8)
    copy = folder / "copy"
    source, target = shlex.quote(str(card)), shlex.quote(str(copy))

    def ours() -> Run:
        return sealdock(fresh_home(folder), "dock", card, "--json")

    def base(after: str = f"find {target} -type f -exec openssl dgst -sha256 {{}} +") -> Run:
        shutil.rmtree(copy, ignore_errors=True)
        shell("sync")
        return shell(f"cp -r {source} {target}; sync; {after}")

    ours(), base()  # caches, bytecode
    pairs = [(ours(), base()) for _ in range(chosen.runs)]
    show_pairs(
        f"dock {chosen.mib} MiB in 8 clips against cp -r, sync, openssl dgst",
        "<= 1.25",
        pairs,
        lambda a, b: a.seconds / b.seconds,
    )
    if chosen.ocopy:
        shutil.rmtree(copy)
        copy.mkdir()
        one = shell(f"sync; {chosen.ocopy} {source} {target}")
        show("  ocopy (xxHash, nothing is flushed)", "", " s", [one.seconds], [one])
    if chosen.ascmhl:
        one = base(f"{chosen.ascmhl} create -h c4 {target}")
        show("  cp -r, sync, ascmhl create -h c4", "", " s", [one.seconds], [one])


def small(folder: Path, chosen: argparse.Namespace) -> None:
    """Many small clips: milliseconds a clip, from the start of the process to the last confirmation."""
    card = make_card(folder, clips=chosen.clips, size=SMALL)
    runs = [sealdock(fresh_home(folder), "dock", card, "--json") for _ in range(chosen.runs)]
    each = [run.seconds / chosen.clips * 1000 for run in runs]
    show(f"dock {chosen.clips} clips of 100 KiB", "<= 60 ms a clip", " ms a clip", each, runs)
    # Each clip is looked at by one process of ffprobe: how long those take tells how quick the machine is.
    probed = sorted(card.rglob("*.MP4"))[:PROBED]
    names = " ".join(shlex.quote(str(path)) for path in probed)
    alone = shell(f'for clip in {names}; do ffprobe -v error -show_format -show_streams "$clip"; done')
    each = [alone.seconds / len(probed) * 1000]
    show(f"  ffprobe alone, {len(probed)} of them in turn", "", " ms a clip", each, [alone])


def verify(folder: Path, chosen: argparse.Namespace) -> None:
    """Full verification against openssl over the same stored bytes, both from the medium."""
    card = make_card(folder, clips=8, size=chosen.mib * MIB // 8)
    home = fresh_home(folder)
    sealdock(home, "dock", card)
    objects = home / "vault" / "clips"

    def ours() -> Run:
        drop(objects)
        return sealdock(home, "verify", "--level", "full")

    def base() -> Run:
        drop(objects)
        return shell(f"find {shlex.quote(str(objects))} -type f -exec openssl dgst -sha256 {{}} +")

    ours(), base()
    pairs = [(ours(), base()) for _ in range(chosen.runs)]
    show_pairs(
        f"verify --level full of {chosen.mib} MiB, as a speed against openssl dgst",
        ">= 0.8",
        pairs,
        lambda a, b: b.seconds / a.seconds,
    )


def drop(folder: Path) -> None:
    """Empty the page cache of a tree's files, so that both sides read from the medium."""
    for path in folder.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def memory(folder: Path, chosen: argparse.Namespace) -> None:
    """Peak resident memory, children included, while one large clip is docked."""
    card = make_sparse_card(folder, size=chosen.memory_mib * MIB)
    one = sealdock(fresh_home(folder), "dock", card, "--json", memory=True)
    show(f"memory docking one clip of {chosen.memory_mib} MiB", "<= 200 MiB", " MiB", [one.peak], [one])


def start(folder: Path, chosen: argparse.Namespace) -> None:
    """What a start costs: help, and docking an empty card."""
    home = fresh_home(folder)
    card = folder / "card"
    card.mkdir()
    count = max(5, chosen.runs)
    for title, goal, arguments in (
        ("sealdock --help", "< 0.3 s", ("--help",)),
        ("dock of an empty card", "", ("dock", card)),
    ):
        sealdock(home, *arguments)
        runs = [sealdock(home, *arguments) for _ in range(count)]
        show(title, goal, " s", [run.seconds for run in runs], runs)


if __name__ == "__main__":
    main()
