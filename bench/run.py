"""Speed and memory of sealdock, as whole processes, against baselines measured in the same run.

``make bench`` runs it; ``make bench BENCH_ARGS="--only dock --runs 3"`` chooses. It prints figures and
ratios beside the goals and judges nothing: machines differ, ratios less so. Runs of a pair take turns
(A B A B), and the ratio is the median over the pairs.
"""

import argparse
import contextlib
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from storage.immutable import set_immutable  # noqa: E402 - the checkout is on the path only now

MIB = 1024 * 1024
SEALDOCK = (sys.executable, "-m", "cli")


def main() -> None:
    benches = {
        "dock": dock,
        "small": small,
        "verify": verify,
        "memory": memory,
        "start": start,
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=sorted(benches), action="append", help="one bench (may be repeated)"
    )
    parser.add_argument("--runs", type=int, default=3, help="counted pairs of each bench (default 3)")
    parser.add_argument("--mib", type=int, default=2048, help="size of the large card in MiB (default 2048)")
    parser.add_argument("--clips", type=int, default=1000, help="clips of the small card (default 1000)")
    parser.add_argument("--memory-mib", type=int, default=8192, help="size of the one large clip in MiB")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--ocopy", help="path of an ocopy command to show beside the large card")
    parser.add_argument("--ascmhl", help="path of an ascmhl command to show beside the large card")
    chosen = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    for name in chosen.only or benches:
        with workplace(chosen.folder) as folder:
            benches[name](folder, chosen)


@contextlib.contextmanager
def workplace(parent: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards, locked objects and all."""
    folder = Path(tempfile.mkdtemp(prefix="sealdock-bench-", dir=parent or Path(tempfile.gettempdir())))
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


def run(*command: str | Path, home: Path | None = None) -> float:
    """Run a command, its output thrown away, and return its seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if home is not None:
        environment["SEALDOCK_HOME"] = str(home)
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return took


def shell(line: str) -> float:
    """Run a line of shell that this file wrote; no name in it comes from outside."""
    return run("sh", "-c", line)


def fresh_home(folder: Path) -> Path:
    home = folder / "home"
    if home.exists():
        remove(home)
    run(*SEALDOCK, "init", home=home)
    return home


def make_card(folder: Path, clips: int, size: int) -> Path:
    card = folder / "card" / "DCIM" / "100BENCH"
    card.mkdir(parents=True)
    for number in range(clips):
        with (card / f"BNCH{number + 1:04}.MP4").open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
            file.write(os.urandom(size % MIB))
    run("sync")
    return folder / "card"


def pairs(
    title: str, goal: str, ours: Callable[[], float], base: Callable[[], float], runs: int, unit: float = 1.0
) -> None:
    """Measure two things in turn and print both medians and the median of their ratios."""
    ours(), base()  # a warm-up: caches, bytecode
    found = [(ours(), base()) for _ in range(runs)]
    ratios = sorted(a / b for a, b in found)
    a, b = (statistics.median(column) for column in zip(*found, strict=True))
    print(
        f"{title}: {a * unit:.2f} against {b * unit:.2f}; "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); goal {goal}"
    )


def dock(folder: Path, chosen: argparse.Namespace) -> None:
    """A large card in 8 clips: dock to confirmed, process start included, against copying and one digest."""
    card = make_card(folder, 8, chosen.mib * MIB // 8)
    copy = folder / "copy"

    def ours() -> float:
        home = fresh_home(folder)
        run("sync")
        return run(*SEALDOCK, "dock", card, "--json", home=home)

    def base() -> float:
        shutil.rmtree(copy, ignore_errors=True)
        run("sync")
        return shell(f"cp -r {card} {copy} && sync && find {copy} -type f -exec openssl dgst -sha256 {{}} +")

    pairs(f"dock {chosen.mib} MiB in 8 clips [s]", "<= 1.25", ours, base, chosen.runs)
    yardstick(card, copy, "ocopy", chosen.ocopy, lambda tool: f"{tool} {card} {copy}")
    yardstick(
        card,
        copy,
        "cp, sync, ascmhl",
        chosen.ascmhl,
        lambda tool: f"cp -r {card} {copy} && sync && {tool} create -h c4 {copy}",
    )


def yardstick(card: Path, copy: Path, name: str, tool: str | None, line: Callable[[str], str]) -> None:
    """Show another tool's time for the same card, if its command was given."""
    del card
    if tool is None:
        print(f"  {name}: not measured (no command given)")
        return
    shutil.rmtree(copy, ignore_errors=True)
    if name == "ocopy":
        copy.mkdir()
    print(f"  {name}: {shell(line(tool)):.2f} s")


def small(folder: Path, chosen: argparse.Namespace) -> None:
    """Many small clips: milliseconds a clip, from the start of the process to the last confirmation."""
    card = make_card(folder, chosen.clips, 100 * 1024)
    took = []
    for _ in range(chosen.runs):
        home = fresh_home(folder)
        took.append(run(*SEALDOCK, "dock", card, "--json", home=home) / chosen.clips * 1000)
    print(f"dock {chosen.clips} clips of 100 KiB: {statistics.median(took):.1f} ms a clip; goal <= 60")


def verify(folder: Path, chosen: argparse.Namespace) -> None:
    """Full verification against openssl over the same stored bytes, as speeds."""
    card = make_card(folder, 8, chosen.mib * MIB // 8)
    home = fresh_home(folder)
    run(*SEALDOCK, "dock", card, home=home)
    objects = home / "vault" / "clips"

    def ours() -> float:
        drop(objects)
        return run(*SEALDOCK, "verify", "--level", "full", home=home)

    def base() -> float:
        drop(objects)
        return shell(f"find {objects} -type f -exec openssl dgst -sha256 {{}} +")

    # Speeds, so the ratio is the other way round: openssl's seconds over ours.
    ours(), base()
    found = [(ours(), base()) for _ in range(chosen.runs)]
    ratios = sorted(b / a for a, b in found)
    a, b = (chosen.mib / statistics.median(column) for column in zip(*found, strict=True))
    print(
        f"verify --level full [MiB/s]: {a:.0f} against {b:.0f}; ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); goal >= 0.8"
    )


def drop(folder: Path) -> None:
    """Empty the page cache of a tree's files, so that both sides read from the medium."""
    for path in folder.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def memory(folder: Path, chosen: argparse.Namespace) -> None:
    """Peak resident memory while one large clip is docked (the file is sparse: its bytes are zeros)."""
    card = folder / "card"
    card.mkdir()
    with (card / "LARGE.MP4").open("wb") as file:
        file.truncate(chosen.memory_mib * MIB)
    home = fresh_home(folder)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEALDOCK_HOME": str(home)}
    pid = os.posix_spawn(
        SEALDOCK[0],
        [*SEALDOCK, "dock", str(card), "--json"],
        environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"dock ended with status {status}")
    peak = usage.ru_maxrss / 1024
    print(f"dock one clip of {chosen.memory_mib} MiB: peak {peak:.0f} MiB of the process; goal <= 200")


def start(folder: Path, chosen: argparse.Namespace) -> None:
    """What a start costs: help, and docking an empty card."""
    runs = max(5, chosen.runs)
    run(*SEALDOCK, "--help")
    took = statistics.median(run(*SEALDOCK, "--help") for _ in range(runs))
    print(f"sealdock --help: {took:.2f} s; goal < 0.3")
    card = folder / "card"
    card.mkdir()
    home = fresh_home(folder)
    took = statistics.median(run(*SEALDOCK, "dock", card, home=home) for _ in range(runs))
    print(f"dock of an empty card: {took:.2f} s")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
