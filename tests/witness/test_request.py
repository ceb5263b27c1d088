"""Properties of what a witness reads and judges, whatever somebody sends."""

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hashing.checkpoint import Checkpoint
from hashing.log import tree_root
from hashing.notes import KeyType, Note, NoteError, NoteKey
from tests.support.ledger import LOG, ORIGIN
from tests.support.witnessing import Log, body
from witness.evidence import Evidence
from witness.judge import Judge, Status
from witness.request import AddCheckpoint
from witness.state import State

BRANCHES = [Log().grow(4).grow(20, "one"), Log().grow(4).grow(20, "two"), Log().grow(24, "three")]
AT = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    with suppress(NoteError):
        AddCheckpoint.parse(data)


@given(st.data())
def test_a_request_has_one_spelling(data: st.DataObject) -> None:
    log = BRANCHES[0]
    old = data.draw(st.integers(0, 24))
    good = log.request(old)
    parsed = AddCheckpoint.parse(good)
    assert (parsed.old_size, list(parsed.proof)) == (old, log.proof(old))
    assert body(parsed.old_size, parsed.proof, parsed.note) == good
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        other = AddCheckpoint.parse(changed)
    except NoteError:
        return
    assert body(other.old_size, other.proof, other.note) == changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judged")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 24), st.integers(0, 24)), max_size=12))
def test_whatever_is_asked_what_is_signed_is_one_log(folder: Path, steps: list[tuple[int, int, int]]) -> None:
    """Branches of one log, in any order, from any old size: a model of a witness tells what is right."""
    place = Path(tempfile.mkdtemp(dir=folder))
    key = NoteKey.generate("w", KeyType.COSIGNATURE)
    state = State.create(place / "witness.db", key.vkey, AT)
    try:
        state.add_key(ORIGIN, LOG.vkey, AT)
        judge = Judge(key, state, Evidence(place / "evidence"), now=lambda: AT)
        known: Checkpoint | None = None
        for branch, first, second in steps:
            log, old, size = BRANCHES[branch], *sorted((first, second))
            answer = judge.add_checkpoint(body(old, log.proof(old, size), log.note(size)))
            offered = log.checkpoint(size)
            known_size = 0 if known is None else known.size
            follows = known is None or tree_root(log.store, known_size) == known.root
            if old != known_size:
                assert (answer.status, answer.size) == (Status.CONFLICT, known_size)
            elif follows:
                assert answer.status is Status.COSIGNED
                known = offered
            else:
                assert answer.status is (Status.CONFLICT if size == old else Status.INCONSISTENT)
                assert not judge.evidence.tally().clean
        latest = state.latest(ORIGIN)
        assert (known is None) == (latest is None)
        if known is not None and latest is not None:
            assert Note.parse(latest.note.encode()).text == known.text
    finally:
        state.close()
