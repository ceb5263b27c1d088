"""What stands under a station's roots: mounted volumes, and folders that others drop files into."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.volume import identify


@dataclass(frozen=True, slots=True)
class Place:
    """A folder directly under a root; ``identity`` is its volume's: a swapped card is another place."""

    path: Path
    identity: str
    mount_point: bool


def find(roots: Iterable[Path]) -> Iterator[Place]:
    """Yield the places under ``roots``, by name; what cannot be looked at now may be there next time.

    Links are not followed, and hidden folders are left alone: a file system keeps its own things there.
    """
    for root in roots:
        with suppress(OSError), os.scandir(root) as entries:
            names = sorted(item.name for item in entries if item.is_dir(follow_symlinks=False))
            for name in names:
                place = None if name.startswith(".") else _place(root / name)
                if place is not None:
                    yield place


def _place(path: Path) -> Place | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        volume = identify(fd, path)
    except OSError:
        return None
    finally:
        os.close(fd)
    return Place(path, volume.identity, volume.mount_point)
