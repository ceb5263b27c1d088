"""Logging: a line an event on standard error, in English, with stable names and facts as ``key=value``."""

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER = "sealdock"
"""Every logger of ours is below this one."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """``2026-03-01T01:02:03Z warning sealdock.docking clip-failed workflow=01M8…/0``; a traceback follows."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback of the event if it has one."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        facts = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        words = [at, record.levelname.lower(), record.name, record.getMessage()]
        words += [f"{key}={_quoted(value)}" for key, value in facts.items()]
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _quoted(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text.isascii() and not set(text) & set(' "=') else json.dumps(text)


def use(level: str) -> None:
    """Log events of ``level`` (debug, info, warning, error) and above to standard error, from now on."""
    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
