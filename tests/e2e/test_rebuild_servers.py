"""A register in PostgreSQL that was lost, or is an old backup, and comes back from a bucket."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_rebuild import UNLOGGED, same
from tests.support.bucket import bucket_home
from tests.support.ledger_home import checked, live
from tests.support.postgres import Place, Server, connect
from tests.support.station import Station, make_card
from tests.support.store import Store

pytestmark = pytest.mark.slow

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def place(postgres: Server) -> Iterator[Place]:
    with postgres.database() as place:
        yield place


@pytest.fixture
def station(store: Store, place: Place, video: Path, tmp_path: Path) -> Station:
    """A home with its register in PostgreSQL and its vault on Ceph: something of everything happened."""
    url = store.url(store.bucket(store.station), "north")
    home = bucket_home(store, url, tmp_path)
    home = replace(home, environment={**home.environment, **servers(place)}).init()
    return live(home, tmp_path, video.read_bytes())


def servers(place: Place) -> dict[str, str]:
    return {"SEALDOCK_DATABASE_URL": place.url, "SEALDOCK_DATABASE_OWNER_URL": place.owner}


def everything(place: Place) -> Rows:
    """Return all rows of all tables but those that are no history, as JSON has them."""
    with closing(connect(place.owner)) as owner:
        names = [
            str(row[0])
            for row in owner.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            )
        ]
        found: Rows = {}
        for name in names:
            if name not in UNLOGGED:
                cursor = owner.execute(f"SELECT * FROM {name}".encode())
                columns = [str(column.name) for column in cursor.description or ()]
                found[name] = [
                    {column: plain(value) for column, value in zip(columns, row, strict=True)}
                    for row in cursor
                ]
    return found


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return (
        value if isinstance(value, str | int | float | None) else json.loads(json.dumps(value, default=str))
    )


def test_a_lost_register_comes_back(station: Station, place: Place, postgres: Server) -> None:
    station.ok("ledger", "publish")
    before = everything(place)
    with postgres.database() as empty:
        station = replace(station, environment={**station.environment, **servers(empty)})
        found = station.json("rebuild", "--from-vault")
        assert (found["first"], found["missing"]) == (0, [])
        assert same(everything(empty), before)
        checked(station, 0)
        assert station.json("verify", "--level", "full")["failed"] == []
        assert station.json("reconcile")["findings"] == []
        station.ok("locks", "roll")


def test_an_old_backup_catches_up(station: Station, place: Place, postgres: Server, tmp_path: Path) -> None:
    with postgres.database(place.url.rpartition("/")[2].partition("?")[0]) as backup:
        assert station.dock(make_card(tmp_path / "later", {"later.txt": b"later"}))["ok"]
        before = everything(place)
        station = replace(station, environment={**station.environment, **servers(backup)})
        refused = station.run("dock", tmp_path / "later", "--json").expect(101)
        assert refused.error["error"] == "ledger-behind"
        assert station.json("ledger", "catch-up")["missing"] == []
        assert same(everything(backup), before)
        checked(station, 0)
        assert station.dock(tmp_path / "later")["ok"]
