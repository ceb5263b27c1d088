"""One name pattern of a recorder profile: a regular expression that is safe to run on hostile names."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from config.messages import mark

MAX_LENGTH = 500
"""Characters of one expression."""
MAX_PATH = 1024
"""Characters of a path that is looked at; a longer one matches nothing."""
MAX_WAYS = 1 << 26
"""Ways to divide a path among the repeats of one expression: all that a hostile name can make it try."""
GROUPS = frozenset({"device", "officer", "start", "sequence", "chapter", "important", "user"})

_TOKENS = re.compile(
    r"""(?P<escape>\\(?:.|$))
      | (?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])
      | (?P<open>\((?:\?(?:P<\w+>|.))?)
      | (?P<close>\))
      | (?P<repeat>(?:[*+?]|\{\d*(?:,\d*)?\})[?+]?)
      | (?P<literal>.)""",
    re.VERBOSE | re.DOTALL,
)
_OPENINGS = frozenset({"(", "(?:", "(?=", "(?!"})


class Kind(StrEnum):
    """What a file on a card is, by its name. Only a classification: every kind is kept."""

    VIDEO = "video"
    AUDIO = "audio"
    STILL = "still"
    SIDE = "side"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a name says. All of it is a claim of the recorder; ``start`` is its own clock, without a zone."""

    kind: Kind
    device: str | None = None
    officer: str | None = None
    user: str | None = None
    start: datetime | None = None
    sequence: int | None = None
    chapter: int | None = None
    important: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression for a whole POSIX path below the card's root, matched without regard to case.

    ``kind`` None: by the suffix. ``start_format`` is for ``datetime.strptime``.
    """

    expression: re.Pattern[str]
    kind: Kind | None = None
    start_format: str | None = None

    def match(self, path: str, default: Kind) -> NameFacts | None:
        """Read a path; None if it does not match or is longer than MAX_PATH."""
        if len(path) > MAX_PATH:
            return None
        found = self.expression.fullmatch(path)
        if found is None:
            return None
        groups = found.groupdict()
        return NameFacts(
            kind=self.kind or default,
            device=groups.get("device") or None,
            officer=groups.get("officer") or None,
            user=groups.get("user") or None,
            start=self._start(groups.get("start")),
            sequence=_number(groups.get("sequence")),
            chapter=_number(groups.get("chapter")),
            important=bool(groups.get("important")),
        )

    def _start(self, text: str | None) -> datetime | None:
        """Read the time; digits that are no time say nothing, since unknown is better than a guess."""
        if not text or self.start_format is None:
            return None
        try:
            return datetime.strptime(text, self.start_format)  # noqa: DTZ007 - the recorder names no zone
        except ValueError:
            return None


def compile_expression(text: str) -> re.Pattern[str]:
    """Compile the expression of a pattern; ValueError with a sentence part for what may not be used.

    Python's engine backtracks and has no time limit, and names come from whoever held the card. So what can
    make it slow is refused: repeated groups, references back, and more than MAX_WAYS.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(mark("the expression is longer than 500 characters"))
    _refuse_slow(text)
    try:
        expression = re.compile(text, re.IGNORECASE | re.ASCII)
    except (re.error, RecursionError, OverflowError):
        raise ValueError(mark("this is not a regular expression")) from None
    if set(expression.groupindex) - GROUPS:
        raise ValueError(
            mark("a named group must be device, officer, user, start, sequence, chapter or important")
        )
    return expression


def _refuse_slow(text: str) -> None:
    ways = 1
    before = ""
    for found in _TOKENS.finditer(text):
        kind, token = found.lastgroup, found[0]
        if kind == "repeat":
            if before == "close" and token[0] != "?":
                raise ValueError(mark("a group must not be repeated, only left out with ?"))
            ways *= _choices(token)
        elif kind == "open" and token not in _OPENINGS and not token.startswith("(?P<"):
            raise ValueError(mark("a group may only be written ( or (?: or (?P<name> or (?= or (?!"))
        elif kind == "escape" and token[1:].isdigit():
            raise ValueError(mark("references back to a group are not possible"))
        before = kind or ""
    if ways > MAX_WAYS:
        raise ValueError(mark("it could take too long on a hostile name; use fewer or shorter repeats"))


def _choices(repeat: str) -> int:
    """Return how many lengths a repeat can have, in a path of MAX_PATH characters."""
    if repeat[0] == "?":
        return 2
    low, comma, high = repeat.strip("{}?+").partition(",")
    if repeat[0] in "*+" or (comma and not high):
        return MAX_PATH
    return int(high) - int(low or 0) + 1 if comma else 1


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and text.isascii() else None
