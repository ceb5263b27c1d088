"""Alerts: in words and in local time, acknowledged by somebody, never gone."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from commands.alert_texts import TEXTS, told
from tests.support.station import ROOT, Station, digest_of, make_card, writable

FAR = {"SEALDOCK_STATION_TIME_ZONE": "Asia/Shanghai"}


@pytest.fixture
def alarmed(station: Station, tmp_path: Path) -> tuple[Station, dict[str, Any]]:
    """A home in which somebody changed a stored clip and a card came back with other bytes."""
    card = make_card(tmp_path / "card", {"1.MP4": b"first", "2.MP4": b"second"})
    docked = station.dock(card)
    with writable(station.object(digest_of(b"first"))) as path:
        path.write_bytes(b"FIRST")
    station.run("verify", "--level", "full").expect(44)
    return station, docked


@pytest.mark.slow
def test_an_alert_is_acknowledged(alarmed: tuple[Station, dict[str, Any]]) -> None:
    station, _docked = alarmed
    (alert,) = station.json("alerts", "list")
    assert alert["kind"] == "integrity"
    assert alert["at"].endswith("Z")
    assert alert["acknowledged"] is None
    shown = station.ok("alerts", "list", **FAR).text
    assert "An integrity check found something wrong: digest." in shown
    assert "{" not in shown
    hours = [
        station.ok("alerts", "list", SEALDOCK_STATION_TIME_ZONE=zone).text[:30]
        for zone in ("UTC", "Asia/Tokyo")
    ]
    assert hours[0] != hours[1]
    status = station.ok("status")
    assert "ALERT" in status.text
    assert "{" not in status.text

    done = station.json("alerts", "acknowledge", alert["id"][-8:], "--note", "磁盘已更换")
    assert done == [{"id": alert["id"], "kind": "integrity", "acknowledged": True}]
    assert station.json("alerts", "list") == []
    assert "No alerts." in station.ok("alerts", "list").text
    assert "ALERT" not in station.ok("status").text
    assert station.json("status")["alert_counts"] == {}
    (kept,) = station.json("alerts", "list", "--all")
    assert kept["acknowledged"]["note"] == "磁盘已更换"
    assert kept["acknowledged"]["by"]["kind"] == "system-user"
    assert "磁盘已更换" in station.ok("alerts", "list", "--all").text
    (event,) = station.rows("SELECT body, clip_id FROM custody_event WHERE kind = 'alert-acknowledged'")
    assert "磁盘已更换".encode() in event[0]
    assert event[1] == kept["clip"]

    again = station.json("alerts", "acknowledge", alert["id"], "--note", "once more")
    assert again[0]["acknowledged"] is False
    assert station.json("alerts", "list", "--all")[0]["acknowledged"]["note"] == "磁盘已更换"
    assert station.value("SELECT count(*) FROM custody_event WHERE kind = 'alert-acknowledged'") == 1


@pytest.mark.slow
def test_what_is_no_alert(alarmed: tuple[Station, dict[str, Any]]) -> None:
    station, _docked = alarmed
    (alert,) = station.json("alerts", "list")
    for name in ("0" * 26, "short", "", "%%%%%%%%", "______________________"):
        station.run("alerts", "acknowledge", alert["id"], name, "--note", "x").expect(2)
    station.run("alerts", "acknowledge", alert["id"], "--note", "  ").expect(2)
    assert len(station.json("alerts", "list")) == 1


def test_every_kind_of_alert_has_its_words() -> None:
    found = set()
    for path in (ROOT / "jobs").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "raise_alert":
                kind = node.args[1]
                found.add(constants[kind.id] if isinstance(kind, ast.Name) else ast.literal_eval(kind))
    assert found == set(TEXTS)
    for kind in TEXTS:
        assert re.fullmatch(r"[A-Z].*\.", told(kind, {}))
    assert told("new-kind", {"a": "\x1b[31m"}) == "new-kind, a \\x1b[31m"


def test_a_key_that_ends_soon_is_an_alarm(station: Station, tmp_path: Path) -> None:
    assert station.json("status")["key"]["expires_soon"] is False
    soon = {"SEALDOCK_KEYS_EXPIRY_WARNING_DAYS": "3650"}
    assert station.json("status", **soon)["key"]["expires_soon"] is True
    for number in (1, 2):  # once for each key, not at every docking
        station.dock(make_card(tmp_path / f"card{number}", {f"{number}.mp4": b"%d" % number}), **soon)
        told = station.json("status", **soon)
        assert told["alert_counts"] == {"key-expires": 1}
    (key,) = [key for key in station.json("keys", "list", **soon) if key["purpose"] == "station"]
    assert key["expires_soon"] is True
    assert "KEY: it expires soon" in station.ok("status", **soon).text
    assert "EXPIRES SOON" in station.ok("keys", "list", **soon).text
    (alert,) = station.json("alerts", "list")
    assert alert["kind"] == "key-expires"
    assert alert["facts"]["key"] == key["id"]
    station.ok("keys", "rotate")
    station.dock(make_card(tmp_path / "card3", {"3.mp4": b"3"}), **soon)
    assert station.json("status", **soon)["alert_counts"] == {"key-expires": 2}
