"""What does not agree is found, explained and, where a digest proves it, mended."""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket import bucket_home
from tests.support.insider import change
from tests.support.station import Station, by_path, clip_key, digest_of, flip, make_card, until
from tests.support.store import Store

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"a.mp4": b"first" * 100, "b.mp4": b"second" * 100, "c.txt": b""}


def found(station: Station, *arguments: str, code: int = 79) -> list[dict[str, Any]]:
    told = station.run("reconcile", "--json", *arguments).expect(code).json
    assert told["ok"] is (code == 0)
    assert told["found"] == len(told["findings"])
    assert all(each["why"] and each["todo"] for each in told["findings"])
    rows: list[dict[str, Any]] = told["findings"]
    return rows


def kinds(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["kind"] for row in rows)


def forget(station: Station, where: str) -> None:
    """Take rows of stored versions out of the register, as an older backup would not have them."""
    with sqlite3.connect(station.register) as connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'stored_version_no_delete'"
        ).fetchone()
        connection.execute("DROP TRIGGER stored_version_no_delete")
        connection.execute(f"DELETE FROM stored_version WHERE {where}")
        connection.execute(trigger)
    connection.close()


def test_a_home_in_order_has_no_findings(station: Station, tmp_path: Path) -> None:
    assert found(station, code=0) == []
    assert station.dock(make_card(tmp_path / "card", FILES))["ok"]
    assert found(station, code=0) == []
    assert station.ok("reconcile").text.startswith("0 findings")


def test_versions_that_the_register_lost_are_adopted(station: Station, tmp_path: Path) -> None:
    station.dock(make_card(tmp_path / "card", FILES))
    before = station.rows("SELECT key, version, kind, sha256, size FROM stored_version ORDER BY key")
    forget(station, "1")
    rows = found(station)
    assert kinds(rows) == {"orphan": len(before), "not-stored": 3, "docking-unpublished": 1}
    assert all(row["repairable"] for row in rows if row["kind"] == "orphan")
    assert kinds(found(station, "--repair", code=0)) == {"orphan": len(before)}
    assert found(station, code=0) == []
    assert station.rows("SELECT key, version, kind, sha256, size FROM stored_version ORDER BY key") == before
    assert station.json("verify", "--level", "full")["ok"] is True
    done = Counter(
        json.loads(row[0])["facts"]["done"]
        for row in station.rows("SELECT body FROM custody_event WHERE kind = 'reconciled'")
    )
    assert done["adopted"] == len(before)


def test_an_orphan_that_is_not_what_its_key_says_is_left_alone(station: Station, tmp_path: Path) -> None:
    station.dock(make_card(tmp_path / "card", FILES))
    key = clip_key(digest_of(FILES["a.mp4"]))
    forget(station, f"key = '{key}'")
    (station.vault / key).chmod(0o644)
    (station.vault / key).write_bytes(b"x")
    (row,) = [row for row in found(station, "--repair") if row["kind"] == "orphan"]
    assert (row["open"], row["problem"]) == (True, "digest-mismatch")
    assert (station.vault / key).read_bytes() == b"x"


def test_what_lies_where_nobody_says_so(station: Station, tmp_path: Path) -> None:
    docked = station.dock(make_card(tmp_path / "card", FILES))
    strange = b"strange"
    place = station.vault / clip_key(digest_of(strange))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(strange)
    temp = station.vault / ".tmp" / ".tmp-1-0123456789abcdef"
    temp.write_bytes(b"half")
    clip = by_path(docked)["a.mp4"]
    (station.spool / clip["id"]).write_bytes(FILES["a.mp4"])
    (station.spool / "copy").write_bytes(FILES["b.mp4"])
    (station.spool / by_path(docked)["b.mp4"]["id"]).write_bytes(b"other bytes")
    (station.spool / "stray").write_bytes(b"stray")
    for name, age in ((f".derive-{clip['id']}.part", 4000), (f"derive-{clip['id']}", 0)):
        (station.spool / name).write_bytes(b"cut short")
        os.utime(station.spool / name, (time.time() - age,) * 2)
    wanted = {"unknown-object": 1, "temp-file": 1, "spool-safe": 3, "spool-kept": 1, "spool-unknown": 1}
    assert kinds(found(station)) == wanted
    assert temp.exists()
    assert len(list(station.spool.iterdir())) == 6
    assert kinds(found(station, "--repair")) == wanted
    assert kinds(found(station)) == {"unknown-object": 1, "spool-kept": 1, "spool-unknown": 1}
    assert place.read_bytes() == strange
    assert not temp.exists()
    left = [b"cut short", b"other bytes", b"stray"]  # the first may still be looked at
    assert sorted(path.read_bytes() for path in station.spool.iterdir()) == left
    told = station.run("reconcile").expect(79)
    assert "Leave it as it is." in told.text
    assert "3 findings are open" in told.err


def test_a_copy_of_what_was_found_wrong_is_kept(station: Station, tmp_path: Path) -> None:
    """It may be the only good one: that the vault shows an object of the right size says nothing."""
    clip = by_path(station.dock(make_card(tmp_path / "card", FILES)))["a.mp4"]
    (station.spool / clip["id"]).write_bytes(FILES["a.mp4"])
    flip(station.object(clip["sha256"]))
    station.run("verify", "--level", "full").expect(44)
    station.ok("verify", "--level", "lock")
    assert kinds(found(station, "--repair")) == {"spool-kept": 1}
    assert (station.spool / clip["id"]).read_bytes() == FILES["a.mp4"]


def test_what_is_said_to_lie_where_it_does_not(station: Station, tmp_path: Path) -> None:
    docked = by_path(station.dock(make_card(tmp_path / "card", FILES)))
    original = station.object(docked["a.mp4"]["sha256"])
    original.unlink()
    (manifest,) = (station.vault / "seals" / docked["b.mp4"]["sha256"]).glob("*.json")
    kept = manifest.read_bytes()
    manifest.unlink()
    lock = station.vault / ".locks" / f"{clip_key(docked['b.mp4']['sha256'])}.json"
    date = station.lock(clip_key(docked["b.mp4"]["sha256"]))
    lock.unlink()
    assert kinds(found(station)) == {"missing": 1, "document-missing": 1, "lock-missing": 1}
    assert kinds(found(station, "--no-locks")) == {"missing": 1, "document-missing": 1}
    found(station, "--repair")
    assert manifest.read_bytes() == kept
    assert station.lock(clip_key(docked["b.mp4"]["sha256"])) == date
    assert station.json("status")["alert_counts"] == {"lock-set-again": 1}
    assert kinds(found(station)) == {"missing": 1}
    # The card gives back what is left; then all agrees.
    assert station.dock(tmp_path / "card")["ok"]
    assert found(station, code=0) == []


def test_what_a_docking_works_on_is_no_finding(station: Station, tmp_path: Path) -> None:
    """Killed in the middle, and waiting for the vault: it goes on by itself."""
    files: dict[str | bytes, bytes] = {f"{n}.mp4": bytes([n]) * 3_000_000 for n in range(12)}
    card = make_card(tmp_path / "card", files)
    process = station.start("dock", card)
    until(lambda: station.value("SELECT count(*) FROM clip WHERE state IN ('stored', 'confirmed')"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert station.value("SELECT count(*) FROM clip WHERE state NOT IN ('confirmed', 'released')")
    found(station, "--repair", code=0)
    assert station.dock(card)["ok"]
    assert found(station, code=0) == []
    assert station.json("verify", "--level", "full")["ok"] is True


def test_a_docking_whose_work_was_lost_is_closed(station: Station, tmp_path: Path) -> None:
    files: dict[str | bytes, bytes] = {f"{n}.mp4": bytes([n]) * 3_000_000 for n in range(12)}
    card = make_card(tmp_path / "card", files)
    process = station.start("dock", card)
    until(lambda: station.value("SELECT count(*) FROM clip WHERE state = 'confirmed'"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for path in station.home.glob("engine.db*"):
        path.unlink()
    rows = found(station)
    assert kinds(rows)["docking-open"] == 1
    found(station, "--repair", code=0)
    (row,) = station.rows("SELECT id, closed_at FROM docking")
    assert row[1] is not None
    assert station.dock(card)["ok"]
    assert found(station, "--repair", code=0) is not None
    assert found(station, code=0) == []
    assert station.json("verify", "--level", "full")["ok"] is True


@pytest.fixture
def bucket(store: Store) -> str:
    return store.bucket(store.station)


def test_a_bucket(store: Store, bucket: str, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(bucket, "north"), tmp_path).init()
    docked = by_path(station.dock(make_card(tmp_path / "card", FILES)))
    assert found(station, code=0) == []
    client = store.client(store.station)
    full = {name: f"north/{clip_key(docked[name]['sha256'])}" for name in docked}
    client.delete_object(Bucket=bucket, Key=full["a.mp4"])
    client.put_object(Bucket=bucket, Key=full["b.mp4"], Body=b"other")
    client.put_object(Bucket=bucket, Key=full["c.txt"], Body=FILES["c.txt"])
    client.put_object(Bucket=bucket, Key=f"north/{clip_key(digest_of(b'strange'))}", Body=b"strange")
    client.put_object(Bucket=bucket, Key="elsewhere/object", Body=b"of others")
    upload = client.create_multipart_upload(Bucket=bucket, Key=full["b.mp4"])["UploadId"]
    forget(station, "kind = 'seal'")
    wanted = {
        "delete-marker": 1, "newer-version": 1, "newer-version-same": 1, "unknown-object": 1,
        "upload-of-others": 1, "orphan": 3,
    }  # fmt: skip
    assert kinds(found(station)) == wanted
    rows = found(station, "--repair")
    assert kinds(rows) == wanted
    assert {row["kind"] for row in rows if row["repaired"]} == {"newer-version-same", "orphan"}
    assert kinds(found(station)) == {
        "delete-marker": 1, "newer-version": 1, "unknown-object": 1, "upload-of-others": 1
    }  # fmt: skip
    newest = client.list_object_versions(Bucket=bucket, Prefix=full["c.txt"])["Versions"][0]["VersionId"]
    lock = client.get_object_retention(Bucket=bucket, Key=full["c.txt"], VersionId=newest)["Retention"]
    assert lock["Mode"] == "COMPLIANCE"
    assert [row["UploadId"] for row in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    # Once it is known as this home's, and no docking uses it, it is ended.
    key = clip_key(docked["b.mp4"]["sha256"])
    note = {"key": key, "upload": upload, "sha256": docked["b.mp4"]["sha256"], "size": 1, "part_size": 1}
    (station.home / "uploads" / f"{digest_of(key.encode())}.json").write_text(json.dumps(note))
    assert kinds(found(station, "--repair"))["upload"] == 1
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_checkpoint_of_no_size_that_there_can_be(station: Station, tmp_path: Path) -> None:
    station.dock(make_card(tmp_path / "card", FILES))
    (folder,) = station.vault.glob("ledger/*/*/checkpoints")
    (folder / ("9" * 20)).write_bytes(b"junk")
    assert kinds(found(station)) == {"unknown-object": 1}


def test_versions_that_a_bucket_lost_and_that_were_stored_again(
    store: Store, bucket: str, tmp_path: Path
) -> None:
    """They settle: written down as lost, they are no finding any more, and nothing tries to lock them."""
    station = bucket_home(store, store.url(bucket, "north"), tmp_path).init()
    docked = by_path(station.dock(make_card(tmp_path / "card", FILES)))
    original = clip_key(docked["a.mp4"]["sha256"])
    (seal,) = station.rows("SELECT key FROM stored_version WHERE kind = 'seal' AND key LIKE ?",
                           f"%{docked['b.mp4']['sha256']}%")[0]  # fmt: skip
    columns = "vault, key, kind, sha256, size, lock_mode, held, confirmation, confirmed_at, created_at"
    for number, key in enumerate((original, seal)):
        change(
            station,
            f"INSERT INTO stored_version (id, version, lock_until, {columns}) "
            f"SELECT ?, 'lost', NULL, {columns} FROM stored_version WHERE key = ?",
            f"{number:026d}",
            key,
        )
    rows = found(station)
    assert {(row["kind"], row["what"]) for row in rows} == {
        ("version-lost", original), ("version-lost", seal)
    }  # fmt: skip
    assert {row["key"] for row in station.json("locks", "list", "--behind")} == {original, seal}
    assert kinds(found(station, "--repair", code=0)) == {"version-lost": 2}
    assert found(station, code=0) == []
    assert station.json("locks", "list", "--behind") == []
    assert station.json("locks", "roll")["due"] == 0
    assert station.json("verify", "--level", "full")["ok"] is True


def test_a_vault_that_moved_away_and_back(store: Store, bucket: str, tmp_path: Path) -> None:
    """What was stored twice in between, at another address, settles too."""
    card = make_card(tmp_path / "card", FILES)
    here = bucket_home(store, store.url(bucket, "here"), tmp_path).init()
    assert here.dock(card)["ok"]
    there = replace(here, environment={**here.environment, "SEALDOCK_VAULT_URL": store.url(bucket, "there")})
    there.ok("vault", "preflight")
    assert there.dock(card)["ok"]
    there.run("reconcile", "--repair", "--json")
    assert there.json("verify", "--level", "full")["ok"] is True
    assert here.run("verify", "--json").code != 0
    mended = found(here, "--repair", code=0)
    assert set(kinds(mended)) == {"newer-version-same", "version-lost", "document-missing"}
    assert here.json("verify", "--level", "full")["ok"] is True
    assert found(here, code=0) == []


def test_stations_that_share_a_prefix(store: Store, bucket: str, tmp_path: Path) -> None:
    homes = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        home = bucket_home(store, store.url(bucket, "shared"), folder)
        home = replace(home, environment={**home.environment, "SEALDOCK_STATION_ID": name}).init()
        home.dock(make_card(folder / "card", {"own.mp4": name.encode() * 100, "both.mp4": b"both"}))
        homes.append(home)
    for home in homes:
        told = home.run("reconcile", "--json").expect(0).json
        assert (told["found"], told["open"]) == (0, 0)
        assert told["of_other_stations"] > 0
