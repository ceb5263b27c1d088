"""A home in which something happened, a witness outside, and the row that every test here must amount to."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.footage import FIRST
from tests.support.station import Station, make_card, thaw
from tests.support.threat import Attack, told
from tests.support.witnessing import Witness, make


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A home with two dockings of a card, a case, a link and a tag. Do not change it; copy it."""
    folder = tmp_path_factory.mktemp("lived")
    station = Station(folder / "home").init()
    station.ok("case", "add", FIRST)
    card = make_card(folder / "card", {"DCIM/a.txt": b"a", "DCIM/b.txt": b"b", "DCIM/c.txt": b"c"})
    clips = [clip["id"] for clip in station.dock(card)["clips"]]
    station.ok("link", clips[0], "--case", FIRST)
    station.ok("tag", clips[1], "--category", "case-evidence")
    station.ok("verify", "--level", "full")
    station.dock(card)
    station.ok("ledger", "publish")
    return station


@pytest.fixture
def station(lived: Station, tmp_path: Path) -> Iterator[Station]:
    home = tmp_path / "home"
    shutil.copytree(lived.home, home)
    yield Station(home, lived.environment)
    thaw(home)


@pytest.fixture
def witness(station: Station, tmp_path: Path) -> Witness:
    """A witness that serves the station's log."""
    found = make(tmp_path)
    found.run("add-log", (station.home / "keys" / "ledger.vkey").read_text().strip()).expect(0)
    return found


@pytest.fixture
def witnessed(station: Station, witness: Witness) -> Iterator[Station]:
    """The home with that witness in its settings; it has cosigned what there is."""
    vkey = witness.vkey
    with witness.serving():
        yield _witnessed(station, f"http://127.0.0.1:{witness.port} {vkey}")


def _witnessed(station: Station, place: str) -> Station:
    found = replace(station, environment={**station.environment, "SEALDOCK_LEDGER_WITNESSES": place})
    found.ok("ledger", "publish")
    return found


@pytest.fixture
def attack(request: pytest.FixtureRequest) -> Attack:
    return told(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    """A test that was not compared with its row has shown nothing."""
    result = yield
    attack = pyfuncitem.funcargs.get("attack")
    assert attack is None or attack.ended, "the test's row was not compared with what it saw"
    return result
