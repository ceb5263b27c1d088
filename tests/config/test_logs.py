import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import logs

LOG = logging.getLogger("sealdock.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Give the process its loggers back."""
    logger = logging.getLogger(logs.LOGGER)
    kept = logger.handlers[:], logger.level, logger.propagate
    yield
    logs.use("error")  # closes a file
    logger.handlers[:], logger.level, logger.propagate = kept


def test_an_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("info", "text")
    LOG.info("timestamp-pending", extra={"docking": "01M8", "path": 'a "b"\n\x1b[31m', "name_zh": "执法"})
    line = capsys.readouterr().err
    when, rest = line.split(" ", 1)
    assert when.endswith("Z")
    assert rest == (
        "info sealdock.test timestamp-pending docking=01M8 "
        'path="a \\"b\\"\\n\\u001b[31m" name_zh="\\u6267\\u6cd5"\n'
    )


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("warning", "text")
    LOG.info("quiet")
    assert capsys.readouterr().err == ""
    logs.use("debug", "text")
    LOG.debug("loud")
    assert capsys.readouterr().err.endswith(" debug sealdock.test loud\n")


def test_an_exception_follows_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("error", "text")
    try:
        {}["gone"]
    except KeyError:
        LOG.exception("clip-failed", extra={"workflow": "01M8/0"})
    first, *others = capsys.readouterr().err.splitlines()
    assert first.endswith(" error sealdock.test clip-failed workflow=01M8/0")
    assert others[0].startswith("Traceback")
    assert others[-1] == "KeyError: 'gone'"


def test_an_event_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("info")  # nothing here is a terminal
    LOG.info("clip-confirmed", extra={"clip": "01M8", "bytes": 3, "path": Path("/a\n b"), "safe": True})
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert list(found)[:4] == ["at", "level", "logger", "event"]
    assert found.pop("at").endswith("Z")
    assert found == {
        "level": "info",
        "logger": "sealdock.test",
        "event": "clip-confirmed",
        "clip": "01M8",
        "bytes": 3,
        "path": "/a\n b",
        "safe": True,
    }


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_in_no_event(capsys: pytest.CaptureFixture[str], form: logs.Format) -> None:
    logs.use("info", form)
    url = "postgresql://clerk:hunter2@db/sealdock"
    try:
        int(url)
    except ValueError:
        LOG.exception("clip-failed", extra={"url": url, "list": [url], "dict": {"url": url}})
    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert "***" in told
    assert "Traceback" in told
    assert len(told.splitlines()) == 1 or form == "text"


def test_a_file_is_for_its_owner_and_may_be_rotated(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    logs.use("info", file=path)
    LOG.info("first")
    assert path.stat().st_mode & 0o777 == 0o600
    path.rename(tmp_path / "events.log.1")
    LOG.info("second")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["second"]
    with pytest.raises(OSError, match="No such file"):
        logs.use("info", file=tmp_path / "nowhere" / "events.log")


def test_what_a_library_says_is_a_fact_of_an_event_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("info", "json")
    library = logging.getLogger("some.library")
    logs.adopt("some")
    library.warning("not shown")
    library.error("it broke: %s", "postgresql://clerk:hunter2@db")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["logger"]) == ("library-message", "some.library")
    assert found["text"] == "it broke: postgresql://clerk:***@db"
    logging.getLogger("some").handlers.clear()


def test_nothing_is_loaded_before_there_is_something_to_show() -> None:
    code = (
        "import sys, logging; from config import logs; logs.use('warning');"
        "logging.getLogger('sealdock.x').info('quiet'); assert 'structlog' not in sys.modules;"
        "logging.getLogger('sealdock.x').warning('loud'); assert 'structlog' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
