"""Keeping secrets, and text that plays tricks on a terminal, out of what is shown."""

import re

MASK = "***"
_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:@/]*:)(?P<secret>[^\s]*)(?=@)", re.IGNORECASE)
_PARAMETER = re.compile(
    r"(?P<before>[?&;][a-z0-9_-]*(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key)[a-z0-9_-]*=)(?P<secret>[^\s&;#]+)",
    re.IGNORECASE,
)


def holds_secret(text: str) -> bool:
    """Say whether a text holds a URL with a password, or with a parameter that is named like a secret."""
    return any(
        found["secret"] not in ("", MASK)
        for pattern in (_PASSWORD, _PARAMETER)
        for found in pattern.finditer(text)
    )


def mask(text: str) -> str:
    """Replace every password inside a URL by ``***``; rather too much is masked than too little."""
    for pattern in (_PASSWORD, _PARAMETER):
        text = pattern.sub(lambda found: found["before"] + MASK, text)
    return text


def printable(text: str, *, limit: int) -> str:
    """Make a text from outside harmless to show: control and direction characters escaped, length bounded.

    File names on a card are chosen by whoever held it; an escape sequence in one must not reach a terminal.
    ``limit`` counts characters; a longer text ends in an ellipsis.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
