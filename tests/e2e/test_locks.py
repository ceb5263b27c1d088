"""Locks that are moved on by cron: every document, one failing object, a vault that is away, the alarm."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commands.common import build_node
from config.settings import Settings
from jobs import rolling
from tests.support.footage import CLIPS, FIRST, OFFICER
from tests.support.station import Station, clip_key, make_card, writable

pytestmark = pytest.mark.slow

SHORT = {"SEALDOCK_RETENTION_LOCK_CAP_MONTHS": "1"}
"""What was stored under this cap is due, and behind, under the usual one of 13 months."""


def locks(station: Station) -> dict[str, datetime]:
    return {key: station.lock(key) for key in station.stored_keys()}


def legal(station: Station, sha256: str) -> datetime:
    found = station.value("SELECT max(retain_until) FROM clip WHERE sha256 = ?", sha256)
    return datetime.fromisoformat(found).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def docked_short(blank: Station, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Station:
    folder = tmp_path_factory.mktemp("short")
    station = blank.copy(folder / "home")
    files = {CLIPS["morning"]: video.read_bytes(), "same-1.txt": b"same", "same-2.txt": b"same"}
    assert station.dock(make_card(folder / "card", files), **SHORT)["ok"]
    station.ok("derive", **SHORT)
    return station


@pytest.fixture
def short(docked_short: Station, tmp_path: Path) -> Station:
    """A home whose locks are shorter than they should be: clips of one card, two that share an object."""
    return docked_short.copy(tmp_path / "home")


def test_every_document_is_moved_on_to_its_legal_date(short: Station) -> None:
    keys = short.stored_keys()
    assert {key.split("/")[0] for key in keys} == {
        "clips", "seals", "dockings", "derived", "events", "ledger"
    }  # fmt: skip
    month = datetime.now(UTC) + timedelta(days=32)
    assert all(until < month for until in locks(short).values())
    behind = short.json("locks", "list", "--behind")
    assert {row["key"] for row in behind} == set(keys)
    assert [row["lock_until"] for row in behind] == sorted(row["lock_until"] for row in behind)

    report = short.json("locks", "roll")
    assert (report["due"], report["extended"], report["finished"]) == (len(keys), len(keys), True)
    assert (report["failed"], report["behind"], report["failures"]) == (0, 0, [])
    wanted = {legal(short, row[0]) for row in short.rows("SELECT sha256 FROM clip")}
    assert timedelta(days=170) < min(wanted) - datetime.now(UTC) < timedelta(days=190)
    found = locks(short)
    endless = {key for key in found if key.startswith(("events/register/", "ledger/"))}
    assert all(min(wanted) <= until <= max(wanted) for key, until in found.items() if key not in endless)
    # The ledger has no end: it is locked as far ahead as the cap allows.
    assert all(found[key] > max(wanted) + timedelta(days=180) for key in endless)
    noted = short.rows("SELECT key, lock_until, lock_mode FROM stored_version")
    assert {row[0]: datetime.fromisoformat(row[1]).replace(tzinfo=UTC) for row in noted} == locks(short)
    assert {row[2] for row in noted} == {"advisory"}
    assert short.json("verify", "--level", "lock")["failed"] == []

    again = short.json("locks", "roll")
    assert (again["extended"], again["behind"]) == (0, 0)
    assert short.json("locks", "list", "--behind") == []
    assert len(short.json("locks", "list", "--limit", "3")) == 3
    assert "clips/sha256/" in short.ok("locks", "list").text
    assert "0 locks were due, 0 moved on" in short.ok("locks", "roll").text


def test_each_clip_object_and_docking_has_its_event(short: Station) -> None:
    short.ok("locks", "roll")
    clips = {row[0]: row[1:] for row in short.rows("SELECT path, id, sha256 FROM clip")}
    (docking,) = (row[0] for row in short.rows("SELECT id FROM docking"))
    found = short.rows(
        "SELECT subject, clip_id, docking_id, body FROM custody_event WHERE kind = 'lock-extended'"
    )
    facts = {row[0]: json.loads(row[3])["facts"] for row in found}
    video, digest = clips[CLIPS["morning"]]
    (first, shared), (second, _) = clips["same-1.txt"], clips["same-2.txt"]
    assert {row[:3] for row in found} == {
        (video, video, None),
        (shared, None, None),  # two clips share it, but not the bundles of their events
        (first, first, None),
        (second, second, None),
        (docking, None, docking),
        ("register", None, None),
    }
    ledger = [key for key in short.stored_keys() if key.startswith(("events/register/", "ledger/"))]
    assert {subject: fact["versions"] for subject, fact in facts.items()} == {
        video: 5, shared: 5, first: 1, second: 1, docking: 4, "register": len(ledger)
    }  # fmt: skip
    assert datetime.fromisoformat(facts[video]["lock_until"]) == legal(short, digest)


def test_small_pages_find_all_of_them(short: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "_PAGE", 3)
    monkeypatch.setenv("SEALDOCK_VAULT_IMMUTABLE", "off")
    node = build_node(short.home, Settings.load(short.home))
    try:
        report = rolling.roll(node)
        assert rolling.roll(node).due == 0
    finally:
        node.close()
    assert (report.due, report.extended) == (len(short.stored_keys()),) * 2
    assert short.json("locks", "list", "--behind") == []


def test_what_is_permanent_rolls_on(short: Station) -> None:
    clip = next(clip for clip in short.json("clips") if clip["path"] == CLIPS["morning"])
    short.ok("tag", clip["id"], "--category", "case-evidence", **SHORT)
    key = clip_key(clip["sha256"])
    assert short.lock(key) < datetime.now(UTC) + timedelta(days=32)
    short.ok("locks", "roll")
    year = datetime.now(UTC) + timedelta(days=390)
    rolled = {other for other, until in locks(short).items() if until > year}
    of_ledger = {other for other in rolled if other.startswith(("events/register/", "ledger/"))}
    # The docking's documents and the bundle of its events speak of it, too.
    assert len(rolled - of_ledger) == 9
    assert key in rolled
    assert short.json("locks", "list", "--limit", "1000")[-1]["permanent"]


def test_one_failing_object_leaves_the_others_alone(short: Station) -> None:
    lost = clip_key(short.value("SELECT sha256 FROM clip WHERE path = 'same-1.txt'"))
    with writable(short.vault / lost) as path:
        path.unlink()
    ran = short.run("locks", "roll", "--json").expect(49)
    assert (ran.json["failed"], ran.json["behind"]) == (1, 1)
    assert ran.json["extended"] == ran.json["due"] - 1
    assert [(item["key"], item["problem"]) for item in ran.json["failures"]] == [(lost, "object-missing")]
    assert ran.error["facts"] == {"behind": 1}
    (alert,) = short.rows("SELECT facts FROM alert WHERE kind = 'locks-behind'")
    assert json.loads(alert[0])["behind"] == 1
    assert [row["key"] for row in short.json("locks", "list", "--behind")] == [lost]
    assert "Locks are behind: 1" in short.ok("status").text


def test_a_vault_that_is_away_is_an_alarm_only_when_time_runs_out(short: Station) -> None:
    away = short.vault.rename(short.home / "elsewhere")
    half = {"SEALDOCK_RETENTION_LOCK_CAP_MONTHS": "2", "SEALDOCK_RETENTION_ALARM_PERCENT": "30"}
    waits = short.run("locks", "roll", "--json", **half).expect(55)
    assert (waits.json["behind"], waits.json["finished"], waits.json["extended"]) == (0, False, 0)
    assert short.value("SELECT count(*) FROM alert") == 0
    late = short.run("locks", "roll", "--json").expect(49)
    assert late.json["behind"] == late.json["due"] == short.value("SELECT count(*) FROM stored_version")
    away.rename(short.vault)
    assert short.json("locks", "roll")["behind"] == 0


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
def test_a_clock_that_nobody_believes_rolls_nothing(short: Station) -> None:
    before = locks(short)
    done = subprocess.run(
        ["faketime", "-m", "2120-01-01 00:00:00", sys.executable, "-m", "cli", "locks", "roll", "--json"],
        cwd=short.home.parent, env=short.variables(), capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stderr)["error"]) == (16, "clock-implausible")
    assert locks(short) == before


def test_settings_that_contradict_each_other(station: Station) -> None:
    refused = station.run("locks", "roll", "--json", SEALDOCK_RETENTION_ALARM_PERCENT="75").expect(11)
    assert refused.error["facts"]["key"] == "retention.alarm_percent"


def test_a_hold_on_a_clip_holds_its_object(short: Station) -> None:
    clips = {clip["path"]: clip for clip in short.json("clips")}
    one, two = clips["same-1.txt"], clips["same-2.txt"]
    short.ok("case", "add", FIRST)
    (held,) = short.json("hold", "set", one["id"], "--reason", "complaint")
    assert held["held"]
    assert holds(short, one["sha256"]) == [True] * 5
    assert holds(short, clips[CLIPS["morning"]]["sha256"]) == [False] * 3
    short.ok("hold", "set", one["id"], two["id"], "--case", FIRST, "--reason", "appeal")
    listed = short.json("hold", "list")
    assert [(item["clip"], item["case"], item["reason"], item["in_vault"]) for item in listed] == [
        (one["id"], None, "complaint", True),
        (one["id"], FIRST, "appeal", True),
        (two["id"], FIRST, "appeal", True),
    ]
    assert len(short.json("hold", "list", "--case", FIRST)) == 2
    assert short.ok("hold", "list").text.count("complaint") == 1
    assert "Legal holds: 3" in short.ok("status").text

    (left,) = short.json("hold", "release", one["id"], "--reason", "withdrawn")
    assert left["held"]  # for the case
    assert holds(short, one["sha256"]) == [True] * 5
    short.json("hold", "release", one["id"], "--case", FIRST, "--reason", "mistake")
    assert holds(short, one["sha256"]) == [True] * 5  # the other clip of the object is held
    (last,) = short.json("hold", "release", "--case", FIRST, "--reason", "decided")
    assert (last["id"], last["held"]) == (two["id"], False)
    assert holds(short, one["sha256"]) == [False] * 5
    assert [kind for kind in short.events(one["id"]) if kind.startswith("hold")] == [
        "hold-set", "hold-set", "hold-released", "hold-released"
    ]  # fmt: skip
    assert short.json("hold", "release", one["id"], "--reason", "nothing to do")[0]["held"] is False
    for wrong in (["--reason", "x"], [one["id"], "--reason", " "]):
        short.run("hold", "set", *wrong).expect(2)


def test_a_hold_of_all_clips_of_a_case(short: Station) -> None:
    window = ["--officer", OFFICER, "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:30+08:00"]
    assert short.json("case", "add", FIRST, *window)["linked"] == 1
    (held,) = short.json("hold", "set", "--case", FIRST, "--reason", "appeal")
    assert held["path"] == CLIPS["morning"]


def test_a_hold_that_the_vault_lost_is_found_and_put_back(short: Station) -> None:
    clip = next(clip for clip in short.json("clips") if clip["path"] == CLIPS["morning"])
    short.ok("hold", "set", clip["id"], "--reason", "complaint")
    record = short.vault / ".locks" / f"{clip_key(clip['sha256'])}.json"
    with writable(record) as path:
        path.write_bytes(path.read_bytes().replace(b'"held":true', b'"held":false'))
    found = short.run("verify", "--level", "lock", "--json").expect(44).json["failed"]
    assert [item["problem"] for item in found] == ["hold-missing"]
    short.ok("hold", "set", clip["id"], "--reason", "complaint")
    assert short.json("verify", "--level", "lock")["failed"] == []
    assert short.events(clip["id"]).count("hold-set") == 1


def test_what_comes_after_a_hold_is_held_by_the_next_roll(short: Station, tmp_path: Path) -> None:
    (same, *_) = [clip for clip in short.json("clips") if clip["path"] == "same-1.txt"]
    short.ok("hold", "set", same["id"], "--reason", "complaint")
    assert short.dock(make_card(tmp_path / "another", {"same-3.txt": b"same"}))["ok"]
    assert holds(short, same["sha256"]).count(False) == 2  # manifest and seal of the new clip
    assert {item["in_vault"] for item in short.json("hold", "list")} == {False}
    short.ok("locks", "roll")
    assert holds(short, same["sha256"]) == [True] * 7


def holds(station: Station, sha256: str) -> list[bool]:
    """Return the holds of an object and its seals, in the vault and in the register alike."""
    keys = [clip_key(sha256), *(key for key in station.stored_keys() if key.startswith(f"seals/{sha256}/"))]
    records = [json.loads((station.vault / ".locks" / f"{key}.json").read_bytes()) for key in keys]
    noted = [station.value("SELECT held FROM stored_version WHERE key = ?", key) for key in keys]
    assert [record["held"] for record in records] == [bool(held) for held in noted]
    return [record["held"] for record in records]
