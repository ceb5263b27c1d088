"""Which case a clip belongs to, by officer and time. Pure: windows in, verdict out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """An officer worked on a case from ``start`` to ``end`` (UTC, both inclusive)."""

    case_id: str
    officer_id: str
    start: datetime
    end: datetime


def candidates(
    officer: str | None, start: datetime | None, windows: Iterable[Window], buffer: timedelta
) -> tuple[str, ...]:
    """Return the ids of all cases with a window of ``officer`` that holds ``start``.

    ``buffer`` widens each window on both sides, for clocks and for footage that begins on the way.
    Windows that hold the start without the buffer win over those that only do with it: the buffer
    must not make two visits that follow each other ambiguous. One id is a link, several are a
    question for a person, none is an unlinked clip.
    """
    if officer is None or start is None:
        return ()
    own = [window for window in windows if window.officer_id == officer]
    inside = {w.case_id for w in own if w.start <= start <= w.end}
    if inside:
        return tuple(sorted(inside))
    near = {w.case_id for w in own if w.start - buffer <= start <= w.end + buffer}
    return tuple(sorted(near))
