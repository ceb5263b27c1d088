"""The small web server of the station service: metrics and health, for reading only, off by default."""

import json
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from config.errors import InvalidSettingError
from jobs.health import Station, health
from jobs.liveness import Heart
from jobs.metrics import registry

_log = logging.getLogger("sealdock.metrics")
_SLOW_CLIENT_SECONDS = 10.0
_JSON = "application/json"


class Listener:
    """Answers at ``listen`` (``HOST:PORT``) until the block ends; use as a context manager.

    Raises InvalidSettingError for a place that cannot be listened at.
    """

    def __init__(self, listen: str, station: Station, heart: Heart) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), station, heart)
        except OSError as error:
            raise InvalidSettingError(key="metrics.listen", problem=error.strerror or str(error)) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="sealdock-listener", daemon=True
        )

    @property
    def port(self) -> int:
        """Return the port, which the system chose if the setting says 0."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        _log.info("metrics-listening", extra={"port": self.port})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], station: Station, heart: Heart) -> None:
        self.station = station
        self.heart = heart
        self.registry: CollectorRegistry = registry(station, heart)
        if ":" in place[0]:
            self.address_family = socket.AF_INET6
        super().__init__(place, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "sealdock"
    sys_version = ""
    timeout = _SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer a question."""
        pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "/metrics": self._metrics,
            "/healthz": self._alive,
            "/readyz": self._ready,
        }
        page = pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        status, kind, body = page()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Log a request where somebody looks for mistakes; scrapes are no events."""
        _log.debug("metrics-request", extra={"text": format % args})

    def _metrics(self) -> tuple[int, str, bytes]:
        encode, kind = choose_encoder(self.headers.get("Accept") or "")
        return HTTPStatus.OK, kind, encode(self.server.registry)

    def _alive(self) -> tuple[int, str, bytes]:
        beat = self.server.heart.last
        return _answer(beat.alive, {"alive": beat.alive, "turn_age_seconds": round(beat.age, 3)})

    def _ready(self) -> tuple[int, str, bytes]:
        found = health(self.server.station, self.server.heart.last)
        return _answer(found.ready, found.to_json())


def _answer(good: bool, facts: dict[str, Any]) -> tuple[int, str, bytes]:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, _JSON, json.dumps(facts).encode() + b"\n"
