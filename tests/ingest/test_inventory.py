import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from config.profiles import load_profiles
from hashing import canonical
from ingest.inventory import Inventory, RecorderClaim, build
from ingest.recognition import recognise
from ingest.source import FolderSource
from metadata.clock import StationClock
from tests.support.card import fill
from tests.support.register import ACTOR, AT

NAMES = {b"a\nb": b"1", b"\xff\xe7": b"22", "录像/1.mp4".encode(): b"", b"z" * 255: b"4444", b'"\\': b"5"}


def taken(source: FolderSource, **changes: Any) -> Inventory:
    listing = source.walk(max_entries=100, max_depth=8)
    return build(
        **{
            "docking": "D",
            "station": "S",
            "operator": ACTOR,
            "claimed_officer": None,
            "source": str(source.root),
            "volume": source.volume,
            "recorder": RecorderClaim("R", source.volume.identity, None, "plain"),
            "clock": StationClock(lambda: AT, lambda: None).read(None),
            "listing": listing,
            "recognition": recognise(listing.entries, load_profiles(None)),
            "previous": [{"docking": "C", "inventory": "sha256:00", "close": None}],
        }
        | changes
    )


def raw(name: str | dict[str, str]) -> bytes:
    return name.encode() if isinstance(name, str) else base64.b64decode(name["bytes_b64"])


def test_it_is_canonical_and_digested(card: Path, source: FolderSource) -> None:
    fill(card, NAMES)
    found = taken(source)
    assert canonical.encode(canonical.decode(found.data)) == found.data
    assert found.digest.value == hashlib.sha256(found.data).digest()
    assert taken(source) == found


def test_names_and_facts_are_exact(card: Path, source: FolderSource) -> None:
    fill(card, NAMES)
    os.utime(card / ("z" * 255), ns=(0, 1_800_000_000_123_456_789))
    (card / "link").symlink_to("\udcff")
    document = json.loads(taken(source).data)
    entries = document["entries"]
    assert [raw(entry["path"]) for entry in entries] == sorted(NAMES)
    assert [entry["index"] for entry in entries] == list(range(len(NAMES)))
    assert {raw(entry["path"]): entry["size"] for entry in entries} == {k: len(v) for k, v in NAMES.items()}
    assert int(entries[2]["mtime_ns"]) == (card / ("z" * 255)).stat().st_mtime_ns
    assert document["skipped"] == [{"path": "link", "what": "symbolic link"}]
    assert isinstance(next(e["path"] for e in entries if raw(e["path"]) == b"\xff\xe7"), dict)


def test_it_says_who_when_and_what_came_before(card: Path, source: FolderSource) -> None:
    document = json.loads(taken(source, claimed_officer="007").data)
    assert document["operator"] == {"kind": "system-user", "id": "tester", "authenticated": "os-uid"}
    assert document["claimed_officer"] == "007"
    assert document["recorder"]["claimed"] is True
    assert document["previous"] == [{"close": None, "docking": "C", "inventory": "sha256:00"}]
    assert document["clock"] == {
        "at": "2026-11-20T08:30:15.123456Z",
        "plausible": True,
        "synchronised": "unknown",
    }
    assert document["entries"] == []
    assert document["source"] == str(card)


def test_a_card_mounted_at_a_name_that_is_no_text(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/card \xff"))
    odd.mkdir()
    with FolderSource(odd) as source:
        document = json.loads(taken(source).data)
    assert raw(document["source"]) == os.fsencode(odd)
