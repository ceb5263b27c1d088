"""Case numbers: one normalised form for the many ways they are typed (domain, section 3.3)."""

import re
import unicodedata

from config.errors import CaseNumberInvalidError

MAX_LENGTH = 100

_OPENING = str.maketrans(dict.fromkeys("[【{（(", "〔") | dict.fromkeys("]】}）)", "〕"))
_YEAR = re.compile(r"〔(\d{4})〕")
_PADDED = re.compile(r"(〔\d{4}〕第?)0+(?=[1-9]\d*号)")
"""Serial numbers of documents are not padded (GB/T 9704): 025 is how somebody typed 25."""


def require(written: str) -> str:
    """Return the normalised form of a number for a case that is to be added.

    Raises CaseNumberInvalidError for what ``normalise`` refuses, and for what is no number: without any digit
    (二十五 are digits, too), with control characters, or with a dash in front like an option.
    """
    number = normalise(written)
    controls = any(unicodedata.category(character) == "Cc" for character in written.strip())
    if controls or number.startswith("-") or not any(character.isnumeric() for character in number):
        raise CaseNumberInvalidError(number=written[:MAX_LENGTH])
    return number


def normalise(written: str) -> str:
    """Return the form that identifies a case.

    Full-width letters and digits become half-width, white space goes, and whatever brackets stand
    around the year become 〔 〕; zeros before the serial number go. Other numbers than the Chinese pattern
    are kept as they are, upper and lower case included. Raises CaseNumberInvalidError for an empty or
    overlong number, or one with control characters.
    """
    folded = unicodedata.normalize("NFKC", written)
    # What white space kept apart may compose now: one number, one form.
    number = unicodedata.normalize("NFKC", "".join(folded.split()))
    if not number or len(number) > MAX_LENGTH or any(not c.isprintable() for c in number):
        raise CaseNumberInvalidError(number=written[:MAX_LENGTH])
    bracketed = number.translate(_OPENING)
    return _PADDED.sub(r"\1", bracketed) if _YEAR.search(bracketed) else number
