"""Several stations on one PostgreSQL register and one vault: what they share, and what stays apart."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.footage import CLIPS
from tests.support.postgres import Place, Server, connect
from tests.support.station import Station, by_path, digest_of, ended, make_card, thaw, until

pytestmark = pytest.mark.slow

Make = Callable[[str], Station]
SAME, NORTH, SOUTH = b"the same bytes" * 500, b"north only" * 500, b"south only" * 500


@pytest.fixture
def place(postgres: Server) -> Iterator[Place]:
    with postgres.database() as place:
        yield place


@pytest.fixture
def make(place: Place, tmp_path: Path) -> Iterator[Make]:
    """Describe a station by its name; its home is not made yet."""

    def station(name: str) -> Station:
        settings = {
            "SEALDOCK_DATABASE_URL": place.url,
            "SEALDOCK_VAULT_URL": f"file://{tmp_path / 'vault'}",
            "SEALDOCK_STATION_ID": name,
        }
        return Station(tmp_path / name, settings)

    yield station
    thaw(tmp_path)


def joined(station: Station, place: Place) -> dict[str, Any]:
    found: dict[str, Any] = station.json("init", SEALDOCK_DATABASE_OWNER_URL=place.owner)
    return found


@pytest.fixture
def stations(make: Make, place: Place) -> tuple[Station, Station]:
    north, south = make("north"), make("south")
    assert joined(north, place)["joined"] is None
    told = joined(south, place)["joined"]
    assert told["stations"] == ["north"]
    assert list(told["trusted"]) == ["north"]
    return north, south


def asked(place: Place, query: str) -> list[tuple[Any, ...]]:
    with closing(connect(place.owner)) as owner:
        return owner.execute(query.encode()).fetchall()


def trust_each_other(north: Station, south: Station) -> None:
    """South trusted north when it joined; north is told to trust who came later."""
    (key,) = [row for row in north.json("keys", "list") if not row["trusted"]]
    assert key["station"] == "south"
    (trusted,) = north.json("keys", "trust", key["id"])
    assert trusted["station"] == "south"
    assert all(row["trusted"] for one in (north, south) for row in one.json("keys", "list"))


def test_two_stations_dock_at_the_same_time(
    stations: tuple[Station, Station], place: Place, tmp_path: Path
) -> None:
    north, south = stations
    cards = [
        make_card(tmp_path / "card-n", {"A/1.MP4": SAME, "A/2.MP4": NORTH}),
        make_card(tmp_path / "card-s", {"A/1.MP4": SAME, "A/2.MP4": SOUTH}),
    ]
    running = [station.start("dock", card, "--json") for station, card in zip(stations, cards, strict=True)]
    docked = [ended(process).expect(0).json for process in running]
    assert all(one["ok"] for one in docked)
    assert docked[0]["recorder"] != docked[1]["recorder"]
    first, second = (by_path(one) for one in docked)
    assert first["A/1.MP4"]["id"] != second["A/1.MP4"]["id"]
    assert first["A/1.MP4"]["sha256"] == second["A/1.MP4"]["sha256"] == digest_of(SAME)
    assert asked(place, "SELECT count(*) FROM object") == [(3,)]
    assert asked(place, "SELECT count(*) FROM stored_version WHERE kind = 'original'") == [(3,)]
    rows = asked(place, "SELECT sequence FROM custody_event ORDER BY 1")
    assert [row[0] for row in rows] == list(range(len(rows)))
    trust_each_other(north, south)
    for station in stations:
        assert {clip["id"] for clip in station.json("clips")} == {
            clip["id"] for one in docked for clip in one["clips"]
        }
        assert station.json("verify", "--level", "full")["failed"] == []
        out = tmp_path / f"out-{station.home.name}"
        given = station.json(
            "retrieve", *(clip["id"] for clip in first.values()), "--purpose", "x", "--to", out
        )
        assert {digest_of(Path(one["file"])) for one in given} == {digest_of(SAME), digest_of(NORTH)}
        assert station.json("status")["unfinished_dockings"] == []


def test_seals_of_an_authority_that_nobody_trusts_are_named(
    stations: tuple[Station, Station], tmp_path: Path
) -> None:
    north, south = stations
    assert south.dock(make_card(tmp_path / "card", {"1.MP4": SOUTH}))["ok"]
    assert south.json("verify", "--level", "full")["failed"] == []
    found = north.run("verify", "--level", "full", "--json").expect(44).json
    assert {row["problem"].rpartition(": ")[2] for row in found["failed"]} == {"seal-untrusted"}
    assert "NOT TRUSTED" in north.ok("keys", "list").text
    trust_each_other(north, south)
    assert north.json("verify", "--level", "full")["failed"] == []


def test_what_one_station_left_unfinished_is_its_own(
    stations: tuple[Station, Station], place: Place, tmp_path: Path
) -> None:
    """North is killed; south docks, looks and recovers nothing of north's; north goes on by itself."""
    north, south = stations
    card = make_card(tmp_path / "card", {f"{n:03}.MP4": bytes([n]) * 5000 for n in range(40)})
    process = north.start("dock", card, "--json")
    until(lambda: asked(place, "SELECT 1 FROM clip WHERE state = 'confirmed' LIMIT 1"))
    process.send_signal(signal.SIGKILL)
    ended(process)
    (left,) = north.json("status")["unfinished_dockings"]
    spooled = sorted(path.name for path in north.spool.iterdir())
    states = asked(place, f"SELECT id, state FROM clip WHERE docking_id = '{left}' ORDER BY id")
    assert {"found"} < {state for _, state in states}

    found = south.json("status")
    assert (found["unfinished_dockings"], found["unfinished_elsewhere"]) == ([], {"north": 1})
    assert "at station north: 1" in south.ok("status").text
    assert south.dock(make_card(tmp_path / "card-s", {"1.MP4": SOUTH}))["ok"]
    assert asked(place, f"SELECT id, state FROM clip WHERE docking_id = '{left}' ORDER BY id") == states
    assert sorted(path.name for path in north.spool.iterdir()) == spooled

    docked = north.dock(card)
    assert docked["docking"] == left
    assert {clip["state"] for clip in docked["clips"]} == {"released"}
    assert asked(place, "SELECT count(*) FROM docking") == [(2,)]
    trust_each_other(north, south)
    for station in stations:
        assert station.json("verify", "--level", "full")["failed"] == []


def test_a_recorder_that_moves_on_to_the_next_station(
    stations: tuple[Station, Station], place: Place, tmp_path: Path
) -> None:
    """Its clips come in once, and the station it left before they were stored leaves them alone."""
    north, south = stations
    card = make_card(tmp_path / "card", {path: path.encode() * 300 for path in CLIPS.values()})
    vault, away = tmp_path / "vault", tmp_path / "away"
    vault.rename(away)
    vault.touch()  # nothing can be stored
    docked = north.dock(card, code=33, SEALDOCK_DOCKING_PATIENCE_SECONDS="1")
    assert {clip["state"] for clip in docked["clips"]} == {"waiting"}
    vault.unlink()
    away.rename(vault)

    moved = south.dock(shutil.copytree(card, tmp_path / "card-s"))
    assert moved["recorder"] == docked["recorder"]
    assert {clip["id"] for clip in moved["clips"]} == {clip["id"] for clip in docked["clips"]}
    assert {clip["state"] for clip in moved["clips"]} == {"released"}
    clips = asked(place, "SELECT * FROM clip ORDER BY id")

    assert north.dock(make_card(tmp_path / "other", {"1.MP4": NORTH}))["ok"]
    until(lambda: north.json("status")["unfinished_dockings"] == [])
    assert [row for row in asked(place, "SELECT * FROM clip ORDER BY id") if row in clips] == clips
    query = "SELECT kind, count(*) FROM custody_event WHERE kind IN ('stored', 'confirmed') GROUP BY kind"
    assert dict(asked(place, query)) == {"stored": len(CLIPS) + 1, "confirmed": len(CLIPS) + 1}
    assert south.json("verify", "--level", "full")["failed"] == []


def test_one_folder_number_at_two_stations_is_two_recorders(
    stations: tuple[Station, Station], tmp_path: Path
) -> None:
    """Device and inode of a plain folder say nothing on another computer."""
    card = make_card(tmp_path / "card", {"1.MP4": SAME})
    docked = [station.dock(card) for station in stations]
    assert docked[0]["recorder"] != docked[1]["recorder"]
    assert [by_path(one)["1.MP4"]["state"] for one in docked] == ["released", "released"]
    assert len({by_path(one)["1.MP4"]["id"] for one in docked}) == 2


def test_a_name_that_is_taken(stations: tuple[Station, Station], make: Make, place: Place) -> None:
    twin = make("north")
    other = Station(twin.home.with_name("twin"), twin.environment)
    refused = other.run("init", "--json", SEALDOCK_DATABASE_OWNER_URL=place.owner).expect(11)
    assert refused.error["facts"]["key"] == "station.id"
    assert list(other.home.iterdir()) == []
    stations[0].run("init", SEALDOCK_DATABASE_OWNER_URL=place.owner).expect(15)
    again = other.json("init", SEALDOCK_STATION_ID="west", SEALDOCK_DATABASE_OWNER_URL=place.owner)
    assert again["joined"]["stations"] == ["north", "south"]


def test_a_vault_that_is_not_the_registers(
    stations: tuple[Station, Station], make: Make, place: Place, tmp_path: Path
) -> None:
    elsewhere = {
        "SEALDOCK_VAULT_URL": f"file://{tmp_path / 'other'}",
        "SEALDOCK_DATABASE_OWNER_URL": place.owner,
    }
    refused = make("west").run("init", "--json", **elsewhere).expect(11)
    assert refused.error["facts"]["key"] == "vault.url"
    assert stations[0].dock(make_card(tmp_path / "card", {"1.MP4": SAME}))["ok"]
    assert make("west").run("init", "--json", **elsewhere).expect(11).error["facts"]["key"] == "vault.url"
    assert joined(make("west"), place)["joined"]["stations"] == ["north", "south"]
