"""Homes for the end-to-end tests. A fresh one is copied: making keys and a register takes a second."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.support.station")

from tests.support.station import Station, thaw  # noqa: E402 - its assertions must be rewritten first

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root is refused nothing")


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A home that nothing was docked in. Do not change it."""
    return Station(tmp_path_factory.mktemp("blank") / "home").init()


@pytest.fixture
def station(blank: Station, tmp_path: Path) -> Iterator[Station]:
    """A fresh home of the test's own."""
    fresh = Station(tmp_path / "home")
    shutil.copytree(blank.home, fresh.home)
    yield fresh
    thaw(fresh.home)
