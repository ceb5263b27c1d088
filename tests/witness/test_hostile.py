"""Clients that are slow, loud or too long: they lose their connection, and the others do not notice."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.ledger import LOG
from tests.support.station import until
from tests.support.witnessing import Log, Witness, make
from witness import limits, server
from witness.folder import serving
from witness.judge import Judge
from witness.server import Server

HEAD = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Witness]]:
    """Start a server in this process, with the limits that a test has set."""
    with ExitStack() as stack:

        def started() -> Witness:
            witness = make(tmp_path, Log())
            key, state, evidence = stack.enter_context(serving(witness.folder))
            running = stack.enter_context(Server(("127.0.0.1", 0), Judge(key, state, evidence)))
            witness.port = running.port
            return witness

        yield started


@contextmanager
def connected(witness: Witness) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", witness.port), timeout=20) as client:
        yield client


def closed(client: socket.socket) -> bytes:
    """Read until the server closes; return what it said before."""
    told = b""
    try:
        while data := client.recv(4096):
            told += data
    except ConnectionResetError:
        pass
    return told


@pytest.mark.parametrize("first", [b"", HEAD, HEAD + b"Content-Length: 500\r\n\r\nold 0\n\n"])
def test_a_trickle_does_not_hold_a_connection(
    start: Callable[[], Witness], monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 1.0)
    witness = start()
    before = time.monotonic()
    with connected(witness) as client:
        client.sendall(first)
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.1):
                try:
                    client.send(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        assert witness.post(Log().grow(1).request(0)).status == 200
        assert b"200 OK" not in closed(client)
        stop.set()
        thread.join()
    assert time.monotonic() - before < 10


def test_connections_of_one_address_are_counted_and_come_back(
    start: Callable[[], Witness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 2.0)
    monkeypatch.setattr(server, "MAX_CONNECTIONS_EACH", 8)
    witness = start()
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(witness)) for _ in range(8)]
        time.sleep(0.2)
        with connected(witness) as one_more:
            assert closed(one_more) == b""
        for client in idle:
            assert closed(client) == b""
    until(lambda: witness.post(Log().grow(1).request(0)).status == 200)


def test_too_many_requests(start: Callable[[], Witness], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUESTS_AT_ONCE", 5)
    monkeypatch.setattr(server, "REQUESTS_PER_SECOND", 0.001)
    witness = start()
    found = [witness.ask("GET", "/health").status for _ in range(7)]
    assert found == [200] * 5 + [429] * 2
    assert witness.post(Log().grow(1).request(0)).status == 429


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", b"411"),
        (b"Content-Length: -1\r\n", b"411"),
        (b"Content-Length: 1e3\r\n", b"411"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"411"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"411"),
        (b"Content-Length: 65537\r\n", b"413"),
        (b"Content-Length: 999999999\r\n", b"413"),
        (b"Content-Length: 99999999999999999999\r\n", b"411"),
        (b"".join(b"X-%d: a\r\n" % number for number in range(200)), b"431"),
    ],
)
def test_bodies_without_an_honest_length(start: Callable[[], Witness], head: bytes, status: bytes) -> None:
    with connected(start()) as client:
        client.sendall(HEAD + head + b"\r\n")
        told = closed(client)
    assert told.split(b" ")[1] == status, told


def test_heads_without_end(start: Callable[[], Witness]) -> None:
    witness = start()
    with connected(witness) as client:
        try:
            client.sendall(HEAD)
            for number in range(90):
                client.sendall(b"X-%d: %s\r\n" % (number, b"a" * 60_000))
        except OSError:
            pass
        assert b"200" not in closed(client)
    assert witness.post(Log().grow(1).request(0)).status == 200


def test_a_client_that_asks_before_it_sends(start: Callable[[], Witness]) -> None:
    data = Log().grow(1).request(0)
    with connected(start()) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(data))
        assert client.recv(4096).startswith(b"HTTP/1.1 100 ")
        client.sendall(data)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_garbage_and_silence(start: Callable[[], Witness], caplog: pytest.LogCaptureFixture) -> None:
    witness = start()
    with caplog.at_level(logging.INFO):
        for data in (
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET\r\n\r\n",
            b"\0" * 5000,
            b"POST / HTTP/9.9\r\n\r\n",
        ):
            with connected(witness) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                assert b"200" not in closed(client)
        with connected(witness) as client:  # gone in the middle of its body
            client.sendall(HEAD + b"Content-Length: 5000\r\n\r\nold 0\n")
    assert witness.post(Log().grow(1).request(0)).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_largest_request_fits(start: Callable[[], Witness]) -> None:
    witness, log = start(), Log().grow(1)
    data = b"old 0\n" + (b"A" * 43 + b"=\n") * 63 + b"\n" + log.note().spell()
    assert witness.post(data).status == 422
    noise = b"".join(b"\xe2\x80\x94 n%d %s\n" % (number, b"A" * 600) for number in range(90))
    assert len(noise) > 50_000
    assert witness.post(b"old 0\n\n" + log.note().spell() + noise).status == 200
    assert len(witness.latest(LOG.name).body) < 1000


def test_the_rate_of_an_address() -> None:
    rate = limits.Rate(per_second=2, burst=3, most=4)
    assert [rate.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert rate.allows("b", 0.0)
    assert [rate.allows("a", 1.0) for _ in range(3)] == [True, True, False]
    assert all(rate.allows(f"n{number}", 1.0) for number in range(50))  # a flood of addresses is forgotten
    assert rate.allows("a", 100.0)


def test_slots() -> None:
    slots = limits.Slots(total=3, each=2)
    assert [slots.take("a"), slots.take("a"), slots.take("a")] == [True, True, False]
    assert [slots.take("b"), slots.take("c")] == [True, False]
    slots.give("a")
    assert slots.take("c")
