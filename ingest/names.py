"""File names, which may hold any bytes but NUL and '/': exact for machines, readable for people."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

_SCHEME = "file://"


def readable(raw: bytes) -> str:
    r"""Return a text that prints and stores anywhere: bytes that are not UTF-8 become ``\xNN``."""
    return raw.decode("utf-8", errors="backslashreplace")


def last_part(raw: bytes) -> bytes:
    """Return the last name of a relative path."""
    return raw.rsplit(b"/", 1)[-1]


def to_uri(path: Path) -> str:
    """Return the `file` URI (RFC 8089) of a path: plain ASCII, whatever bytes the path holds."""
    return path.absolute().as_uri()


def from_uri(uri: str) -> Path:
    """Return the path of a URI that `to_uri` wrote; raises ValueError for any other."""
    if not uri.startswith(f"{_SCHEME}/"):
        raise ValueError(f"not a file URI: {uri!r}")
    return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_SCHEME))))
