"""A real RFC 3161 authority for tests: ``openssl ts -reply`` behind a small HTTP server on loopback.

Its keys are ECDSA. ``behaviour`` chooses how it errs; ``at`` makes it work at another time (faketime).
"""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# No "certs=": rfc3161-client refuses the order in which OpenSSL then writes the certificates.
CONFIG = """
[tsa]
default_tsa = it
[it]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.55555.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""

YEARS = timedelta(days=3650)


class Behaviour(Enum):
    """What the authority answers."""

    GOOD = auto()
    ERROR_STATUS = auto()
    REDIRECT = auto()
    GARBAGE = auto()
    OTHER_IMPRINT = auto()
    OTHER_NONCE = auto()
    REFUSAL = auto()
    HUGE = auto()
    HANG = auto()
    DRIP = auto()
    """A byte now and then, for ever."""


@dataclass
class TestAuthority:
    """A running authority. ``root`` is the certificate that its tokens lead to."""

    __test__: ClassVar[bool] = False  # not a test, whatever pytest thinks of its name

    folder: Path
    root: x509.Certificate
    url: str = ""
    behaviour: Behaviour = Behaviour.GOOD
    at: datetime | None = None
    asked: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def root_path(self) -> Path:
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """Answer one request, honestly; the serial file allows one at a time."""
        with self._lock:
            asked = self.folder / "query.tsq"
            asked.write_bytes(query)
            command = ["openssl", "ts", "-reply", "-config", str(self.folder / "tsa.cnf"), "-section", "it"]
            if self.at is not None:
                command = ["faketime", "-f", f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", *command]
            done = subprocess.run(
                [*command, "-queryfile", str(asked)],
                capture_output=True,
                check=True,
                timeout=30,
                env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
            )
            return done.stdout


@contextmanager
def authority(
    folder: Path,
    *,
    valid_from: datetime | None = None,
    valid_for: timedelta = YEARS,
) -> Iterator[TestAuthority]:
    """Make an authority's keys in ``folder`` and run it until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    start = valid_from or datetime.now(UTC) - timedelta(days=1)
    tsa = TestAuthority(folder=folder, root=_make_keys(folder, start, start + valid_for))
    handler = type("Handler", (_Handler,), {"tsa": tsa})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    tsa.url = f"http://127.0.0.1:{server.server_port}/tsr"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield tsa
    finally:
        tsa.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _make_keys(folder: Path, start: datetime, end: datetime) -> x509.Certificate:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test time root {folder.name}")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test time authority")])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )

    root = (
        builder(root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    certificate = (
        builder(name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "tsa.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "tsa.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    return root


class _Handler(BaseHTTPRequestHandler):
    """Answers as the authority's behaviour says; ``tsa`` is set by the class that is made for each."""

    tsa: ClassVar[TestAuthority]

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        self.tsa.asked += 1
        try:
            self._answer(query)
        except ConnectionError:
            self.close_connection = True  # the client has gone, as tests of timeouts do

    def _answer(self, query: bytes) -> None:
        match self.tsa.behaviour:
            case Behaviour.ERROR_STATUS:
                self._send(b"out of order", status=503)
            case Behaviour.REDIRECT:
                self._send(b"", status=307, location=self.tsa.url)
            case Behaviour.HANG:
                self.tsa.ended.wait(60)
            case Behaviour.DRIP:
                self._drip()
            case behaviour:
                self._send(_body(self.tsa, behaviour, query))

    def _send(self, body: bytes, *, status: int = 200, location: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        while not self.tsa.ended.is_set():
            self.wfile.write(b"\x30")
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Say nothing: test output is for findings."""


def _body(tsa: TestAuthority, behaviour: Behaviour, query: bytes) -> bytes:
    match behaviour:
        case Behaviour.GARBAGE:
            return b"<html>Please log in to the wireless network</html>"
        case Behaviour.HUGE:
            return bytes(1024 * 1024)
        case Behaviour.REFUSAL:
            refusal: bytes = tsp.TimeStampResp({"status": {"status": "rejection"}}).dump()
            return refusal
        case Behaviour.OTHER_IMPRINT:
            return tsa.reply(_changed(query, imprint=bytes(32)))
        case Behaviour.OTHER_NONCE:
            return tsa.reply(_changed(query, nonce=12345))
        case _:
            return tsa.reply(query)


def _changed(query: bytes, *, imprint: bytes | None = None, nonce: int | None = None) -> bytes:
    request = tsp.TimeStampReq.load(query)
    if imprint is not None:
        request["message_imprint"]["hashed_message"] = imprint
    if nonce is not None:
        request["nonce"] = nonce
    return request.dump(force=True)  # type: ignore[no-any-return]
