"""The node's side of a witness: answers taken apart, and servers that waste its time cut off."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hashing.checkpoint import add_cosignatures, open_note
from hashing.notes import Note
from jobs.witnessing_client import (
    WitnessConflictError,
    WitnessRefusedError,
    WitnessUnavailableError,
    add_checkpoint,
    check_url,
    latest,
)
from tests.support.ledger import ORIGIN
from tests.support.witnessing import Log, Witness, make

SHORT = timedelta(seconds=1)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with make(tmp_path, Log()).serving() as running:
        yield running


def test_a_log_follows_its_witness(witness: Witness) -> None:
    url, log = f"http://127.0.0.1:{witness.port}", Log().grow(5)
    assert latest(url, ORIGIN) is None
    (signature,) = add_checkpoint(url, 0, [], log.note().spell())
    assert witness.vkey.verify(log.note().text, signature) is not None
    note = add_cosignatures(log.note(), signature.line.encode(), [witness.vkey])
    assert latest(url + "/", ORIGIN) == note.spell()
    log.grow(4)
    with pytest.raises(WitnessConflictError) as conflict:
        add_checkpoint(url, 0, [], log.note().spell())
    assert (conflict.value.size, conflict.value.retriable) == (5, False)
    (signature,) = add_checkpoint(url, conflict.value.size, log.proof(5), log.note().spell())
    fork = log.copy().grow(1, "other").note(), log.grow(1).note()
    add_checkpoint(url, 9, log.proof(9), fork[1].spell())
    with pytest.raises(WitnessRefusedError) as forked:
        add_checkpoint(url, 10, [], fork[0].spell())
    assert (forked.value.status, forked.value.contradicts, forked.value.retriable) == (409, True, False)
    with pytest.raises(WitnessRefusedError) as wrong:
        add_checkpoint(url, 10, [], log.grow(1).note().spell())
    assert (wrong.value.status, wrong.value.contradicts) == (422, True)
    with pytest.raises(WitnessRefusedError) as malformed:
        add_checkpoint(url, 99, [], log.note().spell())
    assert (malformed.value.status, malformed.value.contradicts) == (400, False)


def test_a_witness_that_is_away(witness: Witness) -> None:
    url = f"http://127.0.0.1:{witness.port}"
    witness.stop()
    with pytest.raises(WitnessUnavailableError) as away:
        add_checkpoint(url, 0, [], Log().grow(1).note().spell(), SHORT)
    assert away.value.retriable
    with pytest.raises(WitnessUnavailableError):
        latest(url, ORIGIN, SHORT)


@contextmanager
def answering(*pieces: bytes, pause: float = 0.0, rest: float = 0.0) -> Iterator[str]:
    """A server that sends these pieces to each client, and may keep the connection open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    try:
                        client.recv(65536)
                        for piece in pieces:
                            client.sendall(piece)
                            if stop.wait(pause):
                                break
                        stop.wait(rest)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)


OK = b"HTTP/1.1 200 OK\r\n"
CONFLICT = b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        OK + b"Content-Length: 3\r\n\r\nabc",
        OK + b"Content-Length: 900\r\n\r\nabc",
        OK + b"Content-Length: 70000\r\n\r\n" + b"a" * 70_000,
        OK + b"\r\n" + b"a" * 70_000,
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        CONFLICT + b"Content-Length: 3\r\n\r\n-1\n",
        CONFLICT + b"Content-Length: 21\r\n\r\n99999999999999999999\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_answer_may_come_later(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(WitnessUnavailableError):
        add_checkpoint(url, 0, [], Log().grow(1).note().spell(), timedelta(seconds=5))


@pytest.mark.parametrize(
    ("pieces", "pause"),
    [
        ([b""], 0.0),
        ([OK, *[b"X: a\r\n"] * 200], 0.1),
        ([OK + b"Content-Length: 5000\r\n\r\n", *[b"a"] * 200], 0.1),
        ([OK + b"\r\n", *[b"a"] * 200], 0.1),
    ],
)
def test_a_server_that_trickles_is_cut_off(pieces: list[bytes], pause: float) -> None:
    before = time.monotonic()
    with answering(*pieces, pause=pause, rest=30.0) as url, pytest.raises(WitnessUnavailableError):
        add_checkpoint(url, 0, [], Log().grow(1).note().spell(), SHORT)
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    "url",
    [
        "http://witness.example",
        "ftp://127.0.0.1",
        "127.0.0.1:80",
        "https://",
        "https://a:b@c",
        "https://c/?a=b",
    ],
)
def test_addresses_that_are_not_asked(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_url(url)
    with pytest.raises(ValueError, match=r"."):
        latest(url, ORIGIN, SHORT)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "witness")])
    here, now = x509.IPAddress(ipaddress.ip_address("127.0.0.1")), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(pem)
    (folder / "key.pem").chmod(0o600)
    return folder / "cert.pem", folder / "key.pem"


def test_tls_end_to_end(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    witness, log = make(tmp_path, Log()), Log().grow(2)
    options = ("--tls-certificate", str(cert), "--tls-key", str(key))
    key.chmod(0o644)
    assert witness.run("serve", *options).expect(46)
    key.chmod(0o600)
    with witness.serving(*options, "--listen", "0.0.0.0:0"):
        url = f"https://127.0.0.1:{witness.port}"
        with socket.create_connection(("127.0.0.1", witness.port)):  # one that never shakes hands
            (signature,) = add_checkpoint(url, 0, [], log.note().spell(), authorities=cert)
        note = latest(url, ORIGIN, authorities=cert)
        assert note is not None
        opened = open_note(note, [log.key.vkey], [witness.vkey])
        assert [item.signature for item in opened.cosignatures] == [signature]
        assert Note.parse(note).text == log.note().text
        with pytest.raises(WitnessUnavailableError, match="certificate"):
            latest(url, ORIGIN)
        with pytest.raises(WitnessUnavailableError):  # plain HTTP is not answered
            latest(f"http://127.0.0.1:{witness.port}", ORIGIN, timedelta(seconds=5))
    assert witness.events("witness-unexpected") == []
