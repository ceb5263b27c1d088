"""Numbers in the names of a card's files: which are missing, without inventing any.

A recorder counts its recordings, and its names show the number. How it counts is its maker's affair: for
ever, a day at a time, anew after formatting, from 9999 to 1. What can be said honestly of a set of numbers:

1. As long as no number repeats, the files are one run in order of number. Where numbers repeat, each folder
   and day is a run of its own.
2. A hole inside a run, or between a run and the next one, is a gap: these numbers were never seen.
3. A step back is a counter that began anew, and a hole of more than LEAP numbers another counter: told, and
   no gap. A card does not lose thousands of recordings between two that it has.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LEAP = 1000
"""A hole of more numbers than this is another counter, not lost footage."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A file with a number in its name. ``start`` is the recorder's own clock, where the name has it."""

    path: str
    sequence: int
    chapter: int | None = None
    start: datetime | None = None

    @property
    def folder(self) -> str:
        """Return the folder of the file."""
        return self.path.rpartition("/")[0]

    @property
    def order(self) -> tuple[str, str, int]:
        """Return what runs are put in order by: time where there is one, else folder."""
        return ("" if self.start is None else self.start.isoformat(), self.folder, self.sequence)


class StepKind(StrEnum):
    """What lies between two files that follow each other."""

    GAP = "gap"
    LEAP = "leap"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Step:
    """Two files that follow each other, and the kind of step between their numbers."""

    kind: StepKind
    after: Numbered
    before: Numbered

    @property
    def first(self) -> int:
        """Return the first number that is missing, of a gap."""
        return self.after.sequence + 1

    @property
    def last(self) -> int:
        """Return the last one."""
        return self.before.sequence - 1


@dataclass(frozen=True, slots=True)
class MissingChapters:
    """Chapters of one recording that are missing between others, or before the first."""

    recording: Numbered
    chapters: tuple[int, ...]


def steps(files: Iterable[Numbered], last: Numbered | None) -> tuple[list[Step], Numbered | None]:
    """Return what is remarkable in the numbers of new files, and the last of them.

    ``last`` is the last one of the docking before, so that a hole between two dockings shows; None: there was
    none, and where the numbers begin says nothing.
    """
    found = []
    for run in _runs(list(files)):
        for file in run:
            step = None if last is None else _step(last, file)
            if step is not None:
                found.append(step)
            last = file
    return found, last


def missing_chapters(files: Iterable[Numbered]) -> list[MissingChapters]:
    """Return recordings of which chapters are missing; the last ones cannot be missed."""
    recordings: dict[tuple[str, int], list[Numbered]] = {}
    for file in files:
        recordings.setdefault((file.folder, file.sequence), []).append(file)
    found = []
    for parts in recordings.values():
        seen = {part.chapter for part in parts if part.chapter is not None}
        # A hostile name cannot make this long: the digits of a chapter are bounded by what is on the card.
        if not seen or max(seen) > LEAP:
            continue
        missing = tuple(number for number in range(1, max(seen)) if number not in seen)
        if missing:
            found.append(MissingChapters(parts[0], missing))
    return found


def _runs(files: list[Numbered]) -> Iterator[list[Numbered]]:
    """Divide files into runs of growing numbers, one file for each number, in order of recording."""
    groups: dict[tuple[str, str], dict[int, Numbered]] = {}
    repeats = _repeats(files)
    for file in files:
        day = "" if file.start is None else file.start.date().isoformat()
        numbers = groups.setdefault((day, file.folder) if repeats else ("", ""), {})
        numbers.setdefault(file.sequence, file)
    runs = []
    for numbers in groups.values():
        run: list[Numbered] = []
        for _, file in sorted(numbers.items()):
            if run and file.sequence - run[-1].sequence - 1 > LEAP:
                runs.append(run)
                run = []
            run.append(file)
        runs.append(run)
    yield from sorted(runs, key=lambda run: run[0].order)


def _repeats(files: list[Numbered]) -> bool:
    """Tell whether a number was given twice: to recordings of other times, or in other folders."""
    where: dict[int, set[str]] = {}
    for file in files:
        place = file.folder if file.start is None else file.start.isoformat()
        where.setdefault(file.sequence, set()).add(place)
    return any(len(places) > 1 for places in where.values())


def _step(after: Numbered, before: Numbered) -> Step | None:
    missing = before.sequence - after.sequence - 1
    if missing > LEAP:
        return Step(StepKind.LEAP, after, before)
    if missing > 0:
        return Step(StepKind.GAP, after, before)
    return Step(StepKind.RESTART, after, before) if before.sequence < after.sequence else None
