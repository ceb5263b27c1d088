"""Homes, and the story that every test here tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault import Story, told
from tests.support.station import Station, thaw


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A home that nothing was docked in. Do not change it."""
    return Station(tmp_path_factory.mktemp("blank") / "home").init()


@pytest.fixture
def station(blank: Station, tmp_path: Path) -> Iterator[Station]:
    """A fresh home of the test's own."""
    fresh = blank.copy(tmp_path / "home")
    yield fresh
    thaw(fresh.home)


@pytest.fixture
def story(request: pytest.FixtureRequest) -> Story:
    return told(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    """A test that was not compared with its row has shown nothing."""
    result = yield
    story = pyfuncitem.funcargs.get("story")
    assert story is None or story.ended, "the test's row was not compared with what it saw"
    return result
