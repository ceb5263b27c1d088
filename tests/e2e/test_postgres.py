"""The way of footage with the register in PostgreSQL: made by its owner, used by a role that owns nothing."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.support.footage import CLIPS, FIRST, OFFICER
from tests.support.postgres import Place, Server, connect
from tests.support.station import Station, by_path, digest_of, make_card

pytestmark = pytest.mark.slow

WINDOW = ("--officer", OFFICER, "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:30+08:00")


@pytest.fixture
def place(postgres: Server) -> Iterator[Place]:
    with postgres.database() as place:
        yield place


@pytest.fixture
def station(place: Place, tmp_path: Path) -> Station:
    """A home whose environment knows the application's address only; the owner's is for ``init``."""
    return Station(tmp_path / "home", {"SEALDOCK_DATABASE_URL": place.url})


def asked(place: Place, query: str) -> list[tuple[Any, ...]]:
    with closing(connect(place.owner)) as owner:
        return owner.execute(query.encode()).fetchall()


def test_the_whole_way(station: Station, place: Place, video: Path, picture: Path, tmp_path: Path) -> None:
    assert station.json("init", SEALDOCK_DATABASE_OWNER_URL=place.owner)["owns_tables"] is False
    assert not station.register.exists()
    station.run("init", SEALDOCK_DATABASE_OWNER_URL=place.owner).expect(15)
    assert station.json("case", "add", FIRST, *WINDOW)["case"] == FIRST
    files: dict[str | bytes, bytes] = {
        CLIPS["morning"]: video.read_bytes(),
        CLIPS["eleven"]: video.read_bytes() + bytes(16),
        CLIPS["afternoon"]: picture.read_bytes(),
    }
    clips = by_path(station.dock(make_card(tmp_path / "card", files)))
    assert {clip["state"] for clip in clips.values()} == {"released"}
    assert clips[CLIPS["morning"]]["case"] == FIRST
    station.ok("link", clips[CLIPS["eleven"]]["id"], "--case", FIRST)
    station.ok("tag", clips[CLIPS["eleven"]]["id"], "--category", "complaint")
    given = station.json("retrieve", "--case", FIRST, "--purpose", "听证会", "--to", tmp_path / "out")
    assert {digest_of(Path(one["file"])) for one in given} == {
        digest_of(files[CLIPS[name]]) for name in ("morning", "eleven")
    }
    assert station.json("verify", "--level", "full")["failed"] == []
    station.ok("derive")
    again = station.dock(tmp_path / "card", "--reread")
    assert {clip["state"] for clip in again["clips"]} == {"released"}
    assert station.json("reconcile")["found"] == 0
    found = station.json("status")
    assert found["register"] == {"engine": "postgresql", "role": "sealdock", "owns_tables": False}
    assert [row[0] for row in asked(place, "SELECT sequence FROM custody_event ORDER BY 1")] == list(
        range(asked(place, "SELECT count(*) FROM custody_event")[0][0])
    )


def test_one_role_for_both_is_said_plainly(station: Station, place: Place) -> None:
    told = station.ok("init", SEALDOCK_DATABASE_URL=place.owner)
    assert "owns its tables" in told.text
    status = station.ok("status", SEALDOCK_DATABASE_URL=place.owner)
    assert "postgresql" in status.text
    assert "owns its tables" in status.text
    shown = station.ok("config", "show", SEALDOCK_DATABASE_OWNER_URL=place.owner).text
    for url in (place.url, place.owner):
        assert str(make_url(url).password) not in told.text + told.err + status.text + status.err + shown


def test_an_owner_that_is_none(station: Station, place: Place, tmp_path: Path) -> None:
    refused = station.run("init", "--json", SEALDOCK_DATABASE_OWNER_URL=place.url).expect(11)
    assert refused.error["facts"]["key"] == "database.owner_url"
    elsewhere = f"sqlite:///{tmp_path / 'x.db'}"
    refused = station.run("init", "--json", SEALDOCK_DATABASE_OWNER_URL=elsewhere).expect(11)
    assert refused.error["facts"]["key"] == "database.owner_url"


def test_a_wrong_password(station: Station, place: Place) -> None:
    wrong = make_url(place.url).set(password="correct-horse")  # noqa: S106 - it opens nothing
    refused = station.run(
        "init", "--json", SEALDOCK_DATABASE_URL=wrong.render_as_string(hide_password=False)
    ).expect(75)
    assert refused.error["error"] == "register-refused"
    assert "correct-horse" not in refused.err
