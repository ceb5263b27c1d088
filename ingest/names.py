"""Names from cards, which may hold any bytes but NUL and '/': exact for machines, readable for people."""


def readable(raw: bytes) -> str:
    r"""Return a text that prints and stores anywhere: bytes that are not UTF-8 become ``\xNN``."""
    return raw.decode("utf-8", errors="backslashreplace")


def last_part(raw: bytes) -> bytes:
    """Return the last name of a relative path."""
    return raw.rsplit(b"/", 1)[-1]
