"""The witness over HTTP: ``POST /add-checkpoint``, and what auditors and logs read.

Clients are strangers. Each request has a time and a size that it must keep to as a whole, each address a
number of connections and of requests a second, and whatever is odd ends the connection.
"""

import io
import json
import logging
import socket
import sqlite3
import ssl
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from witness.judge import Answer, Judge
from witness.limits import LimitedReader, Rate, Slots
from witness.request import MAX_BODY

REQUEST_SECONDS = 15.0
"""For a whole request, and for an idle connection before its next one."""
ANSWER_SECONDS = 10.0
MAX_HEAD = 16 * 1024
MAX_CONNECTIONS, MAX_CONNECTIONS_EACH = 128, 64
REQUESTS_PER_SECOND, REQUESTS_AT_ONCE = 20, 200
_CASES_SHOWN = 100
_log = logging.getLogger("sealdock.witness")
_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"
_SIZE = "text/x.tlog.size"
_METHODS = {"/add-checkpoint": "POST", "/checkpoint": "GET", "/health": "GET", "/evidence": "GET"}
_Page = tuple[int, str, bytes]


class Server:
    """Answers at a place until the block ends; use as a context manager.

    ``trusted_front``: a proxy stands before it and limits clients, all of which have its address. Raises
    OSError for a place that cannot be listened at.
    """

    def __init__(
        self,
        place: tuple[str, int],
        judge: Judge,
        tls: ssl.SSLContext | None = None,
        *,
        trusted_front: bool = False,
    ) -> None:
        self._server = _Server(place, judge, tls, trusted_front=trusted_front)
        self._thread = threading.Thread(target=self._server.serve_forever, name="witness", daemon=True)

    @property
    def port(self) -> int:
        """Return the port, which the system chose if 0 was asked for."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        _log.info("witness-listening", extra={"port": self.port, "tls": self._server.tls is not None})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self, place: tuple[str, int], judge: Judge, tls: ssl.SSLContext | None, *, trusted_front: bool
    ) -> None:
        self.judge = judge
        self.tls = tls
        self.rate = None if trusted_front else Rate(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE)
        self._slots = Slots(MAX_CONNECTIONS, MAX_CONNECTIONS if trusted_front else MAX_CONNECTIONS_EACH)
        if ":" in place[0]:
            self.address_family = socket.AF_INET6
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        """Bind, and ask no name server who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, if there is a slot for it."""
        if not self._slots.take(client_address[0]):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._slots.give(client_address[0])
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection and give its slot back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.give(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class names them
        """Log what ended a connection; that clients go away, or speak no TLS, is nothing."""
        if isinstance(sys.exc_info()[1], OSError):
            _log.debug("witness-client-gone", exc_info=True)
        else:
            _log.exception("witness-unexpected")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "sealdock-witness"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = _TEXT

    def setup(self) -> None:
        """Shake hands in this thread, not in the one that accepts, and put limits on what is read."""
        self.request.settimeout(REQUEST_SECONDS)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(
                self.request, server_side=True, do_handshake_on_connect=False
            )
            try:
                self.request.do_handshake()
            except OSError:
                self.request.close()
                raise
        super().setup()
        self._limits = LimitedReader(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._limits)

    def finish(self) -> None:
        """Close the connection; with TLS the server does not have the socket any more."""
        super().finish()
        if self.server.tls is not None:
            self.request.close()

    def handle_one_request(self) -> None:
        """Serve the next request of a connection, within the limits of one."""
        self._limits.renew(REQUEST_SECONDS, MAX_HEAD + MAX_BODY)
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        """Say "go on" at once: what is written waits for the end of the answer otherwise."""
        allowed = super().handle_expect_100()
        self.wfile.flush()
        return allowed

    def do_GET(self) -> None:
        """Answer somebody who reads."""
        if not self._allowed():
            return
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # whatever comes with a question is not read
        parts = urlsplit(self.path)
        pages: dict[str, Callable[[str], _Page]] = {
            "/checkpoint": self._checkpoint,
            "/health": self._health,
            "/evidence": self._evidence,
        }
        page = pages.get(parts.path)
        if page is None:
            self._refuse_path(parts.path)
            return
        try:
            answer = page(parts.query)
        except (sqlite3.Error, OSError) as error:
            _log.error("witness-page-failed", extra={"problem": str(error)})
            answer = _json(HTTPStatus.SERVICE_UNAVAILABLE, {"healthy": False, "problem": "state"})
        self._send(*answer)

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def do_POST(self) -> None:
        """Answer a log that asks for a cosignature."""
        if not self._allowed():
            return
        path = urlsplit(self.path).path
        if path != "/add-checkpoint":
            self._refuse_path(path)
            return
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1 or not _is_number(lengths[0]):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return
        length = int(lengths[0])
        if length > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(length)
        if len(body) < length:  # the client went away
            self.close_connection = True
            return
        answer = self.server.judge.add_checkpoint(body)
        if answer.status is not answer.status.COSIGNED:
            _log.debug("witness-refused", extra={"status": int(answer.status), "text": answer.text.strip()})
        self._send(int(answer.status), _kind(answer), answer.text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Log a request where somebody looks for mistakes."""
        _log.debug("witness-request", extra={"text": format % args})

    def _allowed(self) -> bool:
        rate = self.server.rate
        if rate is None or rate.allows(self.client_address[0]):
            return True
        self._refuse(HTTPStatus.TOO_MANY_REQUESTS, ("Retry-After", "1"))
        return False

    def _refuse_path(self, path: str) -> None:
        allow = {"/add-checkpoint": "POST", "/checkpoint": "GET", "/health": "GET", "/evidence": "GET"}.get(
            path
        )
        if allow is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", allow))

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        """Answer without having read the body, so that this is the connection's last answer."""
        self.close_connection = True
        self._send(status, _TEXT, f"{status.phrase}\n".encode(), *headers)

    def _send(self, status: int, kind: str, body: bytes, *headers: tuple[str, str]) -> None:
        self.connection.settimeout(ANSWER_SECONDS)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _checkpoint(self, query: str) -> _Page:
        try:
            (origin,) = parse_qs(query, keep_blank_values=True, max_num_fields=2, errors="strict")["origin"]
        except (ValueError, KeyError):
            return HTTPStatus.BAD_REQUEST, _TEXT, b"Ask for /checkpoint?origin=NAME\n"
        latest = self.server.judge.state.latest(origin)
        if latest is None:
            return HTTPStatus.NOT_FOUND, _TEXT, b"This witness has cosigned nothing of that log.\n"
        return HTTPStatus.OK, _TEXT, latest.note.encode()

    def _health(self, _query: str) -> _Page:
        judge = self.server.judge
        cases, (logs, stopped) = judge.evidence.tally(), judge.state.count()
        healthy = cases.clean and not stopped
        return _json(
            HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            {
                "healthy": healthy,
                "vkey": str(judge.key.vkey),
                "logs": logs,
                "stopped": stopped,
                "forks": cases.forks,
                "suspected": cases.suspected,
            },
        )

    def _evidence(self, _query: str) -> _Page:
        evidence = self.server.judge.evidence
        found = evidence.tally()
        cases = [{"case": case.id, **case.summary} for case in evidence.cases(_CASES_SHOWN)]
        return _json(HTTPStatus.OK, {"forks": found.forks, "suspected": found.suspected, "cases": cases})


def _kind(answer: Answer) -> str:
    return _TEXT if answer.size is None else _SIZE


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004 - digits of any length read


def _json(status: int, facts: dict[str, Any]) -> _Page:
    return status, _JSON, json.dumps(facts).encode() + b"\n"
