"""The condition of a media file, as its container tells it. Nothing here decodes a frame."""

from dataclasses import dataclass
from enum import StrEnum

from config.messages import mark


class Condition(StrEnum):
    """What the container says about the wholeness of a file.

    `INTACT` means that the container's structure is whole: every length and every offset that was read stays
    inside the file, and the index is there. **Nothing was decoded**: an intact file may hold pictures that do
    not play. `TRUNCATED`: the structure names bytes that the file does not have, or no media data at all.
    `UNFINISHED`: the recorder never wrote the index or the final lengths (power cut). `EMPTY`: zero bytes.
    `NOT_MEDIA`: no media format was recognised. `UNKNOWN`: media perhaps, but nothing may be said (the
    structure contradicts itself, the format states no lengths, a limit was reached, or a tool is missing).
    """

    INTACT = "intact"
    TRUNCATED = "truncated"
    UNFINISHED = "unfinished"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    UNKNOWN = "unknown"


SHOWN = {
    Condition.TRUNCATED: mark("truncated"),
    Condition.UNFINISHED: mark("unfinished"),
    Condition.EMPTY: mark("empty"),
    Condition.NOT_MEDIA: mark("not media"),
    Condition.UNKNOWN: mark("of unknown condition"),
}
"""The words for people; scripts get the values."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The outcome of walking one container: a condition and, unless intact, the reason in plain English."""

    condition: Condition
    problem: str | None = None


INTACT = Structure(Condition.INTACT)


def truncated(problem: str) -> Structure:
    """Return a structure that names bytes the file does not have."""
    return Structure(Condition.TRUNCATED, problem)


def unfinished(problem: str) -> Structure:
    """Return a structure whose recorder never closed it."""
    return Structure(Condition.UNFINISHED, problem)


def unknown(problem: str) -> Structure:
    """Return a structure of which nothing may be said."""
    return Structure(Condition.UNKNOWN, problem)
