"""Cases, links, the work list, tags, and what they do to locks."""

import csv
import io
import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.footage import FIRST, OFFICER, SECOND, THIRD
from tests.support.station import (
    Station,
    clip_key,
    make_card,
)

pytestmark = pytest.mark.slow


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
    assert "--move" in refused.error["todo"]
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
    card = make_card(
        tmp_path / "card", {"DEF1234_077777_20260302093000_0001.MP4": video.read_bytes() + b"another"}
    )
    (clip,) = home.dock(card)["clips"]
    assert clip["case"] is None
    assert [found["id"] for found in home.json("clips", "--ambiguous")] == [clip["id"]]
    home.json("link", clip["id"], "--case", number.format(42))
    assert home.json("clips", "--ambiguous") == []


def test_a_clip_by_the_start_of_its_digest(home: Station, clips: dict[str, dict[str, Any]]) -> None:
    (found,) = home.json("tag", clips["afternoon"]["sha256"][:10], "--category", "routine")
    assert found["id"] == clips["afternoon"]["id"]
    assert {clip["id"] for clip in home.json("clips", "--category", "routine")} == {found["id"]}
    refused = home.run("tag", "ffffff0000", "--category", "routine", "--json").expect(65)
    assert refused.error["error"] == "clip-not-found"
    told = home.json("config", "categories")
    names = [each["name"] for each in told["categories"]]
    assert "routine" in names
    assert (told["floor_months"], told["case_months"]) == (6, None)
    shown = home.ok("config", "categories").text
    assert [line.split()[0] for line in shown.splitlines()[:-1]] == names
    assert re.search(r"^inspection +12 months  Inspection$", shown, re.MULTILINE)
    assert shown.splitlines()[-1] == "Every clip: 6 months. In a case: permanent."
    assert "行政检查" in home.ok("config", "categories", SEALDOCK_LANGUAGE="zh_CN").text
    assert home.json("config", "profiles")[-1]["name"] == "plain"
    assert "GoPro" in home.ok("config", "profiles").text
    wrong = home.run("tag", found["id"], "--category", "inspektion", "--json").expect(20)
    assert wrong.error["facts"]["known"] == names
    assert wrong.error["facts"]["nearest"] == "inspection"


def test_locks_grow_and_never_shrink(home: Station, hostile: Any) -> None:
    clip = next(clip for clip in hostile["clips"] if clip["path"] == "-rf")
    key = clip_key(clip["sha256"])
    beside = [
        found
        for found in home.stored_keys()
        if found.startswith(f"seals/{clip['sha256']}/") or hostile["docking"] in found
    ]
    assert len(beside) == 6
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
    nothing = {"linked": 0, "ambiguous": 0, "other_titles": [], "duplicates": []}
    assert home.json("case", "import", table) == {"cases": 2, "windows": 1, **nothing}
    events = home.value("SELECT count(*) FROM custody_event")
    assert home.json("case", "import", table) == {"cases": 0, "windows": 0, **nothing}
    assert home.value("SELECT count(*) FROM custody_event") == events
    titles = {row["case"]: row["title"] for row in home.json("case", "list")}
    assert titles["苏吴城管罚字〔2026〕第31号"] == "占道经营"
    assert titles["苏吴城管罚字〔2026〕第32号"] == formula
    shown = home.json("case", "show", "苏吴城管罚字〔2026〕第31号")
    assert shown["windows"] == [
        {"officer": "055555", "from": "2026-04-01T01:00:00Z", "to": "2026-04-01T02:00:00Z"}
    ]


def test_import_names_what_looks_like_a_mistake(home: Station, docked: Any, tmp_path: Path) -> None:
    """Rows that say the same, and a title that is not the register's; the register keeps its own."""
    assert docked["ok"]
    number = "苏吴城管罚字〔2026〕第61号"
    empty = {"officer": "", "from": "", "to": ""}
    home.json("case", "add", number, "--title", "占道经营")
    rows = [
        {"number": number, "title": "无证摊贩", **empty},
        {"number": number, "title": "占道经营", **empty},
        {"number": "苏吴城管罚字[2026]第061号", "title": "占道经营", **empty},
        {"number": number, "title": "", **empty},
    ]
    table = write_csv(tmp_path / "cases.csv", rows)
    told = home.json("case", "import", table)
    assert told["other_titles"] == [{"line": 2, "case": number, "title": "无证摊贩", "kept": "占道经营"}]
    assert told["duplicates"] == [{"line": 4, "case": number, "first": 3}]
    assert {row["case"]: row["title"] for row in home.json("case", "list")}[number] == "占道经营"
    text = home.ok("case", "import", table).text
    assert "Line 2" in text
    assert "Line 4" in text


def test_import_names_every_bad_row_and_takes_none(home: Station, docked: Any, tmp_path: Path) -> None:
    assert docked["ok"]
    good = {"number": "苏吴城管罚字〔2026〕第51号", "title": "", "officer": "", "from": "", "to": ""}
    span = {"from": "2026-04-01T10:00", "to": "2026-04-01T09:00"}
    rows = [good, {**good, "number": ""}, {**good, "officer": "1"}, {**good, "officer": "1", **span}]
    before = home.value("SELECT count(*) FROM enforcement_case")
    refused = home.run("case", "import", write_csv(tmp_path / "bad.csv", rows), "--json").expect(71)
    assert re.findall(r"(?:^|; )(\d+):", str(refused.error["facts"]["rows"])) == ["3", "4", "5"]
    assert home.value("SELECT count(*) FROM enforcement_case") == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"number,title,title\n1,a,b\n", "1: the column title is there twice"),
        (b"number,titel\n1,a\n", "1: columns must be number, title, officer, from, to"),
        (b"number,title\n1,a\x00b\n", "2: control characters in the title"),
        (b'number,title\n1,"a\x1b[2Jb"\n', "2: control characters in the title"),
        (b"number\nx y z\n", "2: This is not a case number: x y z."),
        (
            b"number,officer,from,to\n1,1,1 March,2026-03-02\n",
            "2: 1 March is not a time like 2026-03-01T09:30",
        ),
    ],
    ids=["twice", "unknown", "nul", "escape", "number", "time"],
)
def test_import_says_why(home: Station, tmp_path: Path, text: bytes, reason: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(text)
    assert reason in home.run("case", "import", table).expect(71).err


def test_import_takes_a_file_and_nothing_else(home: Station, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/null"):
        assert "no regular file" in home.run("case", "import", path).expect(71).err


def test_a_long_table_asks_the_register_for_pages(home: Station, tmp_path: Path) -> None:
    rows = [
        {
            "number": f"T-{index % 1100}",
            "title": "",
            "officer": f"{index % 700:06}",
            "from": "2026-05-01T09:00",
            "to": "2026-05-01T10:00",
        }
        for index in range(1200)
    ]
    table = write_csv(tmp_path / "long.csv", rows)
    before = home.value("SELECT count(*) FROM custody_event")
    told = home.json("case", "import", table)
    assert (told["cases"], told["windows"]) == (1100, 1200)
    assert home.value("SELECT count(*) FROM custody_event") == before + 2300
    assert home.ok("case", "import", table).text.endswith(
        "0 cases and 0 windows added; 0 clips linked, 0 to decide.\n"
    )
    one = tmp_path / "one.csv"
    one.write_text("number,officer,from,to\nT-1,000001,2026-05-02T09:00,2026-05-02T10:00\n")
    assert "0 cases and 1 window added;" in home.ok("case", "import", one).text


def test_a_title_is_a_line_of_text(home: Station) -> None:
    assert "--title" in home.run("case", "add", "T-2000", "--title", "a\nb").expect(2).err
    home.run("case", "add", "x y z").expect(69)
