"""The way of footage through one home: docked, linked, found, given out, checked."""

import csv
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import (
    Station,
    clip_key,
    digest_of,
    make_card,
    openssl_accepts,
    sealed_document,
    thaw,
)

OFFICER = "012345"
FIRST, SECOND, THIRD = (f"苏吴城管罚字〔2026〕第{number}号" for number in (25, 26, 27))
CLIPS = {
    "morning": f"DCIM/ABC1234_{OFFICER}_20260301093000_0001.MP4",
    "eleven": f"DCIM/ABC1234_{OFFICER}_20260301110000_0002_IMP.MP4",
    "afternoon": f"DCIM/ABC1234_{OFFICER}_20260301150000_0003.JPG",
}
HOSTILE = {
    "con: <x>|?.mp4": b"reserved signs",
    "two\nlines.txt": b"a line break",
    "-rf": b"looks like an option",
    "a/same.txt": b"one",
    "b/same.txt": b"another",
    "执法 记录.txt": b"Chinese and a space",
    ".hidden": b"a dot in front",
    "x": b"its manifest goes by the name of the next one",
    "x.manifest.json": b"a clip that is called like a manifest",
}
STATES = {"found", "offloaded", "sealed", "stored", "confirmed", "released"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A home made by init, with its vault as protected as this user can make it."""
    station = Station(tmp_path_factory.mktemp("main") / "home", {"SEALDOCK_VAULT_IMMUTABLE": "auto"})
    yield station.init()
    thaw(station.home)


@pytest.fixture(scope="module")
def media_bytes(video: Path, picture: Path) -> dict[str, bytes]:
    return {
        CLIPS["morning"]: video.read_bytes(),
        CLIPS["eleven"]: video.read_bytes() + bytes(16),
        CLIPS["afternoon"]: picture.read_bytes(),
    }


@pytest.fixture(scope="module")
def docked(home: Station, media_bytes: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What ``dock --json`` says of a recorder whose names tell officer and time; one case is known."""
    window = ["--officer", OFFICER, "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:30+08:00"]
    assert home.json("case", "add", FIRST, *window) == {"case": FIRST, "linked": 0, "ambiguous": 0}
    return home.dock(make_card(tmp_path_factory.mktemp("card"), media_bytes))


@pytest.fixture(scope="module")
def clips(docked: Any) -> dict[str, dict[str, Any]]:
    """The clips of that docking by what they are called here."""
    by_path = {clip["path"]: clip for clip in docked["clips"]}
    return {word: by_path[path] for word, path in CLIPS.items()}


@pytest.fixture(scope="module")
def hostile(home: Station, docked: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A second recorder whose names are meant to do harm."""
    assert docked["ok"]
    return home.dock(make_card(tmp_path_factory.mktemp("hostile"), dict(HOSTILE)), "--officer", "999")


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


def test_a_clip_in_a_window_of_its_officer_is_linked(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    assert clips["morning"]["case"] == FIRST
    assert "linked" in home.events(clips["morning"]["id"])
    assert clips["afternoon"]["case"] is None


def test_two_cases_that_might_claim_a_clip_leave_it_to_a_person(
    home: Station, clips: dict[str, dict[str, Any]]
) -> None:
    for number in (SECOND, THIRD):
        window = ["--officer", OFFICER, "--from", "2026-03-01T10:55+08:00", "--to", "2026-03-01T11:30+08:00"]
        told = home.json("case", "add", number, *window)
        if number == SECOND:
            assert told == {"case": SECOND, "linked": 1, "ambiguous": 0}
    eleven = clips["eleven"]["id"]
    assert home.value("SELECT count(*) FROM link_candidate WHERE clip_id = ?", eleven) == 0
    refused = home.run("link", eleven, "--case", THIRD, "--json").expect(70)
    assert refused.error["facts"] == {"clip": eleven, "case": SECOND}
    (moved,) = home.json("link", eleven, "--case", THIRD, "--move")
    assert moved["case"] == THIRD
    assert Counter(home.events(eleven))["linked"] == 2
    assert Counter(home.events(eleven))["unlinked"] == 1


def test_the_work_list(home: Station, docked: Any, video: Path, tmp_path: Path) -> None:
    assert docked["ok"]
    number = "苏吴城管罚字〔2026〕第{}号"
    rows = [
        {
            "number": number.format(index),
            "title": "",
            "officer": "077777",
            "from": "2026-03-02T09:00",
            "to": "2026-03-02T10:00",
        }
        for index in (41, 42)
    ]
    home.json("case", "import", write_csv(tmp_path / "cases.csv", rows))
    card = make_card(tmp_path / "card", {"DEF1234_077777_20260302093000_0001.MP4": video.read_bytes()})
    (clip,) = home.dock(card)["clips"]
    assert clip["case"] is None
    assert [found["id"] for found in home.json("clips", "--ambiguous")] == [clip["id"]]
    home.json("link", clip["id"], "--case", number.format(42))
    assert home.json("clips", "--ambiguous") == []


def test_filters(home: Station, clips: dict[str, dict[str, Any]], hostile: Any) -> None:
    def found(*filters: str) -> set[str]:
        return {clip["path"] for clip in home.json("clips", *filters)}

    assert hostile["ok"]
    everything = home.json("clips")
    promised = {"id", "name", "sha256", "size", "state", "case", "reason"}
    assert all(promised <= clip.keys() for clip in everything)
    morning = clips["morning"]
    assert found("--case", "苏吴城管罚字[2026]第25号") == {CLIPS["morning"]}
    assert found("--officer", "999") == set(HOSTILE)
    assert found("--recorder", morning["recorder"]) == set(CLIPS.values())
    span = ("--since", "2026-03-01T10:00+08:00", "--until", "2026-03-01T15:00+08:00")
    assert found(*span) == {CLIPS["eleven"]}
    assert CLIPS["morning"] not in found("--unlinked", "--officer", OFFICER)
    assert found("--text", "_0003.") == {CLIPS["afternoon"]}
    assert found("--text", morning["sha256"][:12]) == {CLIPS["morning"]}
    assert found("--state", "quarantined") == set()


def test_a_clip_by_the_start_of_its_digest(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    (found,) = home.json("tag", clips["afternoon"]["sha256"][:10], "--category", "routine")
    assert found["id"] == clips["afternoon"]["id"]
    assert {clip["id"] for clip in home.json("clips", "--category", "routine")} == {found["id"]}
    refused = home.run("tag", "ffffff0000", "--category", "routine", "--json").expect(65)
    assert refused.error["error"] == "clip-not-found"
    wrong = home.run("tag", found["id"], "--category", "inspektion", "--json").expect(20)
    assert wrong.error["facts"]["nearest"] == "inspection"


def test_locks_grow_and_never_shrink(home: Station, hostile: Any) -> None:
    clip = next(clip for clip in hostile["clips"] if clip["path"] == "-rf")
    key = clip_key(clip["sha256"])
    beside = [found for found in home.stored_keys() if found.startswith(f"seals/{clip['sha256']}/")]
    assert len(beside) == 2
    now = datetime.now(UTC)
    assert timedelta(days=170) < home.lock(key) - now < timedelta(days=190)

    home.json("tag", clip["id"], "--category", "inspection")
    longer = home.lock(key)
    assert timedelta(days=360) < longer - now < timedelta(days=370)
    assert {home.lock(found) for found in beside} == {longer}
    home.json("tag", clip["id"], "--category", "routine")
    assert home.lock(key) == longer

    (linked,) = home.json("link", clip["id"], "--case", FIRST)
    assert linked["permanent"]
    longest = home.lock(key)
    assert timedelta(days=390) < longest - now < timedelta(days=400)
    assert {home.lock(found) for found in beside} == {longest}
    kinds = Counter(home.events(clip["id"]))
    assert (kinds["tagged"], kinds["linked"], kinds["lock-extended"]) == (2, 1, 2)


def test_cases_shown_and_listed(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    shown = home.json("case", "show", "苏吴城管罚字 [2026] 第25号")
    assert shown["case"] == FIRST
    assert clips["morning"]["id"] in {clip["id"] for clip in shown["clips"]}
    assert shown["windows"][0]["officer"] == OFFICER
    listed = {row["case"]: row["clips"] for row in home.json("case", "list")}
    assert listed[FIRST] == len(shown["clips"])
    assert (
        home.run("case", "show", "苏吴城管罚字〔2026〕第999号", "--json").expect(67).error["error"]
        == "case-not-found"
    )
    assert home.run("case", "add", FIRST, "--json").expect(68).error["error"] == "case-exists"


def write_csv(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["number", "title", "officer", "from", "to"])
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def test_import_in_the_encoding_of_the_office(home: Station, docked: Any, tmp_path: Path) -> None:
    assert docked["ok"]
    formula = '=HYPERLINK("http://192.0.2.1/","点击")'
    window = {"officer": "055555", "from": "2026-04-01 09:00", "to": "2026-04-01 10:00"}
    rows = [
        {"number": "苏吴城管罚字【2026】第31号", "title": "占道经营", **window},
        {"number": "苏吴城管罚字〔2026〕第32号", "title": formula, "officer": "", "from": "", "to": ""},
    ]
    table = write_csv(tmp_path / "cases.csv", rows, "gbk")
    assert home.json("case", "import", table) == {"cases": 2, "windows": 1, "linked": 0, "ambiguous": 0}
    events = home.value("SELECT count(*) FROM custody_event")
    assert home.json("case", "import", table) == {"cases": 0, "windows": 0, "linked": 0, "ambiguous": 0}
    assert home.value("SELECT count(*) FROM custody_event") == events
    titles = {row["case"]: row["title"] for row in home.json("case", "list")}
    assert titles["苏吴城管罚字〔2026〕第31号"] == "占道经营"
    assert titles["苏吴城管罚字〔2026〕第32号"] == formula
    shown = home.json("case", "show", "苏吴城管罚字〔2026〕第31号")
    assert shown["windows"] == [
        {"officer": "055555", "from": "2026-04-01T01:00:00+00:00", "to": "2026-04-01T02:00:00+00:00"}
    ]


def test_import_names_every_bad_row_and_takes_none(home: Station, docked: Any, tmp_path: Path) -> None:
    assert docked["ok"]
    good = {"number": "苏吴城管罚字〔2026〕第51号", "title": "", "officer": "", "from": "", "to": ""}
    span = {"from": "2026-04-01T10:00", "to": "2026-04-01T09:00"}
    rows = [good, {**good, "number": ""}, {**good, "officer": "1"}, {**good, "officer": "1", **span}]
    before = home.value("SELECT count(*) FROM enforcement_case")
    refused = home.run("case", "import", write_csv(tmp_path / "bad.csv", rows), "--json").expect(71)
    assert re.findall(r"(?:^|; )(\d+):", str(refused.error["facts"]["rows"])) == ["3", "4", "5"]
    assert home.value("SELECT count(*) FROM enforcement_case") == before


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


def test_previews(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    waiting = home.json("status")["to_derive"]
    assert home.json("derive") == {"derived": waiting}
    assert home.json("derive") == {"derived": 0}
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
