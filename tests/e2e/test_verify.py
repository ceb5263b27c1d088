"""What ``verify`` finds when somebody with the rights of the vault has been at it."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import ROOT, Station, clip_key, flip, make_card, thaw, writable

pytestmark = pytest.mark.slow

KILLED = str(ROOT / "tests" / "support" / "killed.py")
DAMAGED = ("original", "manifest", "seal gone", "lock gone", "original gone", "longer", "torn lock")
SOUND = "sound"
Harmed = tuple[Station, dict[str, Any]]


@pytest.fixture(scope="module")
def harmed(
    blank: Station, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Station, dict[str, Any]]]:
    """A home with one clip for each way of doing harm, all but one of them harmed; the clips by name."""
    folder = tmp_path_factory.mktemp("harmed")
    station = blank.copy(folder / "home")
    found = station.dock(make_card(folder / "card", {name: name.encode() for name in (*DAMAGED, SOUND)}))
    clips = {clip["name"]: clip for clip in found["clips"]}

    def seals(name: str) -> list[Path]:
        """Manifest and seal."""
        return sorted((station.vault / "seals" / clips[name]["sha256"]).iterdir())

    def lock(name: str) -> Path:
        return station.vault / ".locks" / f"{clip_key(clips[name]['sha256'])}.json"

    def original(name: str) -> Path:
        return station.object(clips[name]["sha256"])

    flip(original("original"), 3)
    flip(seals("manifest")[0], 100)
    seals("seal gone")[1].unlink()
    lock("lock gone").unlink()
    original("original gone").unlink()
    with writable(original("longer")) as path, path.open("ab") as file:
        file.write(b"!")
    with writable(lock("torn lock")) as path:
        path.write_bytes(path.read_bytes()[:-5])
    yield station, clips
    thaw(station.home)


def problems(station: Station, level: str) -> dict[str, str]:
    """Run verify; return problems by clip name, once everything about the run is as promised."""
    ran = station.run("verify", "--level", level, "--json").expect(44)
    told = ran.json
    assert told["ok"] is False
    assert told["checked"] == len(DAMAGED) + 1
    assert all({"clip", "sha256", "problem"} <= item.keys() for item in told["failed"])
    names = dict(station.rows("SELECT id, name FROM clip"))
    return {names[item["clip"]]: item["problem"] for item in told["failed"]}


AT_LOCK = {
    "seal gone": "seal: missing",
    "lock gone": "lock-missing",
    "original gone": "missing",
    "longer": "size",
    "torn lock": "lock-missing",
}
ANY_READ = AT_LOCK | {"original": "digest", "manifest": "manifest: digest"}


@pytest.mark.parametrize(("level", "expected"), [("lock", AT_LOCK), ("sample", ANY_READ), ("full", ANY_READ)])
def test_each_level_names_the_clips_that_were_harmed(
    harmed: Harmed, level: str, expected: dict[str, str]
) -> None:
    station, clips = harmed
    assert problems(station, level) == expected
    (run,) = station.rows("SELECT id, level, checked, failed FROM integrity_run ORDER BY id DESC LIMIT 1")
    assert run[1:] == (level, len(DAMAGED) + 1, len(expected))
    harmed_ids = {clips[name]["id"] for name in expected}
    logged = station.rows(
        "SELECT clip_id FROM custody_event WHERE kind = 'integrity-failed' AND attempt = ?", run[0]
    )
    assert {row[0] for row in logged} == harmed_ids
    raised = [
        (clip, json.loads(facts)["problem"])
        for clip, facts in station.rows("SELECT clip_id, facts FROM alert WHERE kind = 'integrity'")
    ]
    assert {(clips[name]["id"], problem) for name, problem in expected.items()} <= set(raised)
    # What is known, and not answered yet, is not raised again every night.
    assert len(raised) == len(set(raised))


def test_a_person_is_told_what_to_do(harmed: Harmed) -> None:
    station, clips = harmed
    told = station.run("verify", "--level", "lock").expect(44)
    assert clips["seal gone"]["id"] in told.text
    assert clips[SOUND]["id"] not in told.text
    assert told.err.strip()
    assert station.json("status")["alert_counts"]["integrity"] >= len(AT_LOCK)


def test_harmed_bytes_are_not_given_out(harmed: Harmed, tmp_path: Path) -> None:
    station, clips = harmed
    out = tmp_path / "out"
    names = ["original", "original gone", SOUND]
    wanted = [clips[name]["id"] for name in names]
    told = station.run("retrieve", *wanted, wanted[0], "--purpose", "review", "--to", out, "--json").expect(
        48
    )
    # The sound one is given out, the others are named; nothing of them appears.
    assert [item["id"] for item in told.json] == [clips[SOUND]["id"]]
    assert told.error["facts"] == {
        "refused": [f"{wanted[0]} original (digest-mismatch)", f"{wanted[1]} original gone (object-missing)"],
        "given": 1,
    }
    assert {path.name.partition(".")[0] for path in out.iterdir()} == {SOUND}
    for name in names[:2]:
        assert "retrieved" not in station.events(clips[name]["id"])
    for path in out.iterdir():
        path.unlink()
    for name, code in (("original", 40), ("original gone", 50)):
        station.run("retrieve", clips[name]["id"], "--purpose", "review", "--to", out).expect(code)
    assert list(out.iterdir()) == []
    station.ok("retrieve", clips[SOUND]["id"], "--purpose", "review", "--to", out)
    assert (out / SOUND).read_bytes() == SOUND.encode()


@pytest.mark.parametrize("level", ["lock", "sample", "full"])
def test_a_budget_takes_what_was_not_looked_at_for_longest(
    station: Station, tmp_path: Path, level: str
) -> None:
    station.dock(make_card(tmp_path / "card", {name: name.encode() for name in "abcd"}))
    checked: list[str] = []
    for _ in range(4):
        told = station.json("verify", "--level", level, "--budget", "0s")
        assert (told["ok"], told["checked"], told["remaining"]) == (True, 1, 3)
        query = "SELECT clip_id FROM integrity_result ORDER BY id DESC LIMIT 1"
        checked.append(station.value(query))
    assert len(set(checked)) == 4
    station.run("verify", "--budget", "soon").expect(17)


def test_a_clip_that_the_register_ties_to_nothing_in_the_vault(station: Station, tmp_path: Path) -> None:
    """Deleting the row that says where a clip lies does not take the clip out of the count."""
    found = station.dock(make_card(tmp_path / "card", {"a": b"a", "b": b"b"}))
    gone = found["clips"][0]
    with closing(sqlite3.connect(station.register, isolation_level=None)) as register:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'stored_version'"
        for (guard,) in register.execute(guards).fetchall():  # they stop mistakes, not malice
            register.execute(f"DROP TRIGGER {guard}")
        register.execute(
            "DELETE FROM stored_version WHERE kind = 'original' AND sha256 = ?", (gone["sha256"],)
        )
    for level in ("lock", "sample", "full"):
        told = station.run("verify", "--level", level, "--json").expect(44).json
        assert told["checked"] == 2
        assert [(item["clip"], item["problem"]) for item in told["failed"]] == [(gone["id"], "not-stored")]


def test_documents_that_belong_to_no_single_clip(station: Station, tmp_path: Path, video: Path) -> None:
    """Inventories, close-outs, their seals and poster frames are looked at, too."""
    station.dock(make_card(tmp_path / "card", {"a.mp4": video.read_bytes()}))
    assert station.json("derive") == {"derived": 1, "failed": 0}
    assert station.json("verify", "--level", "full")["ok"] is True
    (poster,) = station.vault.glob("derived/*")
    before = station.lock(f"derived/{poster.name}")
    station.ok("tag", station.json("clips")[0]["id"], "--category", "inspection")
    assert station.lock(f"derived/{poster.name}") > before  # it is kept as long as its clip
    (inventory,) = station.vault.glob("dockings/*/*/*/*.inventory.json")
    (seal,) = station.vault.glob("dockings/*/*/*/*.close.json.p7s")
    flip(poster, 3)
    flip(inventory, 30)
    seal.unlink()
    told = station.run("verify", "--level", "sample", "--json").expect(44).json
    assert {(item["clip"], item["name"], item["problem"]) for item in told["failed"]} == {
        (None, str(poster.relative_to(station.vault)), "derived: digest"),
        (None, str(inventory.relative_to(station.vault)), "inventory: digest"),
        (None, str(seal.relative_to(station.vault)), "docking-seal: missing"),
    }


def test_a_home_that_was_moved(station: Station, tmp_path: Path) -> None:
    (clip,) = station.dock(make_card(tmp_path / "card", {"a": b"a"}))["clips"]
    station.home.rename(tmp_path / "moved")
    moved = Station(tmp_path / "moved", station.environment)
    assert moved.json("verify", "--level", "full") == {
        "level": "full", "checked": 1, "ok": True, "failed": [], "remaining": 0
    }  # fmt: skip
    moved.ok("retrieve", clip["id"], "--purpose", "review", "--to", tmp_path / "out")
    assert moved.dock(tmp_path / "card")["clips"] == [clip]


def test_previews_that_fail_for_now_are_made_later(station: Station, tmp_path: Path, video: Path) -> None:
    station.dock(make_card(tmp_path / "card", {"a.mp4": video.read_bytes()}))
    station.vault.rename(station.home / "unmounted")
    station.vault.mkdir()  # what an unmounted disk leaves
    told = station.run("derive", "--json").expect(82)
    assert told.json == {"derived": 0, "failed": 1}
    assert "derive" in station.run("derive").expect(82).err
    station.vault.rmdir()
    (station.home / "unmounted").rename(station.vault)
    assert station.json("derive") == {"derived": 1, "failed": 0}
    assert station.json("derive") == {"derived": 0, "failed": 0}


def test_derive_killed_while_it_copies(station: Station, tmp_path: Path, video: Path) -> None:
    """The copy that it leaves, whole or not, neither stays nor stands in the way of the next run."""
    station.dock(make_card(tmp_path / "card", {"a.mp4": video.read_bytes()}))
    killed = replace(station, wrapper=(KILLED, "before:hashing.durable:publish:1"))
    assert killed.run("derive").code == -signal.SIGKILL
    assert [path.name[:8] for path in station.spool.iterdir()] == [".derive-"]
    assert station.json("derive") == {"derived": 1, "failed": 0}
    assert len(list(station.vault.glob("derived/*"))) == 1
    assert list(station.spool.iterdir()) == []


def test_a_register_row_that_somebody_edited(station: Station, tmp_path: Path) -> None:
    """One row that names an object nobody knows is a finding, and the others are checked."""
    found = station.dock(make_card(tmp_path / "card", {"a": b"a", "b": b"b"}))
    edited, other = (clip["sha256"] for clip in found["clips"])
    wrong = edited[::-1]
    with closing(sqlite3.connect(station.register, isolation_level=None)) as register:
        register.execute(
            "UPDATE stored_version SET sha256 = ? WHERE sha256 = ? AND kind = 'original'", (wrong, edited)
        )
    told = station.run("verify", "--level", "full", "--json").expect(44).json
    assert (None, wrong, "not-registered") in {
        (item["clip"], item["sha256"], item["problem"]) for item in told["failed"]
    }
    assert other not in {item["sha256"] for item in told["failed"]}


def test_what_a_retrieval_found_is_known_to_dock(station: Station, tmp_path: Path) -> None:
    """The card may be the last good copy: it must not be called safe to take away."""
    card = make_card(tmp_path / "card", {"a": b"some bytes"})
    (clip,) = station.dock(card)["clips"]
    flip(station.object(clip["sha256"]), 3)
    station.run("retrieve", clip["id"], "--purpose", "review", "--to", tmp_path / "out").expect(40)
    (told,) = station.dock(card, code=33)["clips"]
    assert told["id"] == clip["id"]
