"""The ledger's section of the formats, taken at its word: its example holds, by its own steps."""

import base64
import hashlib
import re
from datetime import UTC, datetime

from hashing.merkle import leaf_hash
from hashing.notes import Vkey
from hashing.proof import Proof
from hashing.tiles import Tile
from tests.docs.console import ROOT

TEXT = (ROOT / "docs" / "formats.md").read_text("utf-8")
SECTION = TEXT.split("\n## Ledger\n")[1].split("\n## ")[0]
BLOCKS = re.findall(r"^```\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


def example() -> tuple[bytes, bytes, list[Vkey]]:
    """The proof, its entry and the keys."""
    (proof,) = [block for block in BLOCKS if block.startswith("c2sp.org/")]
    (entry,) = re.findall(r"`([0-9a-f]{64})`", SECTION)
    return proof.encode(), bytes.fromhex(entry), [Vkey.parse(line) for line in BLOCKS[-1].splitlines()]


def test_the_example_holds() -> None:
    proof, entry, (log, witness) = example()
    opened = Proof.parse(proof).verify(leaf_hash(entry), [log], [witness])
    (cosigned,) = opened.cosignatures
    assert cosigned.time == datetime(2026, 3, 1, 1, 5, tzinfo=UTC)
    assert Proof.parse(proof).spell() == proof


def test_the_steps_of_an_inclusion_proof() -> None:
    """As a stranger would write it down from the section, without our code."""

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    proof, entry, _ = example()
    head, checkpoint, _ = proof.decode().split("\n\n")
    _, index, *hashes = head.split("\n")
    _, size, root = checkpoint.split("\n")
    f, s = int(index.removeprefix("index ")), int(size) - 1
    r = hashlib.sha256(b"\x00" + entry).digest()
    for p in map(base64.b64decode, hashes):
        assert s
        if f % 2 or f == s:
            r = node(p, r)
            while f % 2 == 0 and f:
                f, s = f // 2, s // 2
        else:
            r = node(r, p)
        f, s = f // 2, s // 2
    assert (s, r) == (0, base64.b64decode(root))


def test_the_name_of_a_tile() -> None:
    assert "`" + Tile(0, 1_234_067).path.removeprefix("tile/0/") + "`" in SECTION
