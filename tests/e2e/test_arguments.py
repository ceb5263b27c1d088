"""What people type: bytes that are no text, blanks, numbers that are none."""

import os
from pathlib import Path

import pytest

from tests.support.station import Station, make_card

pytestmark = pytest.mark.slow


@pytest.fixture
def docked(station: Station, tmp_path: Path) -> Station:
    station.dock(make_card(tmp_path / "card", {"a.mp4": b"a"}), "--officer", " 012345\t")
    return station


def test_an_argument_that_is_not_text_is_wrong_usage(docked: Station, tmp_path: Path) -> None:
    (clip,) = docked.json("clips")
    for arguments in (
        ("clips", "--text", b"\xff"),
        ("tag", b"\xff", "--category", "inspection"),
        ("retrieve", clip["id"], "--purpose", b"\xff", "--to", tmp_path / "out"),
        ("--home", b"x\xff", "init"),
        ("init", "--home", b"x\xff"),
    ):
        assert "UTF-8" in docked.run(*arguments).expect(2).err
    assert {path.name for path in docked.home.parent.iterdir()} >= {docked.home.name}
    assert not (tmp_path / "out").exists()
    assert not any(b"\xff" in os.fsencode(path) for path in docked.home.parent.iterdir())


def test_a_folder_may_have_any_name(docked: Station, tmp_path: Path) -> None:
    (clip,) = docked.json("clips")
    out = tmp_path / os.fsdecode(b"out\xff")
    assert "a.mp4" in docked.ok("retrieve", clip["id"], "--purpose", "review", "--to", out).text
    (given,) = docked.json("retrieve", clip["id"], "--purpose", "review", "--to", out)
    assert (out / "a.mp4").read_bytes() == b"a" == Path(given["file"]).read_bytes()
    assert docked.dock(make_card(tmp_path / os.fsdecode(b"card\xff"), {"b.mp4": b"b"}))["ok"]
    named = tmp_path / "ho\nme"
    assert "ho\\nme" in docked.ok("init", "--home", named).text


def test_filters_that_name_nothing(docked: Station) -> None:
    (recorder,) = docked.json("recorders", "list")
    for named in (recorder["id"], recorder["identity"]):
        assert len(docked.json("clips", "--recorder", named)) == 1
    assert docked.run("clips", "--docking", "nope", "--json").expect(88).error["error"] == "docking-not-found"
    docked.run("clips", "--since", "2026-03-02", "--until", "2026-03-01").expect(2)
    docked.ok("recorders", "assign", recorder["identity"], "--officer", "1", "--from", "2026-03-01")
    times = docked.run("clips", "--since", "yesterday", SEALDOCK_LANGUAGE="zh-CN").expect(2)
    assert "2026-03-01T09:30+08:00" in times.err
    assert "is not a time" not in times.err


def test_a_list_says_that_there_is_more(docked: Station) -> None:
    assert "--limit" in docked.ok("locks", "list", "--limit", "2").text
    assert "--limit" not in docked.ok("locks", "list").text
    assert len(docked.json("locks", "list", "--limit", "2")) == 2


def test_an_officer_number_has_no_blanks_around_it(docked: Station, tmp_path: Path) -> None:
    assert docked.value("SELECT id FROM officer") == "012345"
    assert len(docked.json("clips", "--officer", "012345 ")) == 1
    times = ("--from", "2026-03-01", "--to", "2026-03-02")
    for arguments in (
        ("dock", tmp_path / "card", "--officer", " "),
        ("dock", tmp_path / "card", "--officer", "x" * 65),
        ("case", "add", "2026-1", "--officer", " ", *times),
        ("case", "add", "2026-1", "--officer", "", *times),
        ("case", "window", "2026-1", "--officer", "\x1b", *times),
        ("recorders", "assign", "x", "--officer", "", *times),
    ):
        assert "officer number" in docked.run(*arguments).expect(2).err
    assert docked.json("case", "list") == []
