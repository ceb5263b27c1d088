"""A card with files on it, the user that reads it, and the descriptors that must not leak."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def fill(card: Path, files: Mapping[bytes, bytes]) -> Path:
    """Write files by their exact names, with folders as needed."""
    for name, data in files.items():
        path = card / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return card


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be nobody for a while, if root runs the tests: file modes mean nothing to root."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
