"""Proofs in a log of ten million leaves that lies in an SQLite file; print how long they take.

Leaf hashes and complete subtrees have a row each, as in a register. The proofs are made and verified by a
process of their own, whose peak memory is printed beside the goal; nothing is judged.
"""

import argparse
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hashing.log import (  # noqa: E402 - the checkout is on the path only now
    completed,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.merkle import leaf_hash  # noqa: E402 - same

BATCH = 65_536
ENTRY = 32  # bytes of an entry: the hash of a salted event


class Rows:
    """The hashes of a log in an SQLite file."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path)
        self.asked = 0

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        self.asked += 1
        rows = self.database.execute(
            "SELECT hash FROM subtree WHERE level = ? AND number BETWEEN ? AND ? ORDER BY number",
            (level, first, first + count - 1),
        )
        return b"".join(row[0] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leaves", type=int, default=10_000_000, help="default 10000000")
    parser.add_argument("--proofs", type=int, default=1000, help="of each kind (default 1000)")
    parser.add_argument("--folder", type=Path, help="where to work: 60 bytes a leaf (default: the system's)")
    parser.add_argument("--prove", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.prove:
        prove(chosen.prove, chosen.leaves, chosen.proofs)
        return
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    hashing()
    with tempfile.TemporaryDirectory(prefix="sealdock-ledger-", dir=chosen.folder) as folder:
        path = str(Path(folder) / "log.sqlite")
        build(path, chosen.leaves)
        size = Path(path).stat().st_size / chosen.leaves
        print(f"  on disk | | {size:.0f} bytes a leaf", flush=True)
        command = [sys.executable, __file__, "--prove", path]
        subprocess.run([*command, "--leaves", str(chosen.leaves), "--proofs", str(chosen.proofs)], check=True)


def hashing() -> None:
    entries = [os.urandom(ENTRY) for _ in range(1000)]
    began = time.perf_counter()
    for _ in range(1000):
        for entry in entries:
            leaf_hash(entry)
    seconds = time.perf_counter() - began
    print(f"hash leaves of {ENTRY} bytes | | {1 / seconds:.2f} million a second", flush=True)


def build(path: str, leaves: int) -> None:
    store = Rows(path)
    store.database.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        "CREATE TABLE subtree (level INTEGER, number INTEGER, hash BLOB, PRIMARY KEY (level, number))"
        " WITHOUT ROWID;"
    )
    began = time.perf_counter()
    for old in range(0, leaves, BATCH):
        new = min(old + BATCH, leaves)
        store.database.executemany("INSERT INTO subtree VALUES (0, ?, ?)", rows(old, new))
        store.database.executemany(
            "INSERT INTO subtree VALUES (?, ?, ?)",
            ((item.level, item.index, item.hash) for item in completed(store, old, new)),
        )
    store.database.commit()
    seconds = time.perf_counter() - began
    print(f"append {leaves} leaves in batches | | {seconds:.0f} s, {seconds / leaves * 1e6:.1f} µs a leaf")


def rows(old: int, new: int) -> Iterator[tuple[int, bytes]]:
    for number in range(old, new):
        yield number, leaf(number)


def leaf(number: int) -> bytes:
    return leaf_hash(number.to_bytes(ENTRY, "big"))


def prove(path: str, leaves: int, proofs: int) -> None:
    store = Rows(path)
    draw = random.Random(leaves)
    root = tree_root(store, leaves)
    sizes = [draw.randrange(1, leaves) for _ in range(proofs)]
    roots = {size: tree_root(store, size) for size in sizes}
    indexes = [draw.randrange(leaves) for _ in range(proofs)]
    store.asked = 0
    made = timed("inclusion proof", "< 10 ms", indexes, lambda at: inclusion_proof(store, at, leaves))
    checked = zip(indexes, made, strict=True)
    timed(
        "  verified",
        "",
        checked,
        lambda item: verify_inclusion(leaf(item[0]), item[0], leaves, item[1], root),
    )
    made = timed("consistency proof", "< 10 ms", sizes, lambda old: consistency_proof(store, old, leaves))
    checked = zip(sizes, made, strict=True)
    timed(
        "  verified",
        "",
        checked,
        lambda item: verify_consistency(item[0], roots[item[0]], leaves, root, item[1]),
    )
    print(f"  tiles read for a proof | | {store.asked / 2 / proofs:.1f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of proving and verifying | < 100 MiB | {peak:.0f} MiB")


def timed(title: str, goal: str, items: Iterable[Any], work: Callable[[Any], Any]) -> list[Any]:
    found, spent = [], []
    for item in items:
        began = time.perf_counter()
        found.append(work(item))
        spent.append((time.perf_counter() - began) * 1000)
    print(f"{title} | {goal} | {statistics.median(spent):.2f} ms, longest {max(spent):.2f} ms", flush=True)
    return found


if __name__ == "__main__":
    main()
