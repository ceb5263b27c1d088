"""A log that contradicts itself is refused aloud, and both of its signed notes are kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashing.checkpoint import Checkpoint, open_note
from hashing.log import MemoryStore, consistency_proof, tree_root, verify_consistency
from hashing.merkle import leaf_hash
from hashing.notes import decode_base64
from tests.support.ledger import ORIGIN
from tests.support.witnessing import Log, Witness, body, make
from witness.forks import Kind, judge_growth, prefix_root


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with make(tmp_path, Log()).serving() as running:
        yield running


def notes(case: Path) -> tuple[Checkpoint, Checkpoint]:
    """The two checkpoints of a case, both signed by the log."""
    known, offered = (
        open_note((case / name).read_bytes(), [Log().key.vkey]).checkpoint
        for name in ("known.note", "offered.note")
    )
    return known, offered


def test_a_log_and_its_forked_copy(witness: Witness) -> None:
    """Two nodes with one key: whoever comes second is refused, and the first one goes on."""
    first = Log().grow(5)
    assert witness.post(first.request(0)).status == 200
    second = first.copy()
    first.grow(2)
    second.grow(2, "something else")
    assert witness.post(first.request(5)).status == 200
    # The copy does not know of that; then it believes the size it is told.
    stale = witness.post(second.request(5))
    assert (stale.status, stale.kind, stale.body) == (409, "text/x.tlog.size", b"7\n")
    forked = witness.post(second.request(7))
    assert (forked.status, forked.kind) == (409, "text/plain; charset=utf-8")
    (case,) = witness.cases()
    assert notes(case) == (first.checkpoint(), second.checkpoint())
    summary = json.loads((case / "summary.json").read_text("utf-8"))
    assert (summary["kind"], summary["proven"], summary["origin"]) == ("fork-same-size", True, ORIGIN)
    (event,) = witness.events("witness-fork")
    assert (event["level"], event["case"]) == ("error", case.name)
    health = witness.ask("GET", "/health")
    assert (health.status, health.json["forks"], health.json["suspected"]) == (503, 1, 0)
    told = witness.run("evidence", "--json").expect(95)
    assert (told.json["forks"], told.error["error"]) == (1, "witness-forked")
    assert told.json["cases"][0]["case"] == case.name
    assert "FORKED: 1" in witness.run("logs").expect(0).text
    assert witness.ask("GET", "/evidence").json["cases"][0]["offered"]["size"] == 7
    # The copy grows; its own proof now shows that it is another log.
    second.grow(4)
    assert witness.post(second.request(7)).status == 422
    assert {path.name.split("-", 1)[1][:11] for path in witness.cases()} == {"fork-same-s", "fork-growth"}
    # What the witness knows goes on as ever.
    assert witness.post(first.grow(3).request(7)).status == 200
    assert witness.post(second.request(7)).status == 409
    assert open_note(witness.latest(ORIGIN).body, [first.key.vkey]).checkpoint == first.checkpoint()


def test_growth_out_of_another_root_is_shown_by_its_proof(witness: Witness) -> None:
    first = Log().grow(6)
    second = Log().grow(6, "other").grow(3)
    assert witness.post(first.request(0)).status == 200
    assert witness.post(second.request(6)).status == 422
    (case,) = witness.cases()
    known, offered = notes(case)
    assert (known, offered) == (first.checkpoint(), second.checkpoint())
    # What a court would do with it: the proof leads to the offered root, and not from the known one.
    proof = [decode_base64(line) for line in (case / "proof.txt").read_text("ascii").split()]
    other = prefix_root(6, 9, proof)
    assert other is not None
    assert other != known.root
    verify_consistency(6, other, 9, offered.root, proof)
    assert (len(witness.events("witness-fork")), witness.events("witness-fork-suspected")) == (1, [])


def test_a_fork_below_what_is_known_is_seen_in_the_history(witness: Witness) -> None:
    first, second = Log().grow(3), Log().grow(3, "other")
    for old in (0, 3):
        assert witness.post(first.request(old)).status == 200
        first.grow(4)
    got = witness.post(second.request(0))
    assert (got.status, got.kind, got.body) == (409, "text/x.tlog.size", b"7\n")
    (case,) = witness.cases()
    assert [item.size for item in notes(case)] == [3, 3]
    assert witness.ask("GET", "/health").status == 503


def test_a_wrong_proof_is_a_suspicion_that_the_right_one_answers(witness: Witness) -> None:
    log = Log().grow(5)
    assert witness.post(log.request(0)).status == 200
    log.grow(5)
    for _ in range(3):
        assert witness.post(body(5, log.proof(5)[:-1], log.note())).status == 422
    (case,) = witness.cases()
    assert json.loads((case / "summary.json").read_text("utf-8"))["proven"] is False
    (event,) = witness.events("witness-fork-suspected")
    assert event["level"] == "warning"
    assert witness.ask("GET", "/health").json["suspected"] == 1
    assert witness.run("evidence").expect(95)
    assert witness.post(log.request(5)).status == 200
    assert witness.cases() == []
    assert (witness.folder / "evidence" / "answered" / case.name / "offered.note").exists()
    assert witness.ask("GET", "/health").status == 200
    assert "No evidence" in witness.run("evidence").expect(0).text


def test_a_case_that_was_dealt_with_does_not_come_back(witness: Witness) -> None:
    first, second = Log().grow(4), Log().grow(4, "other")
    assert witness.post(first.request(0)).status == 200
    assert witness.post(second.request(4)).status == 409
    (case,) = witness.cases()
    (witness.folder / "evidence" / "answered").mkdir()
    case.rename(witness.folder / "evidence" / "answered" / case.name)
    assert witness.ask("GET", "/health").status == 200
    assert witness.post(second.request(4)).status == 409
    assert witness.cases() == []


def test_evidence_that_cannot_be_kept_is_in_the_log(witness: Witness) -> None:
    first, second = Log().grow(4), Log().grow(4, "other")
    assert witness.post(first.request(0)).status == 200
    (witness.folder / "evidence").write_text("in the way")
    assert witness.post(second.request(4)).status == 409
    (event,) = witness.events("witness-evidence-not-kept")
    assert second.note().spell().decode() == event["offered"]
    assert first.checkpoint().text in event["known"]


def test_nobody_but_the_log_makes_evidence(witness: Witness) -> None:
    log = Log().grow(4)
    assert witness.post(log.request(0)).status == 200
    forged = log.note().spell().replace(b"\n4\n", b"\n5\n")
    assert witness.post(b"old 4\n\n" + forged).status == 403
    assert witness.post(log.grow(1).request(3)).status == 409
    assert witness.cases() == []


@pytest.mark.parametrize("old", range(1, 20))
def test_judgement_of_every_small_fork(old: int) -> None:
    ours, other = MemoryStore(), MemoryStore()
    for number in range(26):
        ours.append(leaf_hash(b"%d" % number))
        other.append(leaf_hash(b"%d" % number if number != old - 1 else b"changed"))
    for size in range(old + 1, 27):
        root = tree_root(other, size)
        proof = consistency_proof(other, old, size)
        power = old & (old - 1) == 0
        assert prefix_root(old, size, proof) == (None if power else tree_root(other, old))
        found = judge_growth(old, tree_root(ours, old), size, root, proof)
        assert found is (Kind.SUSPECTED if power else Kind.GROWTH)
        assert judge_growth(old, tree_root(other, old), size, root, proof) is None
        for wrong in ([], proof[1:], proof[:-1], [*proof, bytes(32)], [bytes(32)] * len(proof)):
            assert judge_growth(old, tree_root(ours, old), size, root, wrong) is Kind.SUSPECTED
