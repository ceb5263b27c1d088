"""The way of footage through one home: docked, linked, found, given out, checked."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.footage import CLIPS, FIRST, HOSTILE, OFFICER
from tests.support.station import (
    Station,
    clip_key,
    digest_of,
    make_card,
    openssl_accepts,
    sealed_document,
)

STATES = {"found", "offloaded", "sealed", "stored", "confirmed", "released"}


def test_init_says_what_its_keys_are_worth(tmp_path: Path) -> None:
    station = Station(tmp_path / "home")
    told = station.ok("init")
    assert "integrity, not identity" in told.text
    assert {"register.db", "keys", "vault", "sealdock.toml"} <= {path.name for path in station.home.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in (station.home / "keys").glob("*.key")} == {0o600}
    again = station.run("init").expect(15)
    assert "already" in again.err


def test_init_with_nothing_but_two_variables(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    station = Station(
        tmp_path / "home",
        {
            "SEALDOCK_DATABASE_URL": f"sqlite:///{elsewhere / 'the.db'}",
            "SEALDOCK_VAULT_URL": (elsewhere / "the vault").as_uri(),
        },
    ).init()
    found = station.dock(make_card(tmp_path / "card", {"a.txt": b"a"}))
    assert found["ok"]
    assert not station.register.exists()
    assert not station.vault.exists()
    with closing(sqlite3.connect(elsewhere / "the.db")) as register:
        assert register.execute("SELECT name, state FROM clip").fetchall() == [("a.txt", "released")]
    assert (elsewhere / "the vault" / clip_key(digest_of(b"a"))).read_bytes() == b"a"


def test_what_dock_promises_to_scripts(docked: Any, media_bytes: dict[str, bytes]) -> None:
    assert {"docking", "recorder", "clips", "ok"} <= docked.keys()
    assert docked["ok"] is True
    promised = {"id", "name", "sha256", "size", "state", "case", "reason"}
    assert all(promised <= clip.keys() for clip in docked["clips"])
    assert [(clip["path"], clip["size"], clip["sha256"]) for clip in docked["clips"]] == [
        (path, len(data), digest_of(data)) for path, data in sorted(media_bytes.items())
    ]
    assert {clip["state"] for clip in docked["clips"]} <= {"confirmed", "released"}
    assert {clip["reason"] for clip in docked["clips"]} == {None}


def test_what_is_in_the_vault_is_what_was_on_the_card(
    home: Station, docked: Any, media_bytes: dict[str, bytes]
) -> None:
    assert docked["ok"]
    for data in media_bytes.values():
        stored = home.object(digest_of(data))
        assert stored.read_bytes() == data
        assert stored.stat().st_mode & 0o777 == 0o444


def test_a_clip_tells_what_it_says_of_itself(clips: dict[str, dict[str, Any]]) -> None:
    morning = clips["morning"]
    assert (morning["officer"], morning["kind"], morning["condition"]) == (OFFICER, "video", "intact")
    assert (morning["recorded_at"], morning["time_source"]) == ("2026-03-01T01:30:00Z", "file-name")
    assert clips["afternoon"]["kind"] == "still"


def test_every_step_is_an_event_with_an_actor(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    for clip in clips.values():
        kinds = home.events(clip["id"])
        steps = ["offloaded", "sealed", "stored", "confirmed", "released"]
        assert [kind for kind in kinds if kind in steps] == steps
    bodies = [json.loads(row[0]) for row in home.rows("SELECT body FROM custody_event ORDER BY sequence")]
    assert [body["sequence"] for body in bodies] == list(range(len(bodies)))
    assert all(body["actor"].keys() == {"kind", "id", "authenticated"} for body in bodies)


def test_filters(home: Station, clips: dict[str, dict[str, Any]], hostile: Any) -> None:
    def found(*filters: str) -> set[str]:
        return {clip["path"] for clip in home.json("clips", *filters)}

    assert hostile["ok"]
    everything = home.json("clips")
    promised = {"id", "name", "sha256", "size", "state", "case", "reason"}
    assert all(promised <= clip.keys() for clip in everything)
    morning = clips["morning"]
    in_case = {clip["path"] for clip in everything if clip["case"] == FIRST}
    assert found("--case", "苏吴城管罚字[2026]第25号") == in_case >= {CLIPS["morning"]}
    assert found("--officer", "999") == set(HOSTILE)
    assert found("--recorder", morning["recorder"]) == set(CLIPS.values())
    span = ("--since", "2026-03-01T10:00+08:00", "--until", "2026-03-01T15:00+08:00")
    assert found(*span) == {CLIPS["eleven"]}
    assert CLIPS["morning"] not in found("--unlinked", "--officer", OFFICER)
    assert found("--text", "_0003.") == {CLIPS["afternoon"]}
    assert found("--text", morning["sha256"][:12]) == {CLIPS["morning"]}
    assert found("--state", "quarantined") == set()


def test_retrieval_by_clip(home: Station, clips: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    clip = clips["morning"]
    home.run("retrieve", clip["id"], "--to", tmp_path / "out").expect(2)
    home.run("retrieve", clip["id"], "--purpose", "  ", "--to", tmp_path / "out").expect(2)
    assert "retrieved" not in home.events(clip["id"])
    assert not (tmp_path / "out").exists()
    (given,) = home.json("retrieve", clip["id"], "--purpose", "听证会", "--to", tmp_path / "out")
    file = Path(given["file"])
    assert digest_of(file) == given["sha256"] == clip["sha256"]
    manifest = file.with_name(f"{file.name}.manifest.json")
    assert json.loads(manifest.read_bytes())["clip"]["id"] == clip["id"]
    assert openssl_accepts(home, file.with_name(f"{file.name}.manifest.json.p7s"), manifest)
    query = "SELECT body FROM custody_event WHERE kind = 'retrieved' AND clip_id = ?"
    (body,) = [json.loads(row[0]) for row in home.rows(query, clip["id"])]
    assert body["facts"]["purpose"] == "听证会"


def test_retrieval_does_not_write_into_own_folders(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    for folder in (home.home / "out", home.vault / "out"):
        told = home.run("retrieve", clips["morning"]["id"], "--purpose", "x", "--to", folder, "--json")
        assert told.expect(57).error["facts"]["path"] == str(folder)
        assert not folder.exists()


def test_retrieval_by_case(home: Station, clips: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    (linked,) = home.json("link", clips["afternoon"]["id"], "--case", FIRST)
    in_case = {clip["id"]: clip["sha256"] for clip in home.json("clips", "--case", FIRST)}
    before = home.value("SELECT count(*) FROM custody_event WHERE kind = 'retrieved'")
    given = home.json("retrieve", "--case", FIRST, "--purpose", "review", "--to", tmp_path / "out")
    assert linked["id"] in in_case
    assert {item["id"]: digest_of(Path(item["file"])) for item in given} == in_case
    after = home.value("SELECT count(*) FROM custody_event WHERE kind = 'retrieved'")
    assert after - before == len(in_case)


def test_hostile_names_are_harmless_where_they_are_given_out(
    home: Station, hostile: Any, tmp_path: Path
) -> None:
    wanted = [clip["id"] for clip in hostile["clips"]]
    for order in (wanted, wanted[::-1]):
        out = tmp_path / f"out-{order[0]}"
        given = home.json("retrieve", *order, "--purpose", "review", "--to", out)
        files = [Path(item["file"]) for item in given]
        assert len(set(files)) == len(HOSTILE)
        assert {file.parent for file in files} == {out}
        assert all(re.match(r"[^-.]", file.name) and file.name.isprintable() for file in files)
        assert all(not set(file.name) & set('<>:"|?*\\') for file in files)
        assert {digest_of(file) for file in files} == {digest_of(data) for data in HOSTILE.values()}
        assert len(list(out.iterdir())) == 3 * len(HOSTILE)
        for file, clip in zip(files, order, strict=True):
            manifest = json.loads(file.with_name(f"{file.name}.manifest.json").read_bytes())
            assert manifest["clip"]["id"] == clip


def test_status(home: Station, hostile: Any) -> None:
    assert hostile["ok"]
    told = home.json("status")
    assert told["clips"].keys() <= STATES
    assert told["unfinished_dockings"] == []
    assert told["spool"]["files"] == 0
    assert told["clock"]["plausible"] is True
    assert told["key"]["expires_soon"] is False


@pytest.mark.slow
def test_previews(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    waiting = home.json("status")["to_derive"]
    assert home.json("derive") == {"derived": waiting, "failed": 0}
    assert home.json("derive") == {"derived": 0, "failed": 0}
    morning = clips["morning"]["id"]
    ((poster, frames, problem),) = home.rows(
        "SELECT poster_sha256, sampled_frames, problem FROM derivative WHERE clip_id = ?", morning
    )
    assert problem is None
    assert frames
    assert (home.vault / "derived" / poster).read_bytes()[:2] == b"\xff\xd8"
    assert list(home.spool.iterdir()) == []
    # A side file or a text has no picture; a file that is not what it says has a problem, not a poster.
    assert home.value("SELECT count(*) FROM derivative WHERE problem IS NULL AND poster_sha256 IS NULL") == 0


def test_settings_are_shown_without_secrets(home: Station, docked: Any) -> None:
    assert docked["ok"]
    shown = home.ok("config", "show", "--json", SEALDOCK_TIMESTAMP_URL="https://station:hunter2@tsa.example/")
    assert "hunter2" not in shown.text + shown.err
    assert shown.json["vault"]["url"].endswith("/home/vault")
    assert shown.json["timestamp"]["url"].startswith("https://")
    plain = home.ok("config", "show")
    assert "clearing.policy = never" in plain.text


def test_errors_are_listed_with_their_exit_codes(home: Station) -> None:
    listed = home.json("errors")
    codes = [row["exit_code"] for row in listed]
    assert len(set(codes)) == len(codes)
    assert {row["code"] for row in listed} >= {"docking-incomplete", "verification-failed", "register-locked"}
    assert all(row["happened"] and row["safe"] and row["todo"] for row in listed)


def test_the_clock(home: Station, docked: Any) -> None:
    assert docked["ok"]
    told = home.json("clock", "--confirm")
    assert told["plausible"] is True
    assert home.value("SELECT count(*) FROM custody_event WHERE kind = 'clock-confirmed'") == 1


def test_the_language_of_the_locale(home: Station, docked: Any) -> None:
    assert docked["ok"]
    chinese = home.ok("verify", "--level", "lock", LC_ALL="zh_CN.UTF-8")
    assert re.search("[一-鿿]", chinese.text)
    english = home.ok("verify", "--level", "lock", LC_ALL="en_US.UTF-8")
    assert re.search(r"\d+ clips checked", english.text)
    missing = home.run("dock", "/nowhere", LC_ALL="zh_CN.UTF-8").expect(25)
    assert re.search("[一-鿿]", missing.err)
    # What scripts read does not change with the language.
    assert home.json("verify", "--level", "lock", LC_ALL="zh_CN.UTF-8")["ok"] is True


def test_the_receipt(home: Station, docked: Any, tmp_path: Path) -> None:
    assert docked["ok"]
    told = home.ok("dock", make_card(tmp_path / "card", {"note.txt": b"note"}))
    assert "SAFE" in told.text
    close = home.value("SELECT close_digest FROM docking ORDER BY id DESC LIMIT 1")
    assert close in told.text
    assert told.err == ""


@pytest.mark.slow
def test_old_seals_stay_valid_when_the_key_is_changed(home: Station, hostile: Any, tmp_path: Path) -> None:
    assert hostile["ok"]
    (before,) = home.json("keys", "list")
    told = home.json("keys", "rotate")
    assert told["retired"] == before["id"] != told["current"]
    retired = {row["id"]: row["retired"] is not None for row in home.json("keys", "list")}
    assert retired == {before["id"]: True, told["current"]: False}
    home.dock(make_card(tmp_path / "card", {"after.txt": b"after the change"}))
    signers = Counter(row[0] for row in home.rows("SELECT key_id FROM seal"))
    assert signers[told["current"]] == 1
    assert home.json("verify", "--level", "full")["ok"] is True

    seals = sorted(home.vault.rglob("*.p7s"))
    seals = [path for path in seals if ".locks" not in path.parts]
    documents = Counter(sealed_document(path).name.partition(".")[2] for path in seals)
    assert documents.keys() == {"json", "inventory.json", "close.json"}
    assert documents["json"] == home.value("SELECT count(*) FROM clip")
    for path in seals:
        assert openssl_accepts(home, path, sealed_document(path)), path
        changed = tmp_path / "changed"
        changed.write_bytes(sealed_document(path).read_bytes().replace(b'"schema"', b'"Schema"'))
        assert not openssl_accepts(home, path, changed), path


def test_help_is_quick_to_read(home: Station) -> None:
    told = home.ok("--help")
    for command in ("init", "dock", "clips", "verify"):
        assert command in told.text
    assert "sealdock dock" in home.ok("dock", "--help").text


def test_standard_output_survives_a_reader_that_goes_away(home: Station, docked: Any) -> None:
    assert docked["ok"]
    process = home.start("errors")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    with process:
        process.communicate(timeout=60)
    assert process.returncode == 141


@pytest.mark.parametrize("command", [["clips"], ["clips", "--json"], ["errors"], ["--help"]])
def test_output_that_cannot_be_written_is_an_error(home: Station, command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        line = [sys.executable, *home.wrapper, *command]
        ran = subprocess.run(
            line, env=home.variables(), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert ran.returncode == 108
    assert "No space left on device" in ran.stderr.decode()
    assert "Traceback" not in ran.stderr.decode()


def test_a_folder_that_is_no_home_and_a_register_that_is_gone(tmp_path: Path) -> None:
    nothing = Station(tmp_path / "home")
    nothing.home.mkdir()
    assert nothing.run("status", "--json").expect(14).error["error"] == "home-missing"
    station = nothing.init()
    station.register.rename(tmp_path / "kept")
    assert station.run("status", "--json").expect(74).error["error"] == "register-missing"
    assert not station.register.exists()
    (tmp_path / "kept").rename(station.register)
    station.ok("status")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_home_where_one_may_not_write(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    told = Station(tmp_path / "closed" / "home").run("init", "--json")
    assert told.expect(23).error["error"] == "home-unwritable"


@pytest.mark.root
def test_a_home_of_another_user(tmp_path: Path) -> None:
    station = Station(tmp_path / "home").init()
    os.chown(station.home, 65534, -1)
    told = station.run("status", "--json").expect(22)
    assert told.error["facts"]["user"] == "root"


@pytest.mark.parametrize(
    "command",
    [
        ("clips", "--since", "0001-01-01"),
        ("clips", "--until", "9999-12-31T23:59:59-10:00"),
        ("case", "window", FIRST, "--officer", "1", "--from", "0001-01-01", "--to", "9999-12-31"),
        ("recorders", "assign", "x", "--officer", "1", "--from", "0001-01-01"),
        ("recorders", "assign", "x", "--officer", "", "--from", "2026-01-01"),
        ("case", "window", FIRST, "--officer", "", "--from", "2026-01-01", "--to", "2026-01-02"),
    ],
)
def test_times_and_officers_out_of_this_world(home: Station, docked: Any, command: tuple[str, ...]) -> None:
    assert docked["ok"]
    told = home.run(*command)
    assert told.code in {2, 71}, told.err
    assert "Traceback" not in told.err


def test_the_log_level_of_one_call(home: Station, docked: Any, tmp_path: Path) -> None:
    assert docked["ok"]
    told = home.run("dock", tmp_path / "gone", SEALDOCK_LOG_LEVEL="debug", SEALDOCK_LOG_FORMAT="text")
    assert told.code == 25
    assert re.match(r"20\S+Z debug sealdock\.cli command-failed code=source-missing\nTraceback", told.err)
    assert "Traceback" not in home.run("dock", tmp_path / "gone").expect(25).err
    home.run("status", SEALDOCK_LOG_LEVEL="loud").expect(11)
