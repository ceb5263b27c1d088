"""Nodes put together in this process, from homes that the command line made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.common import build_node
from config.settings import Settings
from jobs.node import Node
from tests.support.station import Station, thaw


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Station:
    return Station(tmp_path_factory.mktemp("blank") / "home").init()


@pytest.fixture
def home(blank: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    monkeypatch.setenv("SEALDOCK_VAULT_IMMUTABLE", "off")
    fresh = blank.copy(tmp_path / "home")
    yield fresh
    thaw(fresh.home)


@pytest.fixture
def node(home: Station) -> Iterator[Node]:
    node = build_node(home.home, Settings.load(home.home))
    yield node
    node.close()
