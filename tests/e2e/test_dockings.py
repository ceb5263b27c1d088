"""Is what a recorder recorded complete? Cards are docked, changed as people change them, and docked again."""

import hashlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Server
from tests.support.station import Station, make_card

pytestmark = pytest.mark.slow

SERIAL = "ABC1234"
ESCAPE = "\x1b[31mred\n.mp4"


def name(number: int) -> str:
    return f"DCIM/{SERIAL}_012345_20260301{9 + number // 60:02d}{number % 60:02d}00_{number:04d}.MP4"


def card(folder: Path, *numbers: int) -> Path:
    return make_card(folder, {name(number): f"clip {number}".encode() for number in numbers})


def told(station: Station, recorder: str = SERIAL, *, code: int = 90) -> dict[str, Any]:
    found: dict[str, Any] = station.run("dockings", recorder, "--json").expect(code).json
    assert found["ok"] is (code == 0)
    assert found["found"] == len(found["findings"])
    assert found["open"] == sum(one["open"] for one in found["findings"])
    assert all(one["text"] and one["todo"] for one in found["findings"])
    return found


def kinds(found: dict[str, Any]) -> Counter[str]:
    return Counter(one["kind"] for one in found["findings"])


def the(found: dict[str, Any], kind: str) -> dict[str, Any]:
    (one,) = [one for one in found["findings"] if one["kind"] == kind]
    facts: dict[str, Any] = one
    return facts


@contextmanager
def rewritten(station: Station, *tables: str) -> Iterator[sqlite3.Connection]:
    """Change the register as somebody can who has its file: without triggers and foreign keys."""
    with closing(sqlite3.connect(station.register)) as register, register:
        held = [
            row
            for table in tables
            for row in register.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
            ).fetchall()
        ]
        for trigger, _ in held:
            register.execute(f"DROP TRIGGER {trigger}")
        yield register
        for _, sql in held:
            register.execute(sql)


def test_a_recorder_in_order(station: Station, tmp_path: Path) -> None:
    assert station.json("dockings") == {"ok": True, "open": 0, "recorders": []}
    docked = station.dock(card(tmp_path / "card", 1, 2, 3))
    again = station.dock(tmp_path / "card")
    found = told(station, code=0)
    assert found["findings"] == []
    assert found["recorder"] == {
        "id": station.value("SELECT id FROM recorder"),
        "identity": f"serial:{SERIAL}",
        "serial": SERIAL,
        "profile": "cn-recorder",
    }
    first, second = found["dockings"]
    keys = {"docking", "station", "at", "closed_at", "card", "files", "new", "previous", "inventory", "close"}
    assert first.keys() == second.keys() == keys
    assert (first["docking"], second["docking"]) == (docked["docking"], again["docking"])
    assert (first["files"], first["new"], first["previous"]) == (3, 3, [])
    assert (second["files"], second["new"], second["previous"]) == (3, 0, [first["docking"]])
    assert "2 dockings, 0 findings" in station.ok("dockings", SERIAL).text
    (row,) = station.json("dockings")["recorders"]
    assert (row["dockings"], row["found"], row["open"], row["kinds"]) == (2, 0, 0, {})
    assert "2 dockings" in station.ok("dockings", "--no-seals").text


def test_a_middle_file_that_is_gone(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 2, 3)
    first = station.dock(place)["docking"]
    (place / name(2)).unlink()
    second = station.dock(place)["docking"]
    found = told(station, code=0)
    gone = the(found, "gone-safe")
    assert (gone["docking"], gone["severity"], gone["open"]) == (second, "note", False)
    assert gone["facts"] == {"previous": first, "count": 1, "names": [name(2)]}
    assert name(2) in gone["text"]
    # Its number was seen: it is gone, and not missing.
    assert kinds(found) == {"gone-safe": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_clip_that_was_never_safe_and_is_gone(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 2, 3)
    (place / name(2)).chmod(0)
    first = station.dock(place, code=33)["docking"]
    left = the(told(station), "unconfirmed")
    assert (left["docking"], left["facts"]["names"]) == (first, [name(2)])
    assert left["facts"]["states"] == {"waiting": 1}
    (place / name(2)).unlink()
    station.dock(place)
    found = told(station)
    assert kinds(found) == {"unconfirmed": 1, "gone-unsafe": 1}
    assert the(found, "gone-unsafe")["severity"] == "grave"
    assert the(found, "gone-unsafe")["facts"]["names"] == [name(2)]


def test_what_the_station_cleared_is_not_gone(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 2)
    station.dock(place, SEALDOCK_CLEARING_POLICY="after-confirm")
    assert not (place / name(1)).exists()
    card(place, 3)
    station.dock(place)
    found = told(station, code=0)
    assert [one["files"] for one in found["dockings"]] == [2, 1]
    # It says that it was recorded before the docking that did not see it.
    assert kinds(found) == {"recorder-clock": 1}


def test_numbers_that_are_missing(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 11, 15)
    station.dock(place)
    found = told(station)
    gap = the(found, "number-gap")
    assert gap["facts"] == {"first": 12, "last": 14, "after": name(11), "before": name(15)}
    assert "12-14" in gap["text"]
    for path in (place / "DCIM").iterdir():
        path.unlink()
    card(place, 17)
    second = station.dock(place)["docking"]
    gaps = [one for one in told(station)["findings"] if one["kind"] == "number-gap"]
    assert [(one["facts"]["first"], one["facts"]["last"]) for one in gaps] == [(12, 14), (16, 16)]
    assert gaps[1]["docking"] == second
    text = station.run("dockings", SERIAL).expect(90)
    assert "number-gap" in text.text
    assert "does not add up" in text.err
    (row,) = station.run("dockings", "--json").expect(90).json["recorders"]
    assert row["kinds"]["number-gap"] == row["open"] == 2


def test_an_inventory_that_was_edited(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 2)
    first = station.dock(place)["docking"]
    second = station.dock(place)["docking"]
    data = station.value("SELECT inventory FROM docking WHERE id = ?", first)
    edited = data.replace(b"_0002.MP4", b"_0009.MP4")
    with rewritten(station, "docking") as register:
        register.execute("UPDATE docking SET inventory = ? WHERE id = ?", (edited, first))
    found = told(station)
    noted = station.value("SELECT inventory_digest FROM docking WHERE id = ?", first)
    digest = the(found, "document-digest")
    assert (digest["docking"], digest["severity"]) == (first, "grave")
    assert digest["facts"] == {
        "document": "inventory", "expected": noted, "found": hashlib.sha256(edited).hexdigest(),
    }  # fmt: skip
    assert the(found, "document-seal")["facts"]["problem"] == "seal"
    words = {one["facts"]["what"] for one in found["findings"] if one["kind"] == "contradiction"}
    assert words == {"inventory-clips", "close-files"}

    # With its digest, too: then whoever names it says what it was.
    with rewritten(station, "docking") as register:
        digest_of = hashlib.sha256(edited).hexdigest()
        register.execute("UPDATE docking SET inventory_digest = ? WHERE id = ?", (digest_of, first))
    found = told(station)
    differs = the(found, "previous-differs")
    assert (differs["docking"], differs["facts"]["previous"]) == (second, first)
    assert (differs["facts"]["expected"], differs["facts"]["found"]) == (noted, digest_of)
    words = {one["facts"]["what"] for one in found["findings"] if one["kind"] == "contradiction"}
    assert words >= {"log-inventory", "close-inventory"}


def test_documents_that_are_none(station: Station, tmp_path: Path) -> None:
    station.dock(card(tmp_path / "card", 1))
    with rewritten(station, "docking") as register:
        register.execute("UPDATE docking SET inventory = x'ff', close = x'5b', close_seal = x''")
    found = kinds(told(station))
    assert (found["document-digest"], found["document-unreadable"], found["document-seal"]) == (2, 2, 2)


def test_a_docking_that_was_taken_out(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 2)
    first, second, third = (station.dock(place)["docking"] for _ in range(3))
    with rewritten(station, "docking", "sighting", "progress") as register:
        register.execute("DELETE FROM sighting WHERE docking_id = ?", (second,))
        register.execute("DELETE FROM docking WHERE id = ?", (second,))
    found = told(station)
    assert [one["docking"] for one in found["dockings"]] == [first, third]
    assert kinds(found) == {"previous-unknown": 1, "successor-missing": 1, "docking-lost": 1}
    unknown = the(found, "previous-unknown")
    assert (unknown["docking"], unknown["facts"]) == (third, {"previous": second})
    assert the(found, "successor-missing")["docking"] == first
    assert the(found, "docking-lost")["docking"] == second
    assert second in station.run("dockings", SERIAL).expect(90).text

    # The last one: nobody names it, but the log has it, and the register says that somebody named the first.
    with rewritten(station, "docking", "sighting", "progress") as register:
        register.execute("DELETE FROM sighting WHERE docking_id = ?", (third,))
        register.execute("DELETE FROM docking WHERE id = ?", (third,))
    assert kinds(told(station)) == {"successor-missing": 1, "docking-lost": 2}


def test_a_recorder_that_was_taken_out_whole(station: Station, tmp_path: Path) -> None:
    docked = station.dock(card(tmp_path / "card", 1))["docking"]
    with rewritten(station, "docking", "sighting", "clip", "recorder") as register:
        for table in ("sighting", "clip", "docking", "recorder"):
            register.execute(f"DELETE FROM {table}")
    found = station.run("dockings", "--json").expect(90).json
    (row,) = found["recorders"]
    assert (row["identity"], row["kinds"]) == (None, {"docking-lost": 1})
    assert docked not in station.run("dockings").expect(90).text


def test_a_row_that_was_taken_out_or_changed(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 2, 3)
    station.dock(place)
    with rewritten(station, "sighting", "clip") as register:
        register.execute("DELETE FROM sighting WHERE position = 1")
    found = told(station)
    words = {one["facts"]["what"] for one in found["findings"] if one["kind"] == "contradiction"}
    assert words == {"inventory-clips", "close-clips"}


def test_a_docking_that_was_never_closed(station: Station, tmp_path: Path) -> None:
    station.dock(card(tmp_path / "card", 1))
    with rewritten(station, "docking") as register:
        register.execute(
            "UPDATE docking SET close = NULL, close_seal = NULL, close_digest = NULL, closed_at = NULL"
        )
    found = told(station)
    assert the(found, "docking-open")["severity"] == "open"
    assert the(found, "contradiction")["facts"] == {"what": "log-close"}


def test_clocks(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1)
    first = station.dock(place)["docking"]
    second = station.dock(place)["docking"]
    with rewritten(station, "docking") as register:
        register.execute(
            "UPDATE docking SET started_at = '2027-01-01 00:00:00.000000' WHERE id = ?", (first,)
        )
        register.execute("UPDATE docking SET clock_plausible = 0 WHERE id = ?", (first,))
    found = told(station)
    assert the(found, "clock-implausible")["docking"] == first
    assert {"what": "inventory-register"} in [one["facts"] for one in found["findings"]]
    with rewritten(station, "docking") as register:
        register.execute("UPDATE docking SET clock_plausible = 1")
    backwards = the(told(station), "clock-backwards")
    assert (backwards["docking"], backwards["facts"]["previous"]) == (second, first)


def test_which_recorder(station: Station, tmp_path: Path) -> None:
    station.dock(card(tmp_path / "card", 1))
    other = {f"DCIM/ABC9999_012345_20260301090000_{n:04d}.MP4": b"%d" % n for n in (1, 2)}
    station.dock(make_card(tmp_path / "other", dict(other)))
    ids = [row["id"] for row in station.json("dockings")["recorders"]]
    for one in ids:
        assert told(station, one, code=0)["recorder"]["id"] == one
        assert told(station, one.lower(), code=0)["recorder"]["id"] == one
    assert told(station, "abc99", code=0)["recorder"]["serial"] == "ABC9999"
    refused = station.run("dockings", "ABC").expect(2)
    assert all(one in refused.err for one in ids)
    assert station.run("dockings", "nobody", "--json").expect(72).error["error"] == "recorder-not-found"


def test_hostile_names_are_shown_escaped(station: Station, tmp_path: Path) -> None:
    place = make_card(tmp_path / "card", {ESCAPE: b"x", b"\xff.mp4": b"y", "z.mp4": b"z"})
    station.dock(place)
    (place / ESCAPE).unlink()
    (place / os.fsdecode(b"\xff.mp4")).unlink()
    station.dock(place)
    (row,) = station.json("dockings")["recorders"]
    text = station.ok("dockings", row["id"]).text
    assert "\x1b" not in text
    assert "\\x1b[31mred\\n.mp4" in text
    raw = station.ok("dockings", row["id"], "--json")
    assert "\x1b" not in raw.text
    assert the(raw.json, "gone-safe")["facts"]["names"] == [ESCAPE, "\\xff.mp4"]


def test_in_chinese(station: Station, tmp_path: Path) -> None:
    place = card(tmp_path / "card", 1, 4)
    station.dock(place)
    shown = station.run("dockings", SERIAL, SEALDOCK_LANGUAGE="zh_CN").expect(90)
    assert "从未出现的编号：2-3" in shown.text
    assert "执法记录仪" in shown.text
    for english in ("Recorder", "Numbers", "findings"):
        assert english not in shown.text + shown.err
    listed = station.run("dockings", SEALDOCK_LANGUAGE="zh_CN").expect(90)
    assert "1 次对接" in listed.text


def test_with_the_register_in_postgresql(postgres: Server, tmp_path: Path) -> None:
    with postgres.database() as place:
        station = Station(tmp_path / "home", {"SEALDOCK_DATABASE_URL": place.url})
        station.ok("init", SEALDOCK_DATABASE_OWNER_URL=place.owner)
        at = card(tmp_path / "card", 1, 2, 3)
        station.dock(at)
        assert told(station, code=0)["findings"] == []
        (at / name(2)).unlink()
        card(at, 6)
        station.dock(at)
        found = kinds(told(station, "abc"))
        assert found == {"gone-safe": 1, "number-gap": 1, "recorder-clock": 1}
        assert json.loads(station.run("dockings", "--json").expect(90).out)["open"] == 1
