"""A home in which something of everything happened, and what its ledger says of it."""

from pathlib import Path
from typing import Any

from tests.support.footage import FIRST, OFFICER
from tests.support.station import Station, make_card

PUBLISHED = 6
"""Objects that publishing the log after a docking of two clips brings: two bundles of theirs and one of the
register, a tile, its entries, the checkpoint."""


def live(station: Station, folder: Path, video: bytes) -> Station:
    """Let something of everything happen in a home."""
    window = ["--officer", OFFICER, "--from", "2026-03-01T09:00+08:00", "--to", "2026-03-01T10:30+08:00"]
    station.ok("case", "add", FIRST, *window)
    files = {
        "DCIM/a.mp4": video,
        "DCIM/b.txt": b"b",
        "DCIM/名.txt": b"c",
        b"DCIM/\xff.txt": b"d",
    }
    card = make_card(folder / "card", files)
    found = station.dock(card, "--officer", OFFICER)
    first, second, *_ = (clip["id"] for clip in found["clips"])
    station.ok("tag", first, "--category", "case-evidence")
    station.ok("link", first, second, "--case", FIRST)
    station.ok("hold", "set", second, "--reason", "appeal")
    station.ok("hold", "release", second, "--reason", "over")
    station.ok("verify", "--level", "full")
    station.ok("derive")
    station.ok("retrieve", first, "--purpose", "hearing", "--to", folder / "out")
    station.ok("keys", "rotate")
    (card / "DCIM/e.txt").write_bytes(b"e")
    station.dock(card)
    return station


def checked(station: Station, code: int) -> dict[str, Any]:
    found: dict[str, Any] = station.run("ledger", "check", "--json").expect(code).json
    assert found["ok"] is (code == 0)
    assert found["found"] == len(found["differences"])
    return found


def events(station: Station) -> int:
    count: int = station.value("SELECT count(*) FROM custody_event")
    return count


def a_clip(station: Station) -> str:
    found: str = station.value("SELECT id FROM clip WHERE name = 'b.txt'")
    return found
