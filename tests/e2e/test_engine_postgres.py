"""The engine's records in a PostgreSQL database that stations share: each runs its own work and no other."""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.support.postgres import Cluster, Place, Server, connect
from tests.support.station import Station, ended, make_card, until

pytestmark = pytest.mark.slow

FILES = {f"{n:03}.MP4": bytes([n]) * 5000 for n in range(40)}


@contextmanager
def engine_of(server: Server) -> Iterator[Place]:
    """A database in which the application's role may make schemas, and nothing else."""
    with server.database() as place:
        with closing(connect(place.owner)) as owner:
            role, name = make_url(place.url).username, make_url(place.url).database
            owner.execute(f"GRANT CREATE ON DATABASE {name} TO {role}".encode())
        yield place


@pytest.fixture
def engine(postgres: Server) -> Iterator[Place]:
    with engine_of(postgres) as place:
        yield place


@pytest.fixture
def make(engine: Place, tmp_path: Path) -> Callable[[str], Station]:
    """Make a home with a register of its own, whose engine is in the shared database."""

    def home(name: str) -> Station:
        settings = {"SEALDOCK_ENGINE_URL": engine.url, "SEALDOCK_STATION_ID": "same-name"}
        return Station(tmp_path / name, settings).init()

    return home


def asked(place: Place, query: str) -> list[tuple[Any, ...]]:
    with closing(connect(place.url)) as role:
        return role.execute(query.encode()).fetchall()


def schema_of(station: Station) -> str:
    return "sealdock_" + (station.home / "engine.id").read_text().replace("-", "_")


def workflows(place: Place, station: Station) -> list[tuple[Any, ...]]:
    query = f"SELECT name, status, executor_id FROM {schema_of(station)}.workflow_status"
    return asked(place, query)


def test_a_killed_docking_goes_on_and_nobody_elses(
    make: Callable[[str], Station], engine: Place, tmp_path: Path
) -> None:
    """Two homes, even of one name: each recovers what it left, while the other's stays as it is."""
    north, south = make("north"), make("south")
    card = make_card(tmp_path / "card", FILES)
    process = north.start("dock", card, "--json")
    until(lambda: north.rows("SELECT 1 FROM clip WHERE state = 'confirmed' LIMIT 1"))
    process.send_signal(signal.SIGKILL)
    ended(process)
    left = workflows(engine, north)
    assert ("docking", "PENDING") in {row[:2] for row in left}
    (docking,) = north.json("status")["unfinished_dockings"]

    assert south.dock(make_card(tmp_path / "other", {"1.MP4": b"south"}))["ok"]
    assert workflows(engine, north) == left
    assert {row[1] for row in workflows(engine, south)} == {"SUCCESS"}

    docked = north.dock(card)
    assert docked["docking"] == docking
    assert {clip["state"] for clip in docked["clips"]} == {"released"}
    assert north.value("SELECT count(*) FROM docking") == 1
    once = "SELECT max(n) FROM (SELECT count(*) AS n FROM custody_event"
    once += " WHERE clip_id IS NOT NULL GROUP BY clip_id, kind) AS each"
    assert north.value(once) == 1
    assert north.json("verify", "--level", "full")["failed"] == []
    found = {row[1:] for row in workflows(engine, north)}
    assert found == {("SUCCESS", (north.home / "engine.id").read_text())}
    assert schema_of(north) != schema_of(south)
    assert not (north.home / "engine.db").exists()


def test_work_is_handed_to_the_process_that_runs_the_engine(
    make: Callable[[str], Station], tmp_path: Path
) -> None:
    station = make("north")
    watching = station.start("watch", make_card(tmp_path / "root", {}))
    try:
        until((station.home / "engine.lock").exists)
        assert station.dock(make_card(tmp_path / "card", {"1.MP4": b"1"}))["ok"]
        assert watching.poll() is None
    finally:
        watching.terminate()
        ended(watching)


def test_a_database_that_is_away_or_refuses(
    make: Callable[[str], Station], engine: Place, tmp_path: Path
) -> None:
    station = make("north")
    card = make_card(tmp_path / "card", {"1.MP4": b"1"})
    url = make_url(engine.url)
    wrong = {
        "away": url.set(port=1),
        "password": url.set(password="correct-horse"),  # noqa: S106 - it opens nothing
        "database": url.set(database="nowhere"),
        "postgres": url.set(database="postgres"),  # the role may make no schema there
    }
    for bad in wrong.values():
        shown = bad.render_as_string(hide_password=False)
        refused = station.run("dock", card, "--json", SEALDOCK_ENGINE_URL=shown).expect(39)
        assert refused.error["error"] == "engine-unavailable"
        assert str(bad.password) not in refused.err
    refused = station.run("dock", card, "--json", SEALDOCK_ENGINE_URL="mysql://host/name").expect(11)
    assert refused.error["facts"]["key"] == "engine.url"
    assert station.dock(card)["ok"]


def test_a_docking_waits_for_a_server_that_is_away(cluster: Cluster, tmp_path: Path) -> None:
    with engine_of(cluster.server) as place:
        station = Station(tmp_path / "home", {"SEALDOCK_ENGINE_URL": place.url}).init()
        process = station.start("dock", make_card(tmp_path / "card", FILES), "--json")
        until(lambda: station.rows("SELECT 1 FROM clip WHERE state = 'confirmed' LIMIT 1"))
        cluster.crash()
        cluster.start()
        assert ended(process).expect(0).json["ok"]
        assert station.json("verify", "--level", "full")["failed"] == []
