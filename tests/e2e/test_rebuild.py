"""A register that is an old backup, or lost: what comes back from the vault."""

import base64
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.footage import FIRST
from tests.support.ledger_home import a_clip, checked, events
from tests.support.station import Station, make_card, thaw, writable

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


def test_an_old_backup_is_refused_and_catches_up(copied: Station, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(copied.register)) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    clip = a_clip(copied)
    copied.ok("tag", clip, "--category", "case-evidence")
    copied.ok("hold", "set", clip, "--reason", "later")
    copied.dock(make_card(tmp_path / "later", {"later.txt": b"later"}))
    before = everything(copied)
    size = events(copied)
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        (copied.home / name).unlink(missing_ok=True)
    shutil.copyfile(backup, copied.register)

    refused = copied.run("link", clip, "--case", FIRST, "--json").expect(101)
    assert refused.error["error"] == "ledger-behind"
    assert refused.error["facts"]["held"] == size
    assert copied.run("dock", tmp_path / "later", "--json").code == 101
    assert "behind" in {item["what"] for item in checked(copied, 103)["differences"]}
    copied.ok("clips")  # reading goes on

    found = copied.json("ledger", "catch-up")
    assert found["size"] == size
    assert found["missing"] == []
    assert same(everything(copied), before)
    checked(copied, 0)
    assert copied.value("SELECT kind FROM custody_event ORDER BY sequence DESC LIMIT 1") == "caught-up"
    copied.dock(tmp_path / "later")
    assert copied.json("ledger", "catch-up")["rows"] == {}


def test_a_lost_register_comes_back_from_the_vault(copied: Station) -> None:
    before = everything(copied)
    size = events(copied)
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        (copied.home / name).unlink(missing_ok=True)
    copied.run("clips").expect(74)
    found = copied.json("rebuild", "--from-vault")
    assert (found["first"], found["size"], found["missing"]) == (0, size, [])
    after = everything(copied)
    assert same(after, before)
    checked(copied, 0)
    copied.ok("verify", "--level", "full")
    copied.ok("reconcile")
    copied.ok("locks", "roll")
    again = copied.run("rebuild", "--from-vault", "--json").expect(105)
    assert again.error["error"] == "rebuild-refused"
    copied.ok("ledger", "publish")
    checked(copied, 0)


def everything(copied: Station) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables but those that are no history."""
    with closing(sqlite3.connect(f"{copied.register.as_uri()}?mode=ro", uri=True)) as asked:
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


def test_locks_and_holds_are_asked_again(copied: Station) -> None:
    query = "SELECT key, lock_mode, lock_until, held FROM stored_version WHERE kind = 'original' ORDER BY key"
    copied.ok("hold", "set", a_clip(copied), "--reason", "kept")
    copied.ok("ledger", "publish")
    before = copied.rows(query)
    assert 1 in {row[3] for row in before}
    copied.register.unlink()
    copied.ok("rebuild", "--from-vault")
    assert copied.rows(query) == before


def test_a_vault_with_a_bundle_gone_is_not_rebuilt_from(copied: Station) -> None:
    clip = a_clip(copied)
    thaw(copied.vault)
    shutil.rmtree(copied.vault / "events" / clip)
    copied.register.unlink()
    refused = copied.run("rebuild", "--from-vault", "--json").expect(106)
    assert refused.error["error"] == "ledger-incomplete"
    with closing(sqlite3.connect(copied.register)) as register:
        assert register.execute("SELECT count(*) FROM custody_event").fetchall() == [(0,)]


def test_a_bundle_with_another_event_is_not_believed(copied: Station) -> None:
    bundle = min((copied.vault / "events" / a_clip(copied)).iterdir())
    with writable(bundle):
        before = bundle.read_bytes()
        bundle.write_bytes(before.replace(b"offloaded", b"offloadeD"))
        assert bundle.read_bytes() != before
    copied.register.unlink()
    copied.run("rebuild", "--from-vault").expect(106)


def test_what_is_no_bundle_is_passed_over(copied: Station) -> None:
    """Whoever may write into the vault must not keep a register from coming back."""
    folder = copied.vault / "events" / "register"
    (folder / "000000000000-000000000001.json").write_bytes(b"{}")
    (folder / "000000000002-000000000003.json").write_bytes(b"\xff junk")
    size = events(copied)
    copied.register.unlink()
    assert copied.json("rebuild", "--from-vault")["size"] == size
    checked(copied, 0)


def test_an_event_that_is_not_signed_yet(copied: Station) -> None:
    copied.ok("case", "add", "苏吴城管罚字〔2026〕第77号")
    last = events(copied) - 1
    assert "no checkpoint that covers it" in copied.run("ledger", "prove", str(last)).expect(96).err
    copied.ok("ledger", "publish")
    assert copied.ok("ledger", "prove", str(last)).json["index"] == last
