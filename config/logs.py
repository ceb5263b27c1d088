"""Logging: events with stable names and facts, in English; JSON for machines, a line for people.

Sources log with the standard library (``_log.info("clip-confirmed", extra={"clip": …})``), so that a module
costs nothing to import; what makes a line of an event is structlog, loaded when the first one is shown.
``docs/operations.md`` lists every event.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import IO, Any, Literal

from config.masking import mask

LOGGER = "sealdock"
"""Every logger of ours is below this one."""

FOREIGN = "library-message"
"""The event of what a library logs: its own words stand in the fact ``text``."""

Format = Literal["auto", "json", "text"]
_Event = MutableMapping[str, Any]


class EventHandler(logging.StreamHandler[IO[str]]):
    """Shows events on a stream, as JSON or as text."""

    def __init__(self, stream: IO[str], *, as_json: bool) -> None:
        super().__init__(stream)
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line; in text a traceback follows."""
        return _lazily(self, record, as_json=self._as_json)


class EventFile(WatchedFileHandler):
    """Appends events to a file that only its owner can read, and opens it anew after it was rotated away."""

    def __init__(self, path: Path, *, as_json: bool) -> None:
        self._as_json = as_json
        super().__init__(path, encoding="utf-8")

    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line; in text a traceback follows."""
        return _lazily(self, record, as_json=self._as_json)


def use(level: str, form: Format = "auto", file: Path | None = None) -> None:
    """Log events of ``level`` (debug, info, warning, error) and above, from now on.

    They go to standard error, or to ``file``. ``auto`` is text on a terminal, and JSON for all else. Raises
    OSError for a file that cannot be opened.
    """
    handler: logging.Handler
    if file is not None:
        handler = EventFile(file, as_json=form != "text")
    else:
        handler = EventHandler(
            sys.stderr, as_json=form == "json" or (form == "auto" and not sys.stderr.isatty())
        )
    logger = logging.getLogger(LOGGER)
    for former in logger.handlers:
        if isinstance(former, EventFile):
            former.close()
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def adopt(library: str) -> None:
    """Show what a library logs with our handlers and in our form, from errors on."""
    logger = logging.getLogger(library)
    logger.handlers[:] = logging.getLogger(LOGGER).handlers
    logger.setLevel(logging.ERROR)
    logger.propagate = False


def _lazily(handler: logging.Handler, record: logging.LogRecord, *, as_json: bool) -> str:
    if handler.formatter is None:
        handler.setFormatter(_formatter(as_json=as_json))
    assert handler.formatter is not None  # noqa: S101 - for the type checker
    return handler.formatter.format(record)


def _formatter(*, as_json: bool) -> logging.Formatter:
    from structlog.processors import TimeStamper, format_exc_info  # noqa: PLC0415
    from structlog.stdlib import (  # noqa: PLC0415 - see the module's docstring
        ExtraAdder,
        ProcessorFormatter,
        add_log_level,
        add_logger_name,
    )

    renderer: Callable[[Any, str, _Event], str] = _as_json if as_json else _as_text
    return ProcessorFormatter(
        foreign_pre_chain=[add_log_level, add_logger_name, ExtraAdder()],
        processors=[
            TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ" if as_json else "%Y-%m-%dT%H:%M:%SZ", utc=True, key="at"),
            format_exc_info,
            ProcessorFormatter.remove_processors_meta,
            _foreign,
            _masked,
            renderer,
        ],
    )


def _foreign(_logger: Any, _method: str, event: _Event) -> _Event:
    """Keep our names of events ours: what a library says is a fact of one of them."""
    if event["logger"].partition(".")[0] != LOGGER:
        event["text"], event["event"] = event["event"], FOREIGN
    return event


def _masked(_logger: Any, _method: str, event: _Event) -> _Event:
    """Make every fact a plain value without secrets."""
    return {name: _plain(value) for name, value in event.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return mask(os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else str(value))


def _as_json(_logger: Any, _method: str, event: _Event) -> str:
    first = {name: event.pop(name) for name in ("at", "level", "logger", "event")}
    return json.dumps(first | dict(event))


def _as_text(_logger: Any, _method: str, event: _Event) -> str:
    """``2026-03-01T01:02:03Z warning sealdock.docking clip-failed workflow=01M8…/0``; a traceback follows."""
    traceback = event.pop("exception", None)
    words = [str(event.pop(name)) for name in ("at", "level", "logger", "event")]
    words += [f"{name}={_quoted(value)}" for name, value in event.items()]
    line = " ".join(words)
    return f"{line}\n{traceback}" if traceback else line


def _quoted(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    text = str(value)
    return text if text.isprintable() and text.isascii() and not set(text) & set(' "=') else json.dumps(text)
