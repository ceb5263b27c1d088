"""What others say of our notes, proofs and tiles: Go's x/mod/sumdb and aics-tlog; and we of theirs."""

import base64
import itertools
import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from hashing.checkpoint import Checkpoint, cosign, open_note
from hashing.log import (
    MemoryStore,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.merkle import leaf_hash
from hashing.notes import Note, Signature, Vkey
from hashing.tiles import Bundle, TileStore, bundles, tiles
from tests.support.ledger import LOG, NEXT, ONE, ORIGIN, TWO
from tests.support.outsiders import Aics, Answer, Go

SIZES = [1, 2, 3, 255, 256, 257, 700, 65_535, 65_536, 65_537, 70_000]
AT = datetime(2026, 3, 1, 1, 5, tzinfo=UTC)
SPOILT = bytes(32)

AUDIT = """
import base64, sys
from aics_tlog import FileSystemTileReader, audit_tiles, tree_root_from_tiles
folder, size, root = sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3])
reader = FileSystemTileReader(folder)
assert tree_root_from_tiles(reader, size) == root
report = audit_tiles(reader, size, root)
print(report.size, report.tiles, report.bundles)
"""
WRITE = """
import json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from aics_tlog import *
log, witness = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (11, 12))
entries = [b"entry %d" % number for number in range(700)]
tree = MerkleTree(entries)
store = DirectoryTileStore(sys.argv[1])
IncrementalTileWriter(store, size=0).append(entries)
note = sign_checkpoint(Checkpoint("theirs", 700, tree.root()), log, "theirs")
_, line = sign_cosignature(witness, "w", 1772327100, "theirs", 700, tree.root())
note = Note(text=note.text, signatures=(*note.signatures, line))
print(json.dumps({
    "note": note.to_bytes().decode(),
    "vkeys": [
        format_vkey(vkey_from_ed25519("theirs", log.public_key())),
        format_vkey(cosignature_vkey("w", witness.public_key())),
    ],
    "inclusion": [item.hex() for item in tree.inclusion_proof(5)],
    "consistency": [item.hex() for item in tree.consistency_proof(300, 700)],
    "before": tree.root(300).hex(),
}))
"""


def required(missing: str | None) -> None:
    """Skip without the outsider; where everything has to be tested, fail."""
    if missing is None:
        return
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    required(Go.missing())
    return Go.build(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def aics() -> Aics:
    required(Aics().missing())
    return Aics()


def entry(number: int) -> bytes:
    return b"entry %d" % number


@cache
def log() -> MemoryStore:
    return MemoryStore([leaf_hash(entry(number)) for number in range(SIZES[-1])])


def head(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, tree_root(log(), size))


@cache
def signed(size: int) -> Note:
    return cosign(cosign(head(size).sign(LOG), ONE, AT), TWO, AT)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a log of these sizes has published, one size after the other."""
    folder = tmp_path_factory.mktemp("published")

    def write(path: str, data: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:  # nothing is ever written over
            file.write(data)

    for old, new in itertools.pairwise([0, *SIZES]):
        for tile in tiles(new, old):
            write(tile.path, tile.read(log()))
        for bundle in bundles(new, old):
            span = range(bundle.first, bundle.first + bundle.width)
            write(bundle.path, bundle.encode([entry(number) for number in span]))
        write(f"checkpoints/{new}", signed(new).spell())
    (folder / "checkpoint").write_bytes(signed(SIZES[-1]).spell())
    return folder


def text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def indexes(size: int) -> list[int]:
    return sorted({0, size // 3, size // 2, size - 1})


def test_go_opens_our_notes(go: Go) -> None:
    note = signed(700)
    vkeys = [str(each.vkey) for each in (LOG, ONE, TWO)]
    spelled = note.spell().decode()
    known, all_of_them, stranger, damaged, mixed = go.ask(
        {"op": "open", "text": spelled, "vkeys": vkeys[:1]},
        {"op": "open", "text": spelled, "vkeys": vkeys},
        {"op": "open", "text": spelled, "vkeys": [str(NEXT.vkey)]},
        {"op": "open", "text": spelled.replace("\n700\n", "\n701\n"), "vkeys": vkeys},
        {"op": "open", "text": spelled.replace(LOG.name, TWO.name), "vkeys": [vkeys[2]]},
    )
    assert known == Answer("", [note.text, LOG.name])
    assert all_of_them == Answer("", [note.text, LOG.name, ONE.name, TWO.name])
    assert "no verifiable signatures" in stranger.error
    assert "invalid signature" in damaged.error
    assert "invalid signature" in mixed.error


def test_we_open_the_notes_of_go(go: Go) -> None:
    texts = ["a\n", "\n", "theirs\n700\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "苏州\n\nb\n"]
    for answer, expected in zip(
        go.ask(*({"op": "sign", "name": "go.example/ça", "text": item} for item in texts)), texts, strict=True
    ):
        vkey, spelled = answer.lines
        note = Note.parse(spelled.encode())
        [verified] = note.verify([Vkey.parse(vkey)])
        assert (note.text, str(verified.vkey), note.spell().decode()) == (expected, vkey, spelled)


def test_we_and_go_refuse_the_same_notes(go: Go) -> None:
    """Where we are stricter, it is said here: one base64 spelling, and every line of a known key."""
    line = LOG.sign("text\n").line
    wrong = Signature(LOG.name, LOG.vkey.key_id, bytes(64)).line
    cases = {
        f"text\n\n{line}": (True, True),
        f"text\n\n{line}{line}": (True, True),
        f"text\n\n{wrong}{line}": (False, False),
        f"text\n\n{line}{wrong}": (False, True),
        f"text\n\n{line}— other AAAAAAB=\n": (False, True),
        f"text\n\n{line}— other AAAAAAA=\n": (True, True),
        f"text\n\n{line}— other AAAAAA==\n": (False, False),
        f"text\n\n{line}— ot+her AAAAAAA=\n": (False, False),
        f"text\n\n{line}\n": (False, False),
        f"te\txt\n\n{line}": (False, False),
        f"text\n{line}": (False, False),
        f"text\n\n{line[:-1]}": (False, False),
        f"text\n\n{line * 100}": (True, True),
        f"text\n\n{line * 101}": (False, False),
    }
    theirs = go.ask(*({"op": "open", "text": item, "vkeys": [str(LOG.vkey)]} for item in cases))
    ours = []
    for item in cases:
        try:
            Note.parse(item.encode()).verify([LOG.vkey])
            ours.append(True)
        except ValueError:
            ours.append(False)
    assert dict(zip(cases, zip(ours, (not each.error for each in theirs), strict=True), strict=True)) == cases


def test_go_checks_our_inclusion_proofs(go: Go) -> None:
    questions = [
        {
            "op": "record", "size": size, "root": text(tree_root(log(), size)), "index": index,
            "leaf": text(leaf_hash(entry(index))), "proof": [*map(text, inclusion_proof(log(), index, size))],
        }
        for size in SIZES
        for index in indexes(size)
    ]  # fmt: skip
    assert [each.error for each in go.ask(*questions)] == [""] * len(questions)
    spoilt = [question | {"leaf": text(SPOILT)} for question in questions]
    assert all(each.error for each in go.ask(*spoilt))


def test_go_checks_our_consistency_proofs(go: Go) -> None:
    questions = [
        {
            "op": "tree", "size": new, "root": text(tree_root(log(), new)), "old": old,
            "before": text(tree_root(log(), old)), "proof": [*map(text, consistency_proof(log(), old, new))],
        }
        for old, new in itertools.combinations_with_replacement(SIZES, 2)
    ]  # fmt: skip
    assert [each.error for each in go.ask(*questions)] == [""] * len(questions)
    spoilt = [question | {"before": text(SPOILT)} for question in questions]
    assert all(each.error for each in go.ask(*spoilt))


def test_go_names_the_same_tiles(go: Go) -> None:
    """Go lists every width that a partial tile goes through; a log publishes the last of each."""
    for old, new in itertools.pairwise([0, *SIZES]):
        [answer] = go.ask({"op": "new-tiles", "old": old, "size": new})
        ours = [tile.path for tile in tiles(new, old)]
        assert set(ours) <= set(answer.lines)
        widest = {line.partition(".p/")[0]: line for line in answer.lines}
        # Go repeats a partial tile of the old tree that the new one did not change.
        assert set(widest.values()) - {tile.path for tile in tiles(old)} == set(ours)


def test_go_reads_our_tiles(go: Go, published: Path) -> None:
    cases = [(size, index, max(1, size // 3)) for size in SIZES for index in indexes(size)]
    answers = go.ask(
        *(
            {
                "op": "read", "folder": str(published), "size": size, "root": text(tree_root(log(), size)),
                "index": index, "old": old,
            }
            for size, index, old in cases
        )
    )  # fmt: skip
    for (size, index, old), answer in zip(cases, answers, strict=True):
        proofs = [*inclusion_proof(log(), index, size), *consistency_proof(log(), old, size)]
        assert answer == Answer("", [text(tree_root(log(), size)), *map(text, proofs)])


def test_go_refuses_tiles_of_another_tree(go: Go, published: Path) -> None:
    [answer] = go.ask({"op": "read", "folder": str(published), "size": 700, "root": text(SPOILT), "old": 1})
    assert "inconsistent" in answer.error or "root" in answer.error


def test_aics_accepts_our_checkpoint(aics: Aics, published: Path) -> None:
    keys = ["--log-key", str(LOG.vkey), "--witness-key", str(ONE.vkey), "--witness-key", str(TWO.vkey)]
    done = aics.run(
        "verify-checkpoint", "--note", published / "checkpoint", "--origin", ORIGIN, *keys, "--quorum", "2"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = aics.run("verify-checkpoint", "--note", published / "checkpoint", *keys, "--quorum", "3")
    assert done.returncode != 0
    done = aics.run("verify-checkpoint", "--note", published / "checkpoint", "--log-key", str(NEXT.vkey))
    assert done.returncode != 0


def test_aics_accepts_our_proofs(aics: Aics, tmp_path: Path) -> None:
    size, index, old = 70_000, 12_345, 65_537
    root, before = tree_root(log(), size), tree_root(log(), old)
    proof = tmp_path / "proof"
    proof.write_text("".join(f"{text(item)}\n" for item in inclusion_proof(log(), index, size)))
    inclusion = ["--index", str(index), "--size", str(size), "--root", text(root), "--proof", proof]
    good, bad = (
        aics.run("verify-inclusion", "--leaf-hash", leaf.hex(), *inclusion)
        for leaf in (leaf_hash(entry(index)), SPOILT)
    )
    assert (good.returncode, bad.returncode) == (0, 1), good.stdout + good.stderr
    proof.write_text("".join(f"{text(item)}\n" for item in consistency_proof(log(), old, size)))
    consistency = [
        "--old-size",
        str(old),
        "--new-size",
        str(size),
        "--new-root",
        text(root),
        "--proof",
        proof,
    ]
    good, bad = (
        aics.run("verify-consistency", "--old-root", text(item), *consistency) for item in (before, SPOILT)
    )
    assert (good.returncode, bad.returncode) == (0, 1), good.stdout + good.stderr


def test_aics_reads_our_tiles(aics: Aics, published: Path, tmp_path: Path) -> None:
    key = ["--log-key", str(LOG.vkey), "--tiles", published]
    found = tmp_path / "entry"
    done = aics.run("verify-inclusion", "--index", "69999", "--entry-out", found, *key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found.read_bytes() == entry(69_999)
    done = aics.run("verify-consistency", "--old-checkpoint", published / "checkpoints" / "700", *key)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("size", [1, 256, 700, 70_000])
def test_aics_audits_every_tile_and_entry(aics: Aics, published: Path, size: int) -> None:
    done = aics.script(AUDIT, published, str(size), text(tree_root(log(), size)))
    expected = f"{size} {len(list(tiles(size)))} {len(list(bundles(size)))}\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_we_read_what_aics_wrote(aics: Aics, tmp_path: Path) -> None:
    done = aics.script(WRITE, tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    log_key, witness = map(Vkey.parse, theirs["vkeys"])
    opened = open_note(theirs["note"].encode(), [log_key], [witness])
    assert opened.note.spell().decode() == theirs["note"]
    assert [item.time for item in opened.cosignatures] == [datetime(2026, 3, 1, 1, 5, tzinfo=UTC)]
    root = opened.checkpoint.root
    assert root == tree_root(log(), 700)
    inclusion, consistency = ([*map(bytes.fromhex, theirs[key])] for key in ("inclusion", "consistency"))
    verify_inclusion(leaf_hash(entry(5)), 5, 700, inclusion, root)
    verify_consistency(300, bytes.fromhex(theirs["before"]), 700, root, consistency)
    store = TileStore(lambda path: (tmp_path / path).read_bytes(), 700)
    assert inclusion_proof(store, 5, 700) == inclusion
    assert consistency_proof(store, 300, 700) == consistency
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {tile.path for tile in tiles(700)} | {bundle.path for bundle in bundles(700)} <= written
    bundle = Bundle(2, 188)
    assert bundle.decode((tmp_path / bundle.path).read_bytes()) == [entry(n) for n in range(512, 700)]
