import logging
from collections.abc import Iterator

import pytest

from config import logs

LOG = logging.getLogger("sealdock.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Give the process its loggers back."""
    logger = logging.getLogger(logs.LOGGER)
    kept = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = kept


def test_an_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("info")
    LOG.info("timestamp-pending", extra={"docking": "01M8", "path": 'a "b"\n\x1b[31m', "name_zh": "执法"})
    line = capsys.readouterr().err
    when, rest = line.split(" ", 1)
    assert when.endswith("Z")
    assert rest == (
        "info sealdock.test timestamp-pending docking=01M8 "
        'path="a \\"b\\"\\n\\u001b[31m" name_zh="\\u6267\\u6cd5"\n'
    )


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("warning")
    LOG.info("quiet")
    assert capsys.readouterr().err == ""
    logs.use("debug")
    LOG.debug("loud")
    assert capsys.readouterr().err.endswith(" debug sealdock.test loud\n")


def test_an_exception_follows_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.use("error")
    try:
        {}["gone"]
    except KeyError:
        LOG.exception("clip-failed", extra={"workflow": "01M8/0"})
    first, *others = capsys.readouterr().err.splitlines()
    assert first.endswith(" error sealdock.test clip-failed workflow=01M8/0")
    assert others[0].startswith("Traceback")
    assert others[-1] == "KeyError: 'gone'"
