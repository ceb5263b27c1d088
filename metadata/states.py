"""The states of a clip, as a pure machine that refuses any other order (design, section 2)."""

from enum import StrEnum

from config.errors import IllegalTransitionError


class ClipState(StrEnum):
    """Where a clip stands on its way from the card to the vault."""

    FOUND = "found"
    OFFLOADED = "offloaded"
    SEALED = "sealed"
    STORED = "stored"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    MISSING_AT_UNPLUG = "missing_at_unplug"
    QUARANTINED = "quarantined"
    WAITING = "waiting"


_S = ClipState

# A clip that has lost its spool copy goes back to FOUND through WAITING, so that the loss shows.
_NEXT: dict[ClipState, frozenset[ClipState]] = {
    _S.FOUND: frozenset({_S.OFFLOADED, _S.MISSING_AT_UNPLUG, _S.QUARANTINED, _S.WAITING}),
    _S.OFFLOADED: frozenset({_S.SEALED, _S.QUARANTINED, _S.WAITING}),
    _S.SEALED: frozenset({_S.STORED, _S.QUARANTINED, _S.WAITING}),
    _S.STORED: frozenset({_S.CONFIRMED, _S.QUARANTINED, _S.WAITING}),
    _S.CONFIRMED: frozenset({_S.RELEASED}),
    _S.RELEASED: frozenset(),
    _S.MISSING_AT_UNPLUG: frozenset({_S.FOUND}),
    _S.QUARANTINED: frozenset({_S.FOUND}),
    _S.WAITING: frozenset(
        {_S.FOUND, _S.OFFLOADED, _S.SEALED, _S.STORED, _S.MISSING_AT_UNPLUG, _S.QUARANTINED}
    ),
}

SAFE = frozenset({_S.CONFIRMED, _S.RELEASED})
"""States in which the vault has confirmed the exact stored version."""

ENDED = SAFE | {_S.MISSING_AT_UNPLUG, _S.QUARANTINED}
"""States in which a docking has nothing more to do for a clip."""

_ORDER = (_S.FOUND, _S.OFFLOADED, _S.SEALED, _S.STORED, _S.CONFIRMED, _S.RELEASED)


def allowed(current: ClipState, asked: ClipState) -> bool:
    """Tell whether a clip may go from ``current`` to ``asked``."""
    return asked in _NEXT[current]


def check(clip: str, current: ClipState, asked: ClipState) -> None:
    """Raise IllegalTransitionError unless ``clip`` may go from ``current`` to ``asked``."""
    if not allowed(current, asked):
        raise IllegalTransitionError(clip=clip, current=current.value, asked=asked.value)


def reached(current: ClipState, goal: ClipState) -> bool:
    """Tell whether ``current`` lies at or beyond ``goal`` on the straight way."""
    return current in _ORDER and _ORDER.index(current) >= _ORDER.index(goal)
