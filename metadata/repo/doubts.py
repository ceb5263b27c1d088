"""What stands against stored clips: what a check found wrong, until one that is as strong found it well.

A check of presence and locks reads no byte, and a sample may miss the chunk that is wrong. So what was found
wrong with a clip's *bytes* stands until every byte was read again by ``verify --level full``, or until a
docking put the clip right, which it proves by reading it whole. What was wrong with its manifest or seal
stands until a check that reads them, and what was found of presence, size or lock until any later check.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hashing import canonical
from metadata.events import EventKind
from metadata.models import CustodyEvent, IntegrityResult, IntegrityRun

_PAGE = 500  # SQLite limits the variables of one statement
_AT_A_LOOK = frozenset(
    {
        "missing",
        "size",
        "lock-missing",
        "lock-shortened",
        "hold-missing",
        "delete-marker",
        "newer-version",
        "newer-version-unlocked",
        "not-stored",
        "not-sealed",
    }
)
"""What every check would find again without reading a byte of the clip."""
_BESIDE = frozenset({"manifest", "seal", "seal-untrusted", "timestamp", "timestamped-seal"})
"""What lies beside a clip: a sample reads it whole."""
_LEVELS = ("lock", "sample", "full")
_MAIN, _SECOND = "main", "second"


class _Found(NamedTuple):
    """What was found wrong, or put right, and where that stands in the log."""

    sequence: int
    kind: str
    problem: str


def standing(session: Session, clip_ids: Sequence[str]) -> dict[str, str]:
    """Return what stands against those of the clips against which anything does."""
    found: dict[str, str] = {}
    for start in range(0, len(clip_ids), _PAGE):
        for clip_id, told in _told(session, clip_ids[start : start + _PAGE]).items():
            problem = _left(told, _passes(session, clip_id))
            if problem is not None:
                found[clip_id] = problem
    return found


def restored(session: Session, docking_id: str) -> dict[str, str]:
    """Return the clips that a docking put right in the vault, with what had been found of them."""
    query = select(CustodyEvent.clip_id, CustodyEvent.body).where(
        CustodyEvent.docking_id == docking_id, CustodyEvent.kind == EventKind.RESTORED.value
    )
    rows = session.execute(query.order_by(CustodyEvent.sequence))
    return {str(row.clip_id): str(canonical.decode(row.body)["facts"]["problem"]) for row in rows}


def weakest(problem: str) -> str:
    """Return the weakest level of checks that can show that a problem is gone."""
    first, *rest = problem.removeprefix(f"{_SECOND}: ").split(": ")
    if "unreadable" not in (first, *rest) and (rest or [first])[-1] in _AT_A_LOOK:
        return "lock"
    return "sample" if first in _BESIDE else "full"


def _told(session: Session, page: Sequence[str]) -> dict[str, list[_Found]]:
    """Return what the log says was found wrong with clips or put right, oldest first."""
    kinds = [EventKind.INTEGRITY_FAILED.value, EventKind.RESTORED.value]
    query = (
        select(CustodyEvent.clip_id, CustodyEvent.sequence, CustodyEvent.kind, CustodyEvent.body)
        .where(CustodyEvent.clip_id.in_(page), CustodyEvent.kind.in_(kinds))
        .order_by(CustodyEvent.sequence)
    )
    found: dict[str, list[_Found]] = {}
    for row in session.execute(query):
        problem = str(canonical.decode(row.body)["facts"]["problem"])
        found.setdefault(str(row.clip_id), []).append(_Found(row.sequence, row.kind, problem))
    return found


def _passes(session: Session, clip_id: str) -> dict[str, int]:
    """Return the levels of the checks that found a clip well, with the place in the log of the last of each.

    A run stands in the log when it has ended. One that was killed before proves nothing: it costs a second
    reading. A clock that jumps changes nothing here, since times are not compared.
    """
    query = (
        select(IntegrityRun.level, func.max(CustodyEvent.sequence))
        .join(IntegrityResult, IntegrityResult.run_id == IntegrityRun.id)
        .join(CustodyEvent, CustodyEvent.subject == IntegrityRun.id)
        .where(
            IntegrityResult.clip_id == clip_id,
            IntegrityResult.problem.is_(None),
            CustodyEvent.kind == EventKind.INTEGRITY_RUN.value,
        )
        .group_by(IntegrityRun.level)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _left(told: list[_Found], passes: Mapping[str, int]) -> str | None:
    """Return the newest of the problems that nothing ended, those of bytes before all others."""
    ended = {
        level: max((passes.get(stronger, -1) for stronger in _LEVELS[depth:]), default=-1)
        for depth, level in enumerate(_LEVELS)
    }
    open_ones: dict[str, list[_Found]] = {}
    for item in told:
        if item.kind == EventKind.RESTORED.value:
            open_ones.pop(_vault(item.problem), None)
        elif item.sequence > ended[weakest(item.problem)]:
            open_ones.setdefault(_vault(item.problem), []).append(item)
    left = [item for items in open_ones.values() for item in items]
    worst = max(left, key=lambda item: (_LEVELS.index(weakest(item.problem)), item.sequence), default=None)
    return None if worst is None else worst.problem


def _vault(problem: str) -> str:
    """Return which vault a problem is of: one of another than the main one begins with its name."""
    return _SECOND if problem.startswith(f"{_SECOND}: ") else _MAIN
