"""Runs of whole processes: seconds, processor time, peak memory, and what others used meanwhile."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """One run of a command and its children."""

    seconds: float
    processor: float
    """Seconds of processor time, user and system, of the command and the children it waited for."""
    others: float
    """Share of all processors (0 to 1) that other processes used meanwhile: the noise."""
    peak: float = 0.0
    """MiB resident at one moment, the command and its children together; 0 unless it was asked for."""


def run(command: Sequence[str | Path], environment: dict[str, str], *, memory: bool = False) -> Run:
    """Run a command to its end, its output thrown away; a failure ends the bench."""
    busy_before = _busy()
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        watch = _Watch(process.pid) if memory else None
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    peak = watch.end() if watch else 0.0
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}: {errors.decode()[-2000:]}")
    processor = usage.ru_utime + usage.ru_stime
    processors = os.cpu_count() or 1
    others = max(0.0, _busy() - busy_before - processor) / (seconds * processors)
    return Run(seconds, processor, others, peak)


def _busy() -> float:
    """Seconds of work, by anything and in anything but waiting, since the machine started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + steal) / _TICKS


class _Watch:
    """Samples the resident memory of a process and all that descend from it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def end(self) -> float:
        self._over.set()
        self._thread.join()
        return self._peak / MIB

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self._peak = max(self._peak, sum(_resident(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    found = [pid]
    for member in found:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # it has ended meanwhile
            continue
    return found


def _resident(pid: int) -> int:
    """Bytes; memory that processes share counts in full for each of them, so sums are upper bounds."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
