"""What was tried on a vault before it is used, and how each trial ended."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check ended."""

    YES = "yes"
    NO = "no"
    UNTRIED = "untried"
    """It was refused, and would have been in any case."""
    ADVISORY = "advisory"
    """Kept by this program; an administrator of the machine need not."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. ``required``: without it the store is no vault; else it is a warning."""

    name: str
    title: str
    required: bool
    outcome: Outcome


def check(name: str, title: str, honoured: bool, *, required: bool = True) -> Check:
    """Return a check that ended with yes or no."""
    return Check(name, title, required, Outcome.YES if honoured else Outcome.NO)
