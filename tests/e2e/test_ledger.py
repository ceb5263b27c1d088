"""The log of custody events: what it tells, what it finds, and what comes back from a vault."""

import base64
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hashing import log
from hashing.checkpoint import open_note
from hashing.merkle import leaf_hash
from hashing.notes import Vkey
from tests.support import insider
from tests.support.footage import FIRST, OFFICER
from tests.support.station import Station, make_card, thaw, until, writable

UNLOGGED = {
    "alembic_version",
    "alert",
    "alert_acknowledgement",
    "integrity_result",
    "ledger_cosignature",
    "ledger_standing",
    "progress",
}
ASKED_AGAIN = {"lock_mode", "lock_until", "held", "checked_at", "verified_at"}
"""Columns of ``stored_version`` that a vault answers, and a rebuilt register asks for."""


@pytest.fixture(scope="session")
def lived(blank: Station, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A home in which something of everything happened. Do not change it; copy it."""
    folder = tmp_path_factory.mktemp("lived")
    station = blank.copy(folder / "home")
    window = ["--officer", OFFICER, "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:30+08:00"]
    station.ok("case", "add", FIRST, *window)
    files = {
        "DCIM/a.mp4": video.read_bytes(),
        "DCIM/b.txt": b"b",
        "DCIM/名.txt": b"c",
        b"DCIM/\xff.txt": b"d",
    }
    card = make_card(folder / "card", files)
    found = station.dock(card, "--officer", OFFICER)
    first, second, *_ = (clip["id"] for clip in found["clips"])
    station.ok("tag", first, "--category", "case-evidence")
    station.ok("link", first, second, "--case", FIRST)
    station.ok("hold", "set", second, "--reason", "appeal")
    station.ok("hold", "release", second, "--reason", "over")
    station.ok("verify", "--level", "full")
    station.ok("derive")
    station.ok("retrieve", first, "--purpose", "hearing", "--to", folder / "out")
    station.ok("keys", "rotate")
    (card / "DCIM/e.txt").write_bytes(b"e")
    station.dock(card)
    return station


@pytest.fixture
def station(lived: Station, tmp_path: Path) -> Iterator[Station]:
    home = tmp_path / "home"
    shutil.copytree(lived.home, home, symlinks=True)
    yield Station(home, lived.environment)
    thaw(home)


def checked(station: Station, code: int) -> dict[str, Any]:
    found: dict[str, Any] = station.run("ledger", "check", "--json").expect(code).json
    assert found["ok"] is (code == 0)
    assert found["found"] == len(found["differences"])
    return found


def differences(station: Station) -> set[tuple[str, str | None, str | None]]:
    return {(item["what"], item["table"], item["key"]) for item in checked(station, 103)["differences"]}


def events(station: Station) -> int:
    count: int = station.value("SELECT count(*) FROM custody_event")
    return count


def test_a_register_that_nobody_touched(station: Station) -> None:
    found = checked(station, 0)
    assert found["events"] == events(station) > 40
    tables = {row[0] for row in station.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    rows = sum(station.value(f"SELECT count(*) FROM {table}") for table in logged(tables))
    ours = station.value("SELECT count(*) FROM stored_version WHERE kind IN ('events', 'ledger')")
    assert found["rows"] == rows - ours
    assert found["holders"] == {"register": found["events"], "main": found["events"]}
    assert (found["held_up_to"], found["silent"]) == (found["events"], [])
    told = station.ok("ledger", "check").text
    assert f"{found['events']} events and {found['rows']} rows checked: 0 differences" in told
    assert f"main holds a checkpoint of {found['events']} events" in told


def logged(tables: set[str]) -> set[str]:
    return tables - UNLOGGED - {"custody_event", "ledger_node", "ledger_checkpoint"}


@pytest.mark.parametrize(
    ("statement", "what", "table"),
    [
        ("UPDATE clip SET state = 'quarantined' WHERE name = 'b.txt'", "row-edited", "clip"),
        ("UPDATE clip SET retain_until = '2026-01-01' WHERE name = 'b.txt'", "row-edited", "clip"),
        ("UPDATE clip SET probe = '{}' WHERE name = 'a.mp4'", "row-edited", "clip"),
        ("UPDATE tag SET category = 'other'", "row-edited", "tag"),
        ("UPDATE link SET ended_at = '2026-11-25 10:00:00.000000'", "row-edited", "link"),
        ("UPDATE stored_version SET sha256 = lower(hex(zeroblob(32))) WHERE kind = 'original'", "row-edited",
         "stored_version"),
        ("UPDATE stored_version SET version = 'x' WHERE kind = 'seal'", "row-edited", "stored_version"),
        ("UPDATE object SET chunk_leaves = zeroblob(32)", "row-edited", "object"),
        ("UPDATE seal SET signature = x'00'", "row-edited", "seal"),
        ("UPDATE seal SET manifest = x'00'", "document-edited", "seal"),
        ("UPDATE docking SET inventory = x'00'", "document-edited", "docking"),
        ("UPDATE enforcement_case SET number = 'x'", "row-edited", "enforcement_case"),
        ("UPDATE recorder SET serial = 'x'", "row-edited", "recorder"),
        ("UPDATE integrity_result SET problem = 'x'", "results-edited", "integrity_run"),
        ("DELETE FROM integrity_result", "results-edited", "integrity_run"),
        ("DELETE FROM link", "row-removed", "link"),
        ("DELETE FROM tag", "row-removed", "tag"),
        ("DELETE FROM sighting WHERE position = 1", "row-removed", "sighting"),
        ("DELETE FROM stored_version WHERE kind = 'manifest'", "row-removed", "stored_version"),
        ("INSERT INTO officer VALUES ('999', NULL, '2026-01-01 00:00:00.000000')", "row-added", "officer"),
        ("UPDATE custody_event SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 7", "event-edited",
         "custody_event"),
        ("UPDATE custody_event SET salt = zeroblob(32) WHERE sequence = 7", "event-edited", "custody_event"),
        ("UPDATE custody_event SET leaf_hash = zeroblob(32) WHERE sequence = 7", "event-edited",
         "custody_event"),
        ("UPDATE custody_event SET body = replace(body, 'os-uid', 'os-xxx') WHERE sequence = 7",
         "event-edited", "custody_event"),
        ("DELETE FROM custody_event WHERE sequence = 7", "event-missing", "custody_event"),
    ],
)  # fmt: skip
def test_what_was_changed_behind_our_back_is_named(
    station: Station, statement: str, what: str, table: str
) -> None:
    insider.change(station, statement)
    found = checked(station, 103)
    assert (what, table) in {(item["what"], item["table"]) for item in found["differences"]}
    told = station.run("ledger", "check").expect(103)
    assert table in told.text
    assert "differ in" in told.err


def test_a_history_rewritten_as_a_whole_contradicts_what_was_signed(station: Station) -> None:
    """Every hash in the register fits; only what was signed does not."""
    insider.rewrite(station, lambda number, body: None if number == 9 else body)
    found = {item["what"] for item in checked(station, 103)["differences"]}
    assert {"history-rewritten", "behind"} & found
    # Nothing is appended to it.
    station.run("tag", _clip(station), "--category", "case-evidence", "--json").expect(101)
    size = events(station)

    insider.rewrite(station, lambda _number, body: body.replace(b'"hearing"', b'"holiday"'))
    assert "history-rewritten" in {item["what"] for item in checked(station, 103)["differences"]}
    assert events(station) == size


def test_one_that_was_rewritten_and_is_long_enough_is_refused(station: Station) -> None:
    insider.rewrite(station, lambda _number, body: body.replace(b'"hearing"', b'"holiday"'))
    refused = station.run("tag", _clip(station), "--category", "case-evidence", "--json").expect(102)
    assert refused.error["error"] == "ledger-forked"
    assert [row[0] for row in station.rows("SELECT kind FROM alert WHERE kind = 'ledger'")] == ["ledger"]


def _clip(station: Station) -> str:
    found: str = station.value("SELECT id FROM clip WHERE name = 'b.txt'")
    return found


def test_an_old_backup_is_refused_and_catches_up(station: Station, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(station.register)) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    clip = _clip(station)
    station.ok("tag", clip, "--category", "case-evidence")
    station.ok("hold", "set", clip, "--reason", "later")
    station.dock(make_card(tmp_path / "later", {"later.txt": b"later"}))
    before = everything(station)
    size = events(station)
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        (station.home / name).unlink(missing_ok=True)
    shutil.copyfile(backup, station.register)

    refused = station.run("link", clip, "--case", FIRST, "--json").expect(101)
    assert refused.error["error"] == "ledger-behind"
    assert refused.error["facts"]["held"] == size
    assert station.run("dock", tmp_path / "later", "--json").code == 101
    assert "behind" in {item["what"] for item in checked(station, 103)["differences"]}
    station.ok("clips")  # reading goes on

    found = station.json("ledger", "catch-up")
    assert found["size"] == size
    assert found["missing"] == []
    assert same(everything(station), before)
    checked(station, 0)
    assert station.value("SELECT kind FROM custody_event ORDER BY sequence DESC LIMIT 1") == "caught-up"
    station.dock(tmp_path / "later")
    assert station.json("ledger", "catch-up")["rows"] == {}


def test_a_lost_register_comes_back_from_the_vault(station: Station) -> None:
    before = everything(station)
    size = events(station)
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        (station.home / name).unlink(missing_ok=True)
    station.run("clips").expect(74)
    found = station.json("rebuild", "--from-vault")
    assert (found["first"], found["size"], found["missing"]) == (0, size, [])
    after = everything(station)
    assert same(after, before)
    checked(station, 0)
    station.ok("verify", "--level", "full")
    station.ok("reconcile")
    station.ok("locks", "roll")
    again = station.run("rebuild", "--from-vault", "--json").expect(105)
    assert again.error["error"] == "rebuild-refused"
    station.ok("ledger", "publish")
    checked(station, 0)


def everything(station: Station) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables but those that are no history."""
    with closing(sqlite3.connect(f"{station.register.as_uri()}?mode=ro", uri=True)) as asked:
        asked.row_factory = sqlite3.Row
        names = [row[0] for row in asked.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [dict(row) for row in asked.execute(f"SELECT * FROM {name}")]
            for name in names
            if name not in UNLOGGED
        }


def same(after: dict[str, list[dict[str, Any]]], before: dict[str, list[dict[str, Any]]]) -> bool:
    """Compare row by row; what a rebuild logs of itself is more, and what vaults are asked for is new."""
    assert after.keys() == before.keys()
    for name, rows in before.items():
        left, right = (sorted(map(_row, found), key=json.dumps) for found in (rows, after[name]))
        if name == "custody_event":
            right = [row for row in right if row["kind"] not in {"rebuilt", "caught-up"}]
        if name == "ledger_checkpoint":
            left, right = (
                [{key: value for key, value in row.items() if key != "at"} for row in of]
                for of in (left, right)
            )
            left = [row for row in left if row in right]
        if name == "stored_version":
            left, right = (
                [row for row in of if row["kind"] not in {"events", "ledger"}] for of in (left, right)
            )
        assert left == right, name
    return True


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else _parsed(value)
        for name, value in row.items()
        if name not in ASKED_AGAIN
    }


def _parsed(value: Any) -> Any:
    """Read a column that holds JSON: the order of its keys says nothing."""
    return json.loads(value) if isinstance(value, str) and value[:1] in {"{", "["} else value


def test_locks_and_holds_are_asked_again(station: Station) -> None:
    query = "SELECT key, lock_mode, lock_until, held FROM stored_version WHERE kind = 'original' ORDER BY key"
    station.ok("hold", "set", _clip(station), "--reason", "kept")
    station.ok("ledger", "publish")
    before = station.rows(query)
    assert 1 in {row[3] for row in before}
    station.register.unlink()
    station.ok("rebuild", "--from-vault")
    assert station.rows(query) == before


def test_a_vault_with_a_bundle_gone_is_not_rebuilt_from(station: Station) -> None:
    clip = _clip(station)
    thaw(station.vault)
    shutil.rmtree(station.vault / "events" / clip)
    station.register.unlink()
    refused = station.run("rebuild", "--from-vault", "--json").expect(106)
    assert refused.error["error"] == "ledger-incomplete"
    with closing(sqlite3.connect(station.register)) as register:
        assert register.execute("SELECT count(*) FROM custody_event").fetchall() == [(0,)]


def test_a_bundle_with_another_event_is_not_believed(station: Station) -> None:
    bundle = min((station.vault / "events" / _clip(station)).iterdir())
    with writable(bundle):
        before = bundle.read_bytes()
        bundle.write_bytes(before.replace(b"offloaded", b"offloadeD"))
        assert bundle.read_bytes() != before
    station.register.unlink()
    station.run("rebuild", "--from-vault").expect(106)


def test_a_checkpoint_of_another_log_is_named_and_stops_the_work(station: Station) -> None:
    folder = next((station.vault / "ledger").rglob("checkpoints"))
    newest = max(folder.iterdir())
    forged = folder / f"{int(newest.name) + 1:020d}"
    forged.write_bytes(newest.read_bytes().replace(newest.name.lstrip("0").encode(), b"999", 1))
    refused = station.run("tag", _clip(station), "--category", "case-evidence", "--json").expect(100)
    assert refused.error["error"] == "ledger-foreign"
    assert "checkpoint-foreign" in {item["what"] for item in checked(station, 103)["differences"]}


def test_a_vault_that_is_away_stops_nothing(station: Station) -> None:
    away = station.home / "away"
    station.vault.rename(away)
    try:
        station.ok("case", "add", "苏吴城管罚字〔2026〕第77号")
        status = station.json("status")
        assert status["ledger"]["holders"]["main"]["problem"] == "vault-unavailable"
        assert status["ledger"]["unchecked_since"] is not None
        assert "nobody could be asked" in station.ok("status").text
        assert checked(station, 0)["silent"] == ["main"]
    finally:
        away.rename(station.vault)
    station.ok("case", "add", "苏吴城管罚字〔2026〕第78号")
    assert station.json("status")["ledger"]["unchecked_since"] is None


def test_show_tells_the_head_and_the_last_events(station: Station) -> None:
    found = station.json("ledger", "show", "--last", "3")
    assert found["size"] == events(station)
    assert [item["sequence"] for item in found["events"]] == list(range(found["size"] - 3, found["size"]))
    assert found["holders"][0]["name"] == "main"
    clip = _clip(station)
    of_clip = station.json("ledger", "show", "--clip", clip, "--last", "100")["events"]
    assert [item["kind"] for item in of_clip] == station.events(clip)
    assert {item["kind"] for item in station.json("ledger", "show", "--kind", "tagged")["events"]} == {
        "tagged"
    }
    assert found["origin"] in station.ok("ledger", "show").text


def test_a_proof_is_checked_with_nothing_but_its_text(station: Station) -> None:
    vkey = (station.home / "keys" / "ledger.vkey").read_text().strip()
    size = events(station)
    for number in (0, 7, size - 1):
        found = json.loads(station.ok("ledger", "prove", str(number)).text)
        body, salt = found["event"].encode(), base64.b64decode(found["salt"])
        entry = hashlib.sha256(salt + body).digest()
        assert base64.b64decode(found["entry"]) == entry
        head = open_note(found["checkpoint"].encode(), [Vkey.parse(vkey)]).checkpoint
        assert head.size == found["size"] == size
        proof = [base64.b64decode(item) for item in found["proof"]]
        log.verify_inclusion(leaf_hash(entry), number, head.size, proof, head.root)
    assert station.run("ledger", "prove", str(size), "--json").code in {2, 107}
    station.run("ledger", "prove", str(size)).expect(107)


def test_publishing_twice_brings_nothing_twice(station: Station) -> None:
    before = station.stored_keys()
    found = station.json("ledger", "publish")
    assert found == {
        "ok": True,
        "size": events(station),
        "holders": {"main": events(station)},
        "failed": {},
        "silent": {},
    }
    assert station.stored_keys() == before
    station.ok("case", "add", "苏吴城管罚字〔2026〕第79号")
    assert station.json("ledger", "publish")["size"] == events(station)
    assert {key.split("/")[0] for key in set(station.stored_keys()) - set(before)} == {"events", "ledger"}
    note = station.ok("ledger", "checkpoint").text
    vkey = (station.home / "keys" / "ledger.vkey").read_text().strip()
    assert open_note(note.encode(), [Vkey.parse(vkey)]).checkpoint.size == events(station)


def test_a_home_without_the_logs_key_appends_and_does_not_publish(station: Station) -> None:
    (station.home / "keys" / "ledger.key").unlink()
    before = station.stored_keys()
    station.ok("case", "add", "苏吴城管罚字〔2026〕第80号")
    refused = station.run("ledger", "publish", "--json").expect(104)
    assert refused.error["error"] == "ledger-key-missing"
    station.dock(make_card(station.home.parent / "more", {"more.txt": b"more"}))
    assert not {
        key for key in set(station.stored_keys()) - set(before) if key.startswith(("events/", "ledger/"))
    }
    assert checked(station, 0)["held_up_to"] < events(station)


def test_the_logs_key_is_kept_from_others(station: Station) -> None:
    key = station.home / "keys" / "ledger.key"
    assert key.stat().st_mode & 0o777 == 0o600
    os.chmod(key, 0o644)  # noqa: PTH101 - said plainly
    refused = station.run("ledger", "publish", "--json")
    assert refused.error["error"] == "key-file-exposed"


@pytest.mark.slow
def test_watch_publishes_on_schedule(station: Station, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    station.ok("case", "add", "苏吴城管罚字〔2026〕第81号")
    size = events(station)
    process = station.start("watch", root, SEALDOCK_LEDGER_PUBLISH_MINUTES="1")
    try:
        held = "SELECT size FROM ledger_standing WHERE holder = 'main'"
        until(lambda: station.value(held) >= size, within=100, every=1)
    finally:
        process.terminate()
        process.communicate(timeout=60)
