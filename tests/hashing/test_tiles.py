"""Names and bytes of tlog-tiles, and proofs out of published tiles alone."""

import itertools
import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hashing.log import (
    MAX_SIZE,
    MemoryStore,
    ProofError,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.merkle import leaf_hash
from hashing.tiles import Bundle, Tile, TileError, TileStore, bundles, tiles

LARGEST = 70_000
KEY_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=-]*")
"""What the parts of a vault's key are made of (docs/formats.md)."""
levels = st.integers(0, 7)
widths = st.integers(1, 256)


@cache
def log() -> MemoryStore:
    return MemoryStore([leaf_hash(number.to_bytes(4, "big")) for number in range(LARGEST)])


def published(size: int, old_size: int = 0) -> dict[str, bytes]:
    return {tile.path: tile.read(log()) for tile in tiles(size, old_size)}


class Files:
    """Published files by name, and what was read of them."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.asked: list[str] = []

    def read(self, path: str) -> bytes:
        self.asked.append(path)
        if path not in self.content:
            raise FileNotFoundError(path)
        return self.content[path]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),  # the example of tlog-tiles
        (Tile(1, 999), "tile/1/999"),
        (Tile(2, 1000), "tile/2/x001/000"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(6, 12, 1), "tile/6/012.p/1"),
        (Tile(0, 2**55 - 2), "tile/0/x036/x028/x797/x018/x963/966"),
    ],
)
def test_names(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


def test_names_of_bundles() -> None:
    assert Bundle(1_234_067, 7).path == "tile/entries/x001/x234/067.p/7"
    assert Bundle.parse("tile/entries/x001/x234/067.p/7") == Bundle(1_234_067, 7)


def test_the_tree_of_70000_leaves() -> None:
    """The example in tlog-tiles, "Partial Tiles"."""
    found = list(tiles(70_000))
    by_level = [[tile for tile in found if tile.level == level] for level in range(3)]
    assert [tile.width for tile in by_level[0]] == [256] * 273 + [112]
    assert [tile.width for tile in by_level[1]] == [256, 17]
    assert [tile.width for tile in by_level[2]] == [1]
    assert list(tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles(0)) == list(bundles(0)) == []


@settings(deadline=None)
@given(st.integers(0, 140_000), st.integers(0, 2000))
def test_what_a_publisher_writes(old: int, more: int) -> None:
    """All of the new tree that the old one lacks, and nothing twice, whatever was published between."""
    new = old + more
    for walk in (tiles, bundles):
        written = [item.path for item in walk(new, old)]
        assert sorted(written) == sorted({i.path for i in walk(new)} - {i.path for i in walk(old)})
    assert list(bundles(new, old)) == [
        Bundle(tile.index, tile.width) for tile in tiles(new, old) if tile.level == 0
    ]


@settings(deadline=None)
@given(levels, st.integers(0, 2**63), widths)
def test_one_tile_has_one_name(level: int, index: int, width: int) -> None:
    try:
        tile = Tile(level, index, width)
    except TileError:
        assert (index * 256 + width) << (8 * level) > MAX_SIZE
        return
    assert Tile.parse(tile.path) == tile
    assert all(KEY_SEGMENT.fullmatch(part) for part in tile.path.split("/"))
    bundle = Bundle(index, width)
    assert Bundle.parse(bundle.path) == bundle
    assert all(KEY_SEGMENT.fullmatch(part) for part in bundle.path.split("/"))


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/8/000",
        "tile/64/000", "tile/-1/000", "tile/0/x000/000", "tile/0/x000/001", "tile/0/001/000", "tile/0/x001",
        "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/256",
        "tile/0/000.p/999", "tile/0/000.p/1000", "tile/0/000/", "/tile/0/000", "tile/0/000\n", "tile/0/٠٠٠",
        "tile/x/000", "tile//000", "tile/8/0/000", "tile/data/000", "tile/0/../000", "tile/0/x0001/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/7/128", "tile/0/" + "x001/" * 1000 + "000",
    ],
)  # fmt: skip
def test_names_that_are_none(path: str) -> None:
    with pytest.raises(TileError):
        Tile.parse(path)
    with pytest.raises(TileError):
        Bundle.parse(path.replace("tile/0", "tile/entries"))


def test_tiles_are_no_bundles() -> None:
    with pytest.raises(TileError, match="entry bundle"):
        Tile.parse("tile/entries/000")
    with pytest.raises(TileError, match="hashes"):
        Bundle.parse("tile/0/000")


@settings(deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"tile/[0-9a-z]{1,8}/[x0-9/]{1,30}(\.p/[0-9]{1,4})?"))
def test_any_other_name_is_a_tile_error(path: str) -> None:
    for kind in (Tile, Bundle):
        try:
            assert kind.parse(path).path == path
        except TileError:
            continue


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (8, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257), (0, 2**55, 1), (7, 127, 256), (7, 2**70, 1)],
)
def test_tiles_that_no_log_has(level: int, index: int, width: int) -> None:
    with pytest.raises(TileError):
        Tile(level, index, width)


@pytest.mark.parametrize(("old", "new"), [(1, 0), (-1, 0), (-2, -1), (0, 2**63)])
def test_sizes_that_no_log_has(old: int, new: int) -> None:
    for refused in (lambda: list(tiles(new, old)), lambda: list(bundles(new, old))):
        with pytest.raises(TileError):
            refused()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, LARGEST), st.data())
def test_proofs_from_published_tiles_alone(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, size))
    index = data.draw(st.integers(0, size - 1))
    files = Files(published(size))
    store = TileStore(files.read, size)
    root = tree_root(log(), size)
    assert tree_root(store, size) == root
    assert tree_root(store, old) == tree_root(log(), old)
    verify_inclusion(log().subtrees(0, index, 1), index, size, inclusion_proof(store, index, size), root)
    verify_consistency(old, tree_root(log(), old), size, root, consistency_proof(store, old, size))
    assert len(files.asked) == len(set(files.asked)) <= 16


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=5, unique=True), st.data())
def test_what_was_written_in_steps_serves_every_step(sizes: list[int], data: st.DataObject) -> None:
    sizes = sorted(sizes)
    content: dict[str, bytes] = {}
    for old, new in itertools.pairwise([0, *sizes]):
        fresh = published(new, old)
        assert not content.keys() & fresh.keys()
        content |= fresh
    size = data.draw(st.sampled_from(sizes))
    assert tree_root(TileStore(Files(content).read, size), size) == tree_root(log(), size)


def test_a_partial_tile_that_is_gone_is_found_in_the_full_one() -> None:
    files = Files(published(1024) | {"tile/1/000.p/2": published(700)["tile/1/000.p/2"]})
    assert tree_root(TileStore(files.read, 700), 700) == tree_root(log(), 700)
    assert files.asked == ["tile/0/002.p/188", "tile/0/002", "tile/1/000.p/2"]


def test_tiles_that_are_not_there() -> None:
    with pytest.raises(FileNotFoundError, match=re.escape("tile/0/000.p/5 nor tile/0/000")):
        tree_root(TileStore(Files({}).read, 5), 5)
    with pytest.raises(FileNotFoundError, match="tile/1/000"):
        tree_root(TileStore(Files(published(255)).read, 256), 256)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 159, 161, 8192])
def test_a_tile_of_another_length(length: int) -> None:
    store = TileStore(lambda _path: bytes(length), 5)
    with pytest.raises(TileError, match="160 bytes"):
        tree_root(store, 5)


@settings(deadline=None)
@given(st.integers(0, 600), st.data())
def test_a_damaged_tile_proves_nothing(index: int, data: st.DataObject) -> None:
    size = 601
    content = published(size)
    path = data.draw(st.sampled_from(sorted(content)))
    at = data.draw(st.integers(0, len(content[path]) * 8 - 1))
    damaged = bytearray(content[path])
    damaged[at // 8] ^= 1 << at % 8
    store = TileStore(Files(content | {path: bytes(damaged)}).read, size)
    leaf, root = log().subtrees(0, index, 1), tree_root(log(), size)
    if inclusion_proof(store, index, size) != inclusion_proof(log(), index, size):
        with pytest.raises(ProofError):
            verify_inclusion(leaf, index, size, inclusion_proof(store, index, size), root)


@pytest.mark.parametrize(
    ("level", "first", "count"),
    [
        (0, 0, 0),
        (0, -1, 1),
        (0, 0, 257),
        (0, 255, 2),
        (0, 699, 2),
        (1, 0, 3),
        (2, 0, 1),
        (-1, 0, 1),
        (8, 0, 1),
    ],
)
def test_hashes_that_the_tree_does_not_have(level: int, first: int, count: int) -> None:
    with pytest.raises(TileError, match="700"):
        TileStore(Files(published(700)).read, 700).subtrees(level, first, count)


def test_few_tiles_are_kept() -> None:
    files = Files(published(LARGEST))
    store = TileStore(files.read, LARGEST)
    for _ in range(2):
        for index in range(0, LARGEST, 256):
            store.subtrees(0, index, 1)
    assert len(files.asked) == 2 * 274
    store.subtrees(0, LARGEST - 1, 1)
    assert len(files.asked) == 2 * 274


@settings(deadline=None)
@given(st.lists(st.binary(max_size=70), min_size=1, max_size=256))
def test_bundles(entries: list[bytes]) -> None:
    bundle = Bundle(3, len(entries))
    data = bundle.encode(entries)
    assert bundle.decode(data) == entries
    for other in (data[:-1], data + b"\0", data[1:]):
        if other != data:
            with pytest.raises(TileError):
                bundle.decode(other)


def test_the_bytes_of_a_bundle() -> None:
    assert Bundle(0, 2).encode([b"a", b"\xff" * 0x102]) == b"\0\1a\1\2" + b"\xff" * 0x102
    assert Bundle(0, 1).decode(b"\xff\xff" + bytes(65_535)) == [bytes(65_535)]
    with pytest.raises(TileError, match="65535"):
        Bundle(0, 1).encode([bytes(65_536)])
    with pytest.raises(TileError, match="2 entries"):
        Bundle(0, 2).encode([b""])


@settings(deadline=None)
@given(st.binary(max_size=600), widths)
@example(b"\0", 1)
@example(b"", 1)
@example(b"\0\0\0", 2)
def test_any_other_bundle_is_a_tile_error(data: bytes, width: int) -> None:
    try:
        entries = Bundle(0, width).decode(data)
    except TileError:
        return
    assert Bundle(0, width).encode(entries) == data


def test_a_store_without_the_hashes_of_a_tile() -> None:
    with pytest.raises(TileError, match="8192 bytes"):
        Tile(2, 0).read(log())
