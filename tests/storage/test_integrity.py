"""What the levels of a check read: of a large object, ``sample`` a few chunks at random."""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hashing.chunks import CHUNK_SIZE, ChunkDigests
from hashing.reader import read_chunks
from storage import integrity
from storage.integrity import SAMPLED_CHUNKS, Finding, Level, Target, check
from storage.local import LocalVault
from tests.support.station import thaw, writable

KEY = "clips/sha256/ab/large"
CHUNKS = 9
SIZE = (CHUNKS - 1) * CHUNK_SIZE + 1000
SEEDS = range(12)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalVault]:
    """A vault with an object of nine chunks, no two of them alike."""
    folder = tmp_path_factory.mktemp("large")
    vault = LocalVault.create(folder / "vault", immutable="off")
    source = folder / "large"
    with source.open("wb") as file:
        for number in range(CHUNKS):
            file.seek(number * CHUNK_SIZE)
            file.write(b"%d" % number)
        file.truncate(SIZE)
    with source.open("rb") as file:
        digest = integrity.read_all(file).sha256
    vault.put_file(KEY, source, digest=digest, size=SIZE, lock_until=datetime.now(UTC) + timedelta(hours=1))
    yield vault
    thaw(folder)


@pytest.fixture(scope="module")
def target(vault: LocalVault) -> Target:
    (found,) = vault.versions(KEY)
    fd = os.open(vault.root / KEY, os.O_RDONLY)
    try:
        _, chunks = read_chunks(fd)
    finally:
        os.close(fd)
    assert chunks.count == CHUNKS
    return Target(KEY, found.version, SIZE, found.lock_until, chunks)


def picked(seed: int) -> list[int]:
    return random.Random(seed).sample(range(CHUNKS), SAMPLED_CHUNKS)  # noqa: S311 - to know what is picked


def sample(vault: LocalVault, target: Target, seed: int) -> Finding:
    return check(vault, target, Level.SAMPLE, rng=random.Random(seed))  # noqa: S311 - same


def test_a_sample_reads_a_few_chunks_and_other_ones_each_time(vault: LocalVault, target: Target) -> None:
    for seed in SEEDS:
        read = sum(min(CHUNK_SIZE, SIZE - index * CHUNK_SIZE) for index in picked(seed))
        assert sample(vault, target, seed) == Finding(None, read)
    assert {index for seed in SEEDS for index in picked(seed)} == set(range(CHUNKS))


def test_a_sample_finds_what_it_happens_to_read(vault: LocalVault, target: Target) -> None:
    chunks = target.content
    assert isinstance(chunks, ChunkDigests)
    for harmed in (0, 4, CHUNKS - 1):
        with writable(vault.root / KEY) as path, path.open("r+b") as file:
            file.seek(harmed * CHUNK_SIZE + 500)
            file.write(b"\1")
        found = {seed: sample(vault, target, seed).problem for seed in SEEDS}
        assert found == {seed: "digest" if harmed in picked(seed) else None for seed in SEEDS}
        assert set(found.values()) == {None, "digest"}
        assert check(vault, target, Level.FULL).problem == "digest"
        with writable(vault.root / KEY) as path, path.open("r+b") as file:
            file.seek(harmed * CHUNK_SIZE + 500)
            file.write(b"\0")
    assert check(vault, target, Level.FULL) == Finding(None, SIZE)


def test_nobody_can_know_what_will_be_picked(
    vault: LocalVault, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a generator of the caller's the system's own decides: a seed could be guessed."""
    asked: list[int] = []

    class System(random.SystemRandom):
        def sample(self, population: range, k: int) -> list[int]:  # type: ignore[override]
            asked.append(k)
            return list(population)[-k:]

    monkeypatch.setattr("storage.integrity.random.SystemRandom", System)
    read = (SAMPLED_CHUNKS - 1) * CHUNK_SIZE + 1000
    assert check(vault, target, Level.SAMPLE) == Finding(None, read)
    assert asked == [SAMPLED_CHUNKS]


def test_a_small_object_is_read_whole(tmp_path: Path) -> None:
    vault = LocalVault.create(tmp_path / "vault", immutable="off")
    stored = vault.put_bytes(KEY, b"small", lock_until=datetime.now(UTC) + timedelta(hours=1))
    fd = os.open(vault.root / KEY, os.O_RDONLY)
    try:
        _, chunks = read_chunks(fd)
    finally:
        os.close(fd)
    whole = Target(KEY, stored.version, 5, stored.lock_until, chunks)
    assert check(vault, whole, Level.SAMPLE) == Finding(None, 5)
