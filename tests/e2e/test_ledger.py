"""The log of custody events: what it tells, and what it finds."""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hashing import log
from hashing.checkpoint import open_note
from hashing.merkle import leaf_hash
from hashing.notes import Vkey
from tests.support import insider
from tests.support.footage import FIRST
from tests.support.ledger_home import a_clip, checked, events
from tests.support.station import ROOT, Station, digest_of, make_card, until

UNLOGGED = {
    "alembic_version",
    "alert",
    "alert_acknowledgement",
    "integrity_result",
    "ledger_cosignature",
    "ledger_standing",
    "progress",
}


def test_a_register_that_nobody_touched(copied: Station) -> None:
    found = checked(copied, 0)
    assert found["events"] == events(copied) > 40
    tables = {row[0] for row in copied.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    rows = sum(copied.value(f"SELECT count(*) FROM {table}") for table in logged(tables))
    ours = copied.value("SELECT count(*) FROM stored_version WHERE kind IN ('events', 'ledger')")
    assert found["rows"] == rows - ours
    assert found["holders"] == {"register": found["events"], "main": found["events"]}
    assert (found["held_up_to"], found["silent"]) == (found["events"], [])
    told = copied.ok("ledger", "check").text
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
    copied: Station, statement: str, what: str, table: str
) -> None:
    insider.change(copied, statement)
    found = checked(copied, 103)
    assert (what, table) in {(item["what"], item["table"]) for item in found["differences"]}
    told = copied.run("ledger", "check").expect(103)
    assert table in told.text
    assert "differ in" in told.err


def test_a_history_rewritten_as_a_whole_contradicts_what_was_signed(copied: Station) -> None:
    """Every hash in the register fits; only what was signed does not."""
    insider.rewrite(copied, lambda number, body: None if number == 9 else body)
    found = {item["what"] for item in checked(copied, 103)["differences"]}
    assert {"history-rewritten", "behind"} & found
    # Nothing is appended to it.
    copied.run("tag", a_clip(copied), "--category", "case-evidence", "--json").expect(101)
    size = events(copied)

    insider.rewrite(copied, lambda _number, body: body.replace(b'"hearing"', b'"holiday"'))
    assert "history-rewritten" in {item["what"] for item in checked(copied, 103)["differences"]}
    assert events(copied) == size


def test_one_that_was_rewritten_and_is_long_enough_is_refused(copied: Station) -> None:
    insider.rewrite(copied, lambda _number, body: body.replace(b'"hearing"', b'"holiday"'))
    refused = copied.run("tag", a_clip(copied), "--category", "case-evidence", "--json").expect(102)
    assert refused.error["error"] == "ledger-forked"
    assert [row[0] for row in copied.rows("SELECT kind FROM alert WHERE kind = 'ledger'")] == ["ledger"]


def test_a_checkpoint_of_another_log_is_named_and_stops_the_work(copied: Station) -> None:
    folder = next((copied.vault / "ledger").rglob("checkpoints"))
    newest = max(folder.iterdir())
    forged = folder / f"{int(newest.name) + 1:020d}"
    forged.write_bytes(newest.read_bytes().replace(newest.name.lstrip("0").encode(), b"999", 1))
    refused = copied.run("tag", a_clip(copied), "--category", "case-evidence", "--json").expect(100)
    assert refused.error["error"] == "ledger-foreign"
    assert "checkpoint-foreign" in {item["what"] for item in checked(copied, 103)["differences"]}


def test_a_vault_that_is_away_stops_nothing(copied: Station) -> None:
    away = copied.home / "away"
    copied.vault.rename(away)
    try:
        copied.ok("case", "add", "苏吴城管罚字〔2026〕第77号")
        status = copied.json("status")
        assert status["ledger"]["holders"]["main"]["problem"] == "vault-unavailable"
        assert status["ledger"]["unchecked_since"] is not None
        assert "nobody could be asked" in copied.ok("status").text
        assert checked(copied, 0)["silent"] == ["main"]
    finally:
        away.rename(copied.vault)
    copied.ok("case", "add", "苏吴城管罚字〔2026〕第78号")
    assert copied.json("status")["ledger"]["unchecked_since"] is None


def test_show_tells_the_head_and_the_last_events(copied: Station) -> None:
    found = copied.json("ledger", "show", "--last", "3")
    assert found["size"] == events(copied)
    assert [item["sequence"] for item in found["events"]] == list(range(found["size"] - 3, found["size"]))
    assert found["holders"][0]["name"] == "main"
    clip = a_clip(copied)
    of_clip = copied.json("ledger", "show", "--clip", clip, "--last", "100")["events"]
    assert [item["kind"] for item in of_clip] == copied.events(clip)
    assert {item["kind"] for item in copied.json("ledger", "show", "--kind", "tagged")["events"]} == {
        "tagged"
    }
    assert found["origin"] in copied.ok("ledger", "show").text


def test_a_proof_is_checked_with_nothing_but_its_text(copied: Station) -> None:
    vkey = (copied.home / "keys" / "ledger.vkey").read_text().strip()
    size = events(copied)
    for number in (0, 7, size - 1):
        found = json.loads(copied.ok("ledger", "prove", str(number)).text)
        body, salt = found["event"].encode(), base64.b64decode(found["salt"])
        entry = hashlib.sha256(salt + body).digest()
        assert base64.b64decode(found["entry"]) == entry
        head = open_note(found["checkpoint"].encode(), [Vkey.parse(vkey)]).checkpoint
        assert head.size == found["size"] == size
        proof = [base64.b64decode(item) for item in found["proof"]]
        log.verify_inclusion(leaf_hash(entry), number, head.size, proof, head.root)
    assert copied.run("ledger", "prove", str(size), "--json").code in {2, 107}
    copied.run("ledger", "prove", str(size)).expect(107)


def test_publishing_twice_brings_nothing_twice(copied: Station) -> None:
    before = copied.stored_keys()
    found = copied.json("ledger", "publish")
    assert found == {
        "ok": True,
        "size": events(copied),
        "holders": {"main": events(copied)},
        "failed": {},
        "silent": {},
    }
    assert copied.stored_keys() == before
    copied.ok("case", "add", "苏吴城管罚字〔2026〕第79号")
    assert copied.json("ledger", "publish")["size"] == events(copied)
    assert {key.split("/")[0] for key in set(copied.stored_keys()) - set(before)} == {"events", "ledger"}
    note = copied.ok("ledger", "checkpoint").text
    vkey = (copied.home / "keys" / "ledger.vkey").read_text().strip()
    assert open_note(note.encode(), [Vkey.parse(vkey)]).checkpoint.size == events(copied)


def test_a_home_without_the_logs_key_appends_and_does_not_publish(copied: Station) -> None:
    (copied.home / "keys" / "ledger.key").unlink()
    before = copied.stored_keys()
    copied.ok("case", "add", "苏吴城管罚字〔2026〕第80号")
    refused = copied.run("ledger", "publish", "--json").expect(104)
    assert refused.error["error"] == "ledger-key-missing"
    copied.dock(make_card(copied.home.parent / "more", {"more.txt": b"more"}))
    assert not {
        key for key in set(copied.stored_keys()) - set(before) if key.startswith(("events/", "ledger/"))
    }
    assert checked(copied, 0)["held_up_to"] < events(copied)


def test_the_logs_key_is_kept_from_others(copied: Station) -> None:
    key = copied.home / "keys" / "ledger.key"
    assert key.stat().st_mode & 0o777 == 0o600
    os.chmod(key, 0o644)  # noqa: PTH101 - said plainly
    refused = copied.run("ledger", "publish", "--json")
    assert refused.error["error"] == "key-file-exposed"


@pytest.mark.slow
def test_watch_publishes_on_schedule(copied: Station, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    copied.ok("case", "add", "苏吴城管罚字〔2026〕第81号")
    size = events(copied)
    process = copied.start("watch", root, SEALDOCK_LEDGER_PUBLISH_MINUTES="1")
    try:
        held = "SELECT size FROM ledger_standing WHERE holder = 'main'"
        until(lambda: copied.value(held) >= size, within=100, every=1)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_changed_settings_stand_in_the_log(station: Station, tmp_path: Path) -> None:
    def configured() -> list[dict[str, Any]]:
        rows = station.rows("SELECT body FROM custody_event WHERE kind = 'configured' ORDER BY sequence")
        return [json.loads(row[0])["facts"] for row in rows]

    first = json.loads(station.value("SELECT body FROM custody_event WHERE kind = 'initialised'"))
    assert first["facts"]["settings"]["vault.url"] == "file://{home}/vault"
    station.ok("case", "add", FIRST)
    assert configured() == []
    schedule = tmp_path / "schedule.toml"
    schedule.write_bytes((ROOT / "config" / "defaults" / "retention.toml").read_bytes())
    settings = {
        "SEALDOCK_CLEARING_POLICY": "after-confirm",
        "SEALDOCK_RETENTION_SCHEDULE": str(schedule),
        "SEALDOCK_VAULT_ACCESS_KEY": "key",
        "SEALDOCK_VAULT_SECRET_KEY": "hidden-secret",
        "SEALDOCK_LANGUAGE": "zh_CN",
    }
    station.ok("case", "add", "苏吴城管罚字〔2026〕第26号", **settings)
    station.ok("case", "add", "苏吴城管罚字〔2026〕第27号", **settings)
    (changed,) = configured()
    assert changed["settings"]["clearing.policy"] == "after-confirm"
    assert changed["settings"]["vault.secret_key"] == "***"
    assert changed["settings"][f"file:{schedule}"] == f"sha256:{digest_of(schedule)}"
    assert "language" not in "".join(changed["settings"])
    assert "hidden-secret" not in json.dumps(changed)
    station.ok("case", "add", "苏吴城管罚字〔2026〕第28号")
    assert len(configured()) == 2
    assert configured()[1]["changed"] == configured()[0]["changed"]
