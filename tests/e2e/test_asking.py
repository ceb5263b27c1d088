"""Questions that cannot be answered are errors, and all answers spell times alike."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import ROOT, Station, make_card

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
SPELLED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--case", "苏吴城管罚字〔2026〕第999号", 67),
        ("--category", "rutine", 20),
        ("--recorder", "nobody", 72),
    ],
)
def test_filters_that_name_nothing(home: Station, option: str, value: str, code: int) -> None:
    refused = home.run("clips", option, value, "--json").expect(code)
    assert value in json.dumps(refused.error["facts"], ensure_ascii=False)


def test_filters_that_find_nothing(home: Station, docked: dict[str, Any]) -> None:
    assert docked["ok"]
    home.run("case", "add", "苏吴城管罚字〔2026〕第71号")
    assert "No clips." in home.ok("clips", "--case", "苏吴城管罚字〔2026〕第071号").text
    assert home.json("clips", "--category", "complaint") == []
    assert len(home.json("clips", "--recorder", docked["recorder"])) >= len(docked["clips"])


@pytest.mark.slow
def test_who_carries_a_recorder(station: Station, tmp_path: Path) -> None:
    recorder = station.dock(make_card(tmp_path / "card", {"1.MP4": b"1"}))["recorder"]

    def assign(officer: str, start: str, *end: str, code: int = 0) -> Any:
        ran = station.run(
            "recorders", "assign", recorder, "--officer", officer, "--from", start, *end, "--json"
        )
        return ran.expect(code)

    assert assign("1", "2026-03-01T08:00+08:00").json["from"] == "2026-03-01T00:00:00Z"
    assign("2", "2026-03-02T08:00+08:00", "--to", "2026-03-03T08:00+08:00")
    refused = assign("3", "2026-03-02T20:00+08:00", "--to", "2026-03-04T08:00+08:00", code=24)
    assert refused.error["facts"]["officer"] == "2"
    assign("3", "2026-03-01T20:00+08:00", code=24)
    (row,) = station.json("recorders", "list")
    assert row["assignments"] == [
        {"officer": "1", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
        {"officer": "2", "from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"},
    ]
    assert "  2  2026-03-02 08:00 - 2026-03-03 08:00" in station.ok("recorders", "list").text


@pytest.mark.slow
def test_times_are_spelled_in_one_way(home: Station, docked: dict[str, Any]) -> None:
    told = ("status", "clips", "keys list", "recorders list", "clock", "case list", "alerts list --all")
    answers = [docked, *(home.json(*command.split()) for command in told)]
    times = [text for answer in answers for text in strings(answer) if TIME.match(text)]
    assert times
    assert [text for text in times if not SPELLED.fullmatch(text)] == []


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in strings(item)] if isinstance(value, list) else []


def test_no_command_spells_a_time_itself() -> None:
    commands = (ROOT / "commands").glob("*.py")
    assert [path.name for path in commands if ".isoformat()" in path.read_text("utf-8")] == []


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    station = Station(tmp_path / "home")
    station.home.mkdir()
    (station.home / "holiday.jpg").write_bytes(b"x")
    refused = station.run("init", "--json").expect(23)
    assert refused.error["facts"]["problem"] == "the folder is not empty"
    assert [path.name for path in station.home.iterdir()] == ["holiday.jpg"]
    (station.home / "holiday.jpg").unlink()
    (station.home / "lost+found").mkdir()
    station.init()


def test_settings_that_were_written_before_init(tmp_path: Path) -> None:
    station = Station(tmp_path / "home")
    station.home.mkdir()
    (station.home / "sealdock.toml").write_text('[station]\nid = "early"\n')
    assert station.json("init")["station"] == "early"


def test_a_schedule_that_is_not_there(home: Station, tmp_path: Path) -> None:
    refused = home.run("status", "--json", SEALDOCK_RETENTION_SCHEDULE=str(tmp_path / "none.toml")).expect(21)
    assert refused.error["error"] == "schedule-invalid"
    assert "there is no such file" in refused.error["happened"]
