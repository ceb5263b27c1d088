"""What a stage of a docking says when it is through."""

from enum import StrEnum


class Verdict(StrEnum):
    """Outcome of one try of one stage. A string, since the engine stores it as JSON."""

    DONE = "done"
    """Go on with the next stage."""
    RETRY = "retry"
    """Nothing is wrong with the clip; try again by itself (disk full, store away, register busy)."""
    ENDED = "ended"
    """The docking can do no more for this clip; its row says why."""
