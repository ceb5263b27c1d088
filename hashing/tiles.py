"""C2SP tlog-tiles: how a log lies in a vault or on a web server as files that never change.

A *tile* is a row of up to 256 hashes of one tile level (docs/formats.md), an *entry bundle* the data of the
leaves under one tile of level 0. A *partial* one, with fewer than 256, belongs to the sizes at which the log
was published, and a fuller one of another name follows it; nothing is ever written over.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from hashing.log import MAX_SIZE, TILE_HEIGHT, TILE_WIDTH, HashStore
from hashing.merkle import HASH_SIZE

MAX_ENTRY = 2**16 - 1
"""Most bytes of an entry: its length is written in two."""
MAX_LEVEL = 7
"""Highest tile level of a log of at most 2^63 - 1 leaves."""

_MAX_PATH = 64
_CACHED = 32
_LEVEL = r"(?:0|[1-9][0-9]?)"
_NUMBER = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_PATH = re.compile(rf"tile/(entries|{_LEVEL})/({_NUMBER})(?:\.p/([1-9][0-9]{{0,2}}))?", re.ASCII)


class TileError(ValueError):
    """A name, a tile or a bundle that tlog-tiles does not allow."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Tile number ``index`` (from 0) at ``level``, with ``width`` hashes of 32 bytes; 256 is a full one."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise TileError(f"a tile has a level from 0 to {MAX_LEVEL}, not {self.level}")
        _check(self.level, self.index, self.width)

    @property
    def path(self) -> str:
        """The name, ``tile/<L>/<N>[.p/<W>]``."""
        return _path(str(self.level), self.index, self.width)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.width * HASH_SIZE

    @property
    def first(self) -> int:
        """Number of the first hash within the level."""
        return self.index * TILE_WIDTH

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read the one spelling of a tile's name. Raises TileError for anything else."""
        kind, index, width = _parse(path)
        if kind == "entries":
            raise TileError("this is the name of an entry bundle")
        return cls(int(kind), index, width)

    def read(self, store: HashStore) -> bytes:
        """Return the tile's bytes out of a store. Raises TileError if that lacks hashes."""
        return self.check(store.subtrees(self.level, self.first, self.width))

    def check(self, data: bytes) -> bytes:
        """Return ``data`` if it has the length of this tile. Raises TileError."""
        if len(data) != self.size:
            raise TileError(f"{self.path} has {self.size} bytes, not {len(data)}")
        return data


@dataclass(frozen=True, slots=True, order=True)
class Bundle:
    """Entry bundle number ``index`` (from 0) with the data of ``width`` leaves; 256 is a full one."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check(0, self.index, self.width)

    @property
    def path(self) -> str:
        """The name, ``tile/entries/<N>[.p/<W>]``."""
        return _path("entries", self.index, self.width)

    @property
    def first(self) -> int:
        """Number of the first leaf."""
        return self.index * TILE_WIDTH

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read the one spelling of a bundle's name. Raises TileError for anything else."""
        kind, index, width = _parse(path)
        if kind != "entries":
            raise TileError("this is the name of a tile of hashes")
        return cls(index, width)

    def encode(self, entries: Sequence[bytes]) -> bytes:
        """Return the bundle's bytes: each entry after its length in two bytes, big-endian.

        Raises TileError for another number of entries than ``width``, or one of more than 65,535 bytes.
        """
        if len(entries) != self.width:
            raise TileError(f"{self.path} has {self.width} entries, not {len(entries)}")
        if any(len(entry) > MAX_ENTRY for entry in entries):
            raise TileError(f"an entry has at most {MAX_ENTRY} bytes")
        return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)

    def decode(self, data: bytes) -> list[bytes]:
        """Return the ``width`` entries. Raises TileError for any other number or bytes that remain."""
        entries = []
        at = 0
        for _ in range(self.width):
            begin = at + 2
            at = begin + int.from_bytes(data[at:begin], "big")
            if at > len(data) or begin > len(data):
                raise TileError(f"{self.path} ends within an entry")
            entries.append(data[begin:at])
        if at != len(data):
            raise TileError(f"{self.path} has {len(data) - at} bytes after its last entry")
        return entries


def tiles(new_size: int, old_size: int = 0) -> Iterator[Tile]:
    """Walk the tiles of a tree of ``new_size`` leaves that one of ``old_size`` does not have.

    These are what a log has to write before it publishes a checkpoint of the new size. Lower levels come
    first. Raises TileError for sizes out of order or range.
    """
    _check_sizes(old_size, new_size)
    for level in range(MAX_LEVEL + 1):
        shift = TILE_HEIGHT * level
        for index, width in _new(old_size >> shift, new_size >> shift):
            yield Tile(level, index, width)


def bundles(new_size: int, old_size: int = 0) -> Iterator[Bundle]:
    """Walk the entry bundles of a tree of ``new_size`` leaves that one of ``old_size`` does not have.

    Raises TileError for sizes out of order or range.
    """
    _check_sizes(old_size, new_size)
    for index, width in _new(old_size, new_size):
        yield Bundle(index, width)


class TileStore:
    """The hashes of a published tree of ``size`` leaves, read tile by tile; see ``HashStore``.

    ``read`` takes a name and returns the file's bytes; it raises FileNotFoundError for a file that is not
    there, and may raise what it likes. A partial tile that is gone is looked for in the full one that
    followed. Nothing but lengths is checked here: a proof made from tiles counts once it is verified against
    a checkpoint. The last 32 tiles are kept (256 KiB).
    """

    def __init__(self, read: Callable[[str], bytes], size: int) -> None:
        _check_sizes(0, size)
        self._get = read
        self._size = size
        self._kept: dict[Tile, bytes] = {}

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        """See ``HashStore``.

        Raises TileError for hashes that the tree does not have or that are not all of one tile, and for a
        tile of another length than its name says.
        """
        index, start = divmod(first, TILE_WIDTH)
        width = 0
        if first >= 0 and 0 <= level <= MAX_LEVEL:
            width = min(TILE_WIDTH, (self._size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
        if count < 1 or start + count > width:
            raise TileError(f"a tree of {self._size} has no {count} hashes from {first} at level {level}")
        data = self._tile(Tile(level, index, width))
        return data[start * HASH_SIZE : (start + count) * HASH_SIZE]

    def _tile(self, tile: Tile) -> bytes:
        data = self._kept.pop(tile, None)
        if data is None:
            data = self._fetch(tile)
            while len(self._kept) >= _CACHED:
                del self._kept[next(iter(self._kept))]
        self._kept[tile] = data  # used last, it stands last; the first is dropped first
        return data

    def _fetch(self, tile: Tile) -> bytes:
        try:
            return tile.check(self._get(tile.path))
        except FileNotFoundError:
            full = Tile(tile.level, tile.index)
            if tile == full:
                raise
        try:
            return full.check(self._get(full.path))[: tile.size]
        except FileNotFoundError as error:
            raise FileNotFoundError(f"neither {tile.path} nor {full.path}") from error


def _new(old: int, new: int) -> Iterator[tuple[int, int]]:
    """Walk index and width of the tiles of ``new`` hashes that are no tiles of the first ``old``."""
    if old == new:
        return
    for index in range(old // TILE_WIDTH, new // TILE_WIDTH):
        yield index, TILE_WIDTH
    if new % TILE_WIDTH:
        yield new // TILE_WIDTH, new % TILE_WIDTH


def _path(kind: str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return f"tile/{kind}/{number}" + (f".p/{width}" if width != TILE_WIDTH else "")


def _parse(path: str) -> tuple[str, int, int]:
    match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
    if match is None:
        raise TileError("this is no name of a tile")
    kind, number, width = match.groups()
    index = int(number.replace("/", "").replace("x", ""))
    wide = TILE_WIDTH if width is None else int(width)
    if (width is not None and wide >= TILE_WIDTH) or _path(kind, index, wide) != path:
        raise TileError("this is no name of a tile")
    return kind, index, wide


def _check(level: int, index: int, width: int) -> None:
    if not 1 <= width <= TILE_WIDTH:
        raise TileError(f"a tile has 1 to {TILE_WIDTH} hashes, not {width}")
    if index < 0 or (index * TILE_WIDTH + width) << (TILE_HEIGHT * level) > MAX_SIZE:
        raise TileError(f"no log has a tile {index} of {width} at level {level}")


def _check_sizes(old_size: int, new_size: int) -> None:
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise TileError(f"a log does not grow from {old_size} to {new_size} leaves")
