"""Homes for the end-to-end tests. A fresh one is copied: making keys and a register takes a second."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ledger_home
from tests.support.engines import ENGINES
from tests.support.footage import CLIPS, FIRST, HOSTILE, OFFICER
from tests.support.postgres import Server
from tests.support.station import Station, make_card, thaw


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


@pytest.fixture(scope="session", params=ENGINES)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A home made by init, on each engine, with its vault as protected as this user can make it."""
    folder = tmp_path_factory.mktemp("main")
    if request.param == "sqlite":
        station = Station(folder / "home", {"SEALDOCK_VAULT_IMMUTABLE": "auto"}).init()
        yield station
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.database() as place:
            settings = {"SEALDOCK_VAULT_IMMUTABLE": "auto", "SEALDOCK_DATABASE_URL": place.url}
            station = Station(folder / "home", settings)
            station.ok("init", SEALDOCK_DATABASE_OWNER_URL=place.owner)
            yield station
    thaw(station.home)


@pytest.fixture(scope="session")
def media_bytes(video: Path, picture: Path) -> dict[str, bytes]:
    return {
        CLIPS["morning"]: video.read_bytes(),
        CLIPS["eleven"]: video.read_bytes() + bytes(16),
        CLIPS["afternoon"]: picture.read_bytes(),
    }


@pytest.fixture(scope="session")
def docked(
    home: Station, media_bytes: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What ``dock --json`` says of a recorder whose names tell officer and time; one case is known."""
    window = ["--officer", OFFICER, "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:30+08:00"]
    assert home.json("case", "add", FIRST, *window) == {"case": FIRST, "linked": 0, "ambiguous": 0}
    return home.dock(make_card(tmp_path_factory.mktemp("card"), media_bytes))


@pytest.fixture(scope="session")
def clips(docked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The clips of that docking by what they are called here."""
    by_path = {clip["path"]: clip for clip in docked["clips"]}
    return {word: by_path[path] for word, path in CLIPS.items()}


@pytest.fixture(scope="session")
def hostile(
    home: Station, docked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A second recorder whose names are meant to do harm."""
    assert docked["ok"]
    return home.dock(make_card(tmp_path_factory.mktemp("hostile"), dict(HOSTILE)), "--officer", "999")


@pytest.fixture(scope="session")
def lived(blank: Station, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A home in which something of everything happened. Do not change it; copy it."""
    folder = tmp_path_factory.mktemp("lived")
    return ledger_home.live(blank.copy(folder / "home"), folder, video.read_bytes())


@pytest.fixture
def copied(lived: Station, tmp_path: Path) -> Iterator[Station]:
    """A copy of that home, to be changed."""
    home = tmp_path / "home"
    shutil.copytree(lived.home, home, symlinks=True)
    yield Station(home, lived.environment)
    thaw(home)
