"""The life of a station in brief: nearly everything happens that leaves a document or an event."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.station import Station, flip

CASE = "苏吴城管罚字〔2026〕第25号"
WINDOW = ("--officer", "012345", "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:00+08:00")


class Written(NamedTuple):
    """A station after its life in brief, copies that it gave out, and its documents by kind."""

    station: Station
    out: Path
    documents: dict[str, list[dict[str, Any]]]


def live(folder: Path, card: Path) -> Written:
    """Make a home in ``folder``, do what one does with it, and change one clip in the vault at the end."""
    settings = {"SEALDOCK_HASHING_ALGORITHMS": "sha256,sm3", "SEALDOCK_STATION_ID": "station-07"}
    station = Station(folder / "home", settings).init()
    station.ok("case", "add", CASE, *WINDOW)
    found = station.dock(card, "--officer", "012345")
    station.dock(card, "--reread")
    first, second = found["clips"][:2]
    station.ok("retrieve", "--case", CASE, "--purpose", "case review", "--to", folder / "out")
    station.ok("tag", first["id"], "--category", "obstruction")
    station.ok("case", "add", "2026-2", *WINDOW)
    station.ok("link", first["id"], "--case", "2026-2", "--move")
    (recorder,) = station.json("recorders", "list")
    station.ok("recorders", "assign", recorder["id"], "--officer", "012345", "--from", "2026-03-01")
    station.ok("hold", "set", first["id"], "--case", CASE, "--reason", "appeal")
    station.ok("hold", "release", "--case", CASE, "--reason", "decided")
    station.ok("derive")
    station.ok("keys", "rotate")
    station.ok("clock", "--confirm")
    flip(station.object(second["sha256"]))
    station.run("verify", "--level", "full").expect(44)
    alert = station.json("alerts", "list")[0]
    station.ok("alerts", "acknowledge", alert["id"], "--note", "the disk was replaced")
    return Written(station, folder / "out", _documents(station))


def _documents(station: Station) -> dict[str, list[dict[str, Any]]]:
    objects = {key: station.vault / key for key in station.stored_keys()}
    rows = station.rows("SELECT body FROM custody_event ORDER BY sequence")
    return {
        "manifest": [_read(path) for key, path in objects.items() if _is(key, "seals/", ".json")],
        "inventory": [
            _read(path) for key, path in objects.items() if _is(key, "dockings/", ".inventory.json")
        ],
        "close": [_read(path) for key, path in objects.items() if _is(key, "dockings/", ".close.json")],
        "lock": [_read(station.vault / ".locks" / f"{key}.json") for key in objects],
        "event": [json.loads(body) for (body,) in rows],
    }


def _is(key: str, start: str, end: str) -> bool:
    return key.startswith(start) and key.endswith(end)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
