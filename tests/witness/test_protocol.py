"""C2SP tlog-witness as a log meets it: real requests to the real server process."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hashing.checkpoint import Checkpoint, open_note
from hashing.notes import KeyType, Note, NoteKey, parse_signatures
from tests.support.ledger import NEXT, ORIGIN, note_key
from tests.support.witnessing import Log, Witness, body, make

OTHER = note_key("station-2.example/存证账本", KeyType.ED25519, 7)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with make(tmp_path, Log(), Log(OTHER)).serving() as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """For tests that change nothing."""
    with make(tmp_path_factory.mktemp("shared"), Log()).serving() as running:
        yield running


def test_cosigns_growth_and_a_repeat(witness: Witness) -> None:
    log, vkey = Log().grow(5), witness.vkey
    old = 0
    for size in (5, 5, 8, 8, 21):
        log.grow(size - log.store.size)
        got = witness.post(log.request(old))
        assert (got.status, got.kind) == (200, "text/plain; charset=utf-8")
        (line,) = parse_signatures(got.body)
        at = vkey.verify(log.note().text, line)
        assert at is not None
        assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
        old = size
    latest = witness.latest(ORIGIN)
    opened = open_note(latest.body, [log.key.vkey], [vkey])
    assert (opened.checkpoint, len(opened.cosignatures)) == (log.checkpoint(), 1)
    assert witness.ask("HEAD", f"/checkpoint?origin={ORIGIN}").body == b""
    (row, _) = witness.run("logs", "--json").expect(0).json["logs"]
    assert (row["origin"], row["size"], row["forks"]) == (ORIGIN, 21, 0)
    assert [event["size"] for event in witness.events("witness-cosigned")] == [5, 5, 8, 8, 21]


def test_begins_with_an_empty_log(witness: Witness) -> None:
    log = Log()
    assert witness.post(log.request(0)).status == 200
    assert witness.post(log.request(0)).status == 200
    assert witness.post(log.grow(3).request(0)).status == 200
    assert witness.post(log.request(3)).status == 200


def test_several_logs_do_not_touch_each_other(witness: Witness) -> None:
    one, two = Log().grow(4), Log(OTHER).grow(6, "other")
    assert witness.post(one.request(0)).status == 200
    assert witness.post(two.request(0)).status == 200
    assert witness.post(one.grow(1).request(4)).status == 200
    assert Note.parse(witness.latest(OTHER.name).body).text == two.note().text
    assert Note.parse(witness.latest(ORIGIN).body).text == one.note().text


def test_another_old_size_is_a_conflict_that_tells_the_right_one(witness: Witness) -> None:
    log = Log().grow(9)
    for old, known in ((3, 0), (9, 0)):
        got = witness.post(log.request(old))
        assert (got.status, got.kind, got.body) == (409, "text/x.tlog.size", b"%d\n" % known)
    assert witness.post(log.request(0)).status == 200
    log.grow(2)
    for old in (0, 8, 11):
        got = witness.post(log.request(old))
        assert (got.status, got.kind, got.body) == (409, "text/x.tlog.size", b"9\n")
    assert witness.post(log.request(0, 4)).status == 409
    assert witness.post(log.request(9)).status == 200
    assert witness.cases() == []


def test_refuses_who_is_not_known_or_has_not_signed(witness: Witness) -> None:
    stranger = note_key("elsewhere.example/log", KeyType.ED25519, 9)
    assert witness.post(Log(stranger).grow(1).request(0)).status == 404
    namesake = note_key(ORIGIN, KeyType.ED25519, 9)
    assert witness.post(Log(namesake).grow(1).request(0)).status == 403
    # The note of one log, signed by the key of another one that is served here, too.
    checkpoint = Log().grow(2).checkpoint()
    assert witness.post(body(0, [], checkpoint.sign(OTHER))).status == 403
    # A line that claims to be of the log's key and is wrong.
    good = checkpoint.sign(Log().key)
    wrong = Note(Checkpoint(ORIGIN, 3, checkpoint.root).text, good.signatures)
    assert witness.post(body(0, [], wrong)).status == 403
    assert witness.latest(ORIGIN).status == 404


def test_what_others_have_signed_below_is_not_kept(witness: Witness) -> None:
    log = Log().grow(2)
    note = log.checkpoint().sign(log.key, note_key("noise.example", KeyType.ED25519, 11))
    assert witness.post(body(0, [], note)).status == 200
    names = [line.name for line in Note.parse(witness.latest(ORIGIN).body).signatures]
    assert names == [ORIGIN, "witness.example/w"]


def test_a_second_key_of_a_log_is_trusted_while_the_witness_runs(witness: Witness) -> None:
    log = Log(NEXT).grow(3)
    assert witness.post(log.request(0)).status == 403
    assert "Served from now on" in witness.run("add-log", str(NEXT.vkey)).expect(0).text
    assert "already" in witness.run("add-log", str(NEXT.vkey)).expect(0).text
    assert witness.post(log.request(0)).status == 200


def test_a_wrong_proof_is_refused(witness: Witness) -> None:
    log = Log().grow(6)
    assert witness.post(body(0, log.proof(3), log.note())).status == 422  # nothing to prove from 0
    assert witness.post(log.request(0)).status == 200
    log.grow(7)
    good = log.proof(6)
    for proof in ([], good[:-1], [*good, good[0]], [bytes(32), *good[1:]], good[::-1]):
        assert witness.post(body(6, proof, log.note())).status == 422, proof
    assert witness.post(log.request(6)).status == 200
    assert witness.post(body(13, good, log.note())).status == 422  # no growth, nothing to prove


GOOD = Log().grow(3)
NOTE = GOOD.note().spell()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"old 0\n",
        b"old 0\n\n",
        NOTE,
        b"old 00\n\n" + NOTE,
        b"old -1\n\n" + NOTE,
        b"old  0\n\n" + NOTE,
        b"old 0\r\n\r\n" + NOTE,
        b"old 9223372036854775808\n\n" + NOTE,
        b"Old 0\n\n" + NOTE,
        b"old \xd9\xa0\n\n" + NOTE,
        b"old 0\nAAAA\n\n" + NOTE,
        b"old 0\nnot base64\n\n" + NOTE,
        b"old 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n" + NOTE,
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + NOTE,
        b"old 0\n\n" + NOTE[:-1],
        b"old 0\n\n" + NOTE + b"\n",
        b"old 0\n\n" + NOTE.replace(b"\n3\n", b"\n03\n"),
        b"old 0\n\n" + NOTE.replace(b"\n3\n", b"\n-3\n"),
        b"old 4\n\n" + NOTE,  # greater than the checkpoint's
        b"old 0\n\n" + b"\xff" + NOTE,
    ],
)
def test_malformed_requests(shared: Witness, data: bytes) -> None:
    assert shared.post(data).status == 400
    assert shared.latest(ORIGIN).status == 404


def test_only_its_methods_and_paths(witness: Witness) -> None:
    assert witness.ask("GET", "/add-checkpoint").status == 405
    assert witness.ask("POST", "/checkpoint", b"x").status == 405
    assert witness.ask("PUT", "/add-checkpoint", b"x").status == 501
    assert witness.ask("GET", "/").status == 404
    assert witness.ask("POST", "/../add-checkpoint", GOOD.request(0)).status == 404
    assert witness.ask("GET", "/checkpoint").status == 400
    assert witness.ask("GET", "/checkpoint?origin=%ff").status == 400
    assert witness.ask("GET", "/checkpoint?origin=nobody").status == 404


def test_health_and_the_key_are_told(witness: Witness) -> None:
    got = witness.ask("GET", "/health")
    assert (got.status, got.json["healthy"], got.json["logs"]) == (200, True, 2)
    assert got.json["vkey"] == str(witness.vkey)
    assert witness.ask("GET", "/evidence").json == {"forks": 0, "suspected": 0, "cases": []}


def test_one_connection_serves_many_requests(witness: Witness) -> None:
    log = Log()
    with socket.create_connection(("127.0.0.1", witness.port), timeout=20) as client:
        answers = client.makefile("rb")
        for old in range(3):
            data = log.grow(1).request(old)
            client.sendall(
                b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(data)
            )
            client.sendall(data)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.startswith(b"Content-Length: "):
                    length = int(line.split()[1])
            (cosignature,) = parse_signatures(answers.read(length))
            assert cosignature.name == "witness.example/w"
        answers.close()


def test_a_key_of_the_wrong_kind_or_a_broken_one_is_no_log(witness: Witness) -> None:
    own = NoteKey.generate("a.example", KeyType.COSIGNATURE).vkey
    assert "not of a log" in witness.run("add-log", str(own)).expect(2).err
    assert witness.run("add-log", str(OTHER.vkey)[:-4] + "AAA=").expect(2)
