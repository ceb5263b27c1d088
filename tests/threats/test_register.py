"""Against the register."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support import insider
from tests.support.station import Ran, Station, make_card, thaw
from tests.support.threat import Attack, threat


@threat(
    "A clip's state is edited, so that no check looks at it any more",
    "`verify` 0: nothing; `ledger check` 103: `row-edited (clip)`",
)
def test_a_row_edited(station: Station, attack: Attack) -> None:
    insider.change(station, "UPDATE clip SET state = 'quarantined' WHERE name = 'a.txt'")
    attack.verified(station)
    attack.checked(station)
    attack.ends()


@threat(
    "A clip is moved to another case by editing its link",
    "`ledger check` 103: `row-edited (link)`",
)
def test_a_link_edited(station: Station, attack: Attack) -> None:
    other = station.json("case", "add", "苏吴城管罚字〔2026〕第99号")["case"]
    insider.change(
        station, "UPDATE link SET case_id = (SELECT id FROM enforcement_case WHERE number = ?)", other
    )
    attack.checked(station)
    attack.ends()


@threat(
    "A stored version is marked as lost, so that nothing looks for it, and its object is destroyed",
    "`ledger check` 103: `row-edited (stored_version)`; `verify` 44: `not-stored`",
)
def test_a_version_marked_as_lost(station: Station, attack: Attack) -> None:
    digest = station.value("SELECT sha256 FROM clip WHERE name = 'a.txt'")
    query = "UPDATE stored_version SET lost_at = '2026-12-01 05:00:00.000000' WHERE sha256 = ?"
    insider.change(station, query, digest)
    path = station.object(digest)
    thaw(path)
    path.unlink()
    attack.checked(station)
    attack.verified(station)
    attack.ends()


@threat(
    "A time is spelled in another way, so that searches by time do not find the clip; a value is replaced by "
    "one that nobody can read",
    "`ledger check` 103: `row-edited (clip)`, `row-edited (docking)`",
)
def test_a_value_respelled(station: Station, attack: Attack) -> None:
    insider.change(station, "UPDATE clip SET created_at = replace(created_at, ' ', 'T') WHERE name = 'a.txt'")
    insider.change(station, "UPDATE clip SET probe = '{bad', permanent = 2 WHERE name = 'b.txt'")
    insider.change(station, "UPDATE docking SET started_at = 'garbage'")
    found = attack.checked(station)
    assert {tuple(item["columns"]) for item in found["differences"]} == {
        ("created_at",), ("probe", "permanent"), ("started_at",)
    }  # fmt: skip
    attack.ends()


@threat("The link of a clip to its case is removed", "`ledger check` 103: `row-removed (link)`")
def test_a_row_removed(station: Station, attack: Attack) -> None:
    insider.change(station, "DELETE FROM link")
    attack.checked(station)
    attack.ends()


@threat(
    "A stored version is made up for bytes that were never stored",
    "`ledger check` 103: `row-added (stored_version)`",
)
def test_a_row_inserted(station: Station, attack: Attack) -> None:
    insider.change(
        station,
        "INSERT INTO stored_version SELECT 'made-up', vault, key || 'x', version, kind, sha256, size,"
        " lock_mode, lock_until, held, confirmation, confirmed_at, checked_at, verified_at, lost_at,"
        " created_at"
        " FROM stored_version WHERE kind = 'original' LIMIT 1",
    )
    attack.checked(station)
    attack.ends()


@threat(
    "An event is dropped",
    "`ledger check` 103: `event-missing (custody_event)`, `history-rewritten`, `row-edited (clip)`",
)
def test_an_event_dropped(station: Station, attack: Attack) -> None:
    insider.change(station, "DELETE FROM custody_event WHERE kind = 'released' AND sequence < 30")
    attack.checked(station)
    attack.ends()


@threat(
    "An event is dropped, the later ones are numbered anew, and all hashes are made to fit",
    "`ledger check` 103: `behind`, `history-rewritten`, `row-added (object)`, `row-edited (clip)`, "
    "`row-edited (sighting)`; `tag` 101: `ledger-behind`",
)
def test_an_event_dropped_with_care(station: Station, attack: Attack) -> None:
    victim = station.value("SELECT min(sequence) FROM custody_event WHERE kind = 'offloaded'")
    insider.rewrite(station, lambda number, body: None if number == victim else body)
    found = attack.checked(station)
    assert found["found"]
    attack.refused("tag", _tag(station))
    attack.ends()


@threat(
    "Two events change places",
    "`ledger check` 103: `event-edited (custody_event)`, `history-rewritten`",
)
def test_two_events_swapped(station: Station, attack: Attack) -> None:
    first, second = (
        row[0]
        for row in station.rows(
            "SELECT sequence FROM custody_event WHERE kind = 'released' ORDER BY sequence"
        )[:2]
    )
    with insider.register(station) as connection:
        for old, new in ((first, -1), (second, first), (-1, second)):
            connection.execute("UPDATE custody_event SET sequence = ? WHERE sequence = ?", (new, old))
    attack.checked(station)
    attack.ends()


@threat("The salt of an event is changed", "`ledger check` 103: `event-edited (custody_event)`")
def test_a_salt_changed(station: Station, attack: Attack) -> None:
    insider.change(station, "UPDATE custody_event SET salt = zeroblob(32) WHERE sequence = 5")
    attack.checked(station)
    attack.ends()


@threat(
    "A retrieval's purpose is rewritten in its event, and all hashes are made to fit",
    "`ledger check` 103: `history-rewritten`; `tag` 102: `ledger-forked`",
)
def test_history_rewritten(station: Station, attack: Attack, tmp_path: Path) -> None:
    clip = station.value("SELECT min(id) FROM clip")
    station.ok("retrieve", clip, "--purpose", "private", "--to", tmp_path / "out")
    station.ok("ledger", "publish")
    insider.rewrite(station, lambda _number, body: body.replace(b'"private"', b'"hearing"'))
    attack.checked(station)
    attack.refused("tag", _tag(station))
    attack.ends()


@threat(
    "An old backup of the register is put in place of the present one",
    "`tag` 101: `ledger-behind`; `ledger check` 103: `behind`",
)
def test_a_backup_restored(station: Station, attack: Attack, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(station.register)) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    station.dock(make_card(tmp_path / "card", {"later.txt": b"later"}))
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        (station.home / name).unlink(missing_ok=True)
    shutil.copyfile(backup, station.register)
    attack.refused("tag", _tag(station))
    attack.checked(station)
    attack.ends()


@threat(
    "A docking is removed from the register as if it had never been",
    "`ledger check` 103: `row-edited (clip)`, `row-removed (docking)`, `row-removed (sighting)`; "
    "`dockings` 90: `docking-lost`, `previous-unknown`",
)
def test_an_inventory_withheld(station: Station, attack: Attack) -> None:
    first = station.value("SELECT min(id) FROM docking")
    recorder = station.value("SELECT id FROM recorder")
    second = station.value("SELECT max(id) FROM docking")
    with insider.register(station) as connection:
        connection.execute("DELETE FROM sighting WHERE docking_id = ?", (first,))
        connection.execute("DELETE FROM progress WHERE docking_id = ?", (first,))
        connection.execute("UPDATE clip SET docking_id = ?", (second,))
        connection.execute("DELETE FROM docking WHERE id = ?", (first,))
    found = attack.checked(station)
    assert first in {item["key"] for item in found["differences"]}
    attack.completed(station, recorder)
    attack.ends()


def _tag(station: Station) -> Ran:
    clip = station.value("SELECT max(id) FROM clip")
    return station.run("tag", clip, "--category", "case-evidence", "--json")
