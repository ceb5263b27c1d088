"""Bars on standard error, where that is a terminal: what is under way, and how far it is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from jobs.following import ShowProgress


@contextmanager
def offloading(*, quiet: bool) -> "Iterator[ShowProgress | None]":
    """Show how many bytes of a docking came in; give the function that moves the bar, None without one."""
    if not _wanted(quiet=quiet):
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.fields[states]}"),
    )
    with _bar(columns) as bar:
        task = bar.add_task("", total=None, states="")

        def show(what: str, done: int, total: int, states: dict[str, int]) -> None:
            words = "  ".join(f"{name} {number}" for name, number in sorted(states.items()))
            bar.update(task, description=what, completed=done, total=total or None, states=words)

        yield show


@contextmanager
def counting(*, quiet: bool) -> "Iterator[Callable[[int, int, str], None] | None]":
    """Show how many of a number of clips are done; the function takes that, the number, and a note."""
    if not _wanted(quiet=quiet):
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with _bar(columns) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, description=note)

        yield show


def _wanted(*, quiet: bool) -> bool:
    return not quiet and sys.stderr.isatty()


def _bar(columns: "tuple[ProgressColumn, ...]") -> "Progress":
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True), transient=True)
