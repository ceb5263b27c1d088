import hashlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from metadata.events import EventKind
from tests.docs.console import ROOT, blocks, normal, run, steps
from tests.docs.life import Written

pytestmark = pytest.mark.slow

TEXT = (ROOT / "docs" / "formats.md").read_text("utf-8")
SECTIONS = {
    "manifest": "Manifest",
    "inventory": "Inventory",
    "close": "Close-out",
    "event": "Custody events",
    "lock": "Lock records of a local vault",
}
UNSEEN = {
    "station-joined",
    "configured",
    "key-trusted",
    "timestamped",
    "waiting",
    "quarantined",
    "missing-at-unplug",
    "found-again",
    "cleared",
    "clearing-refused",
    "link-ambiguous",
    "restored",
    "preflight",
    "reconciled",
    "copied",
    "caught-up",
    "rebuilt",
}
"""What the station's life does not bring about; everything else must have been seen."""


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> dict[str, str]:
    """Return the rows of a section's tables: what their first cells name, and the whole line."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return {name: line for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def fields(value: Any, name: str = "") -> Iterator[str]:
    """Yield the path of every field of a document; those of list items are below ``name[]``."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from fields(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield f"{name}[]"
        for item in value:
            yield from fields(item, f"{name}[]") if isinstance(item, dict) else ()
    else:
        yield name


def named(path: str, table: dict[str, str]) -> bool:
    """Tell whether a table has a row for the path, or one for the object it is in that names it."""
    if path in table:
        return True
    parent, _, last = path.rpartition(".")
    return parent in table and f"`{last}`" in table[parent]


@pytest.mark.parametrize("kind", ["manifest", "inventory", "close", "lock"])
def test_every_field_of_real_documents_is_described(written: Written, kind: str) -> None:
    table = rows(SECTIONS[kind])
    assert written.documents[kind]
    found = {path for document in written.documents[kind] for path in fields(document)}
    assert {path for path in found if not named(path, table)} == set()
    assert {name for name in table if not any(path.startswith(name) for path in found)} == set()


def test_every_field_of_real_events_is_described(written: Written) -> None:
    table = rows(SECTIONS["event"])
    for event in written.documents["event"]:
        facts = event.pop("facts")
        if "settings" in facts:
            facts["settings"] = None  # by name, as the manual of settings has them
        assert {path for path in fields(event) if not named(path, table)} == set()
        described = table[event["kind"]]
        assert {
            path for path in fields(facts) if f"`{path.split('.')[-1].rstrip('[]')}`" not in described
        } == set()


def test_every_kind_of_event_is_described(written: Written) -> None:
    table = rows(SECTIONS["event"])
    assert {kind.value for kind in EventKind} <= set(table)
    seen = {event["kind"] for event in written.documents["event"]}
    assert {kind.value for kind in EventKind} - seen == UNSEEN


def test_leaf_hashes_are_made_as_described(written: Written) -> None:
    events = written.station.rows(
        "SELECT sequence, body, salt, leaf_hash FROM custody_event ORDER BY sequence"
    )
    assert [row[0] for row in events] == list(range(len(events)))
    for _, body, salt, leaf in events:
        assert len(salt) == 32
        assert leaf == hashlib.sha256(b"\x00" + hashlib.sha256(salt + body).digest()).digest()


@pytest.mark.parametrize("size", [None, 0, 1, 8 * 1024 * 1024, 41 * 1024 * 1024 + 5])
def test_a_third_party_can_check_a_clip(written: Written, tmp_path: Any, size: int | None) -> None:
    station = written.station
    name = "SEAL0001.MP4"
    if size is None:
        source = written.out
    else:
        card, source = tmp_path / "card", tmp_path / "given"
        card.mkdir()
        with (card / name).open("wb") as clip:
            clip.truncate(size)
        (found,) = station.dock(card)["clips"]
        station.ok("retrieve", found["id"], "--purpose", "check", "--to", source)
    work = tmp_path / "work"
    work.mkdir()
    for path in source.glob(f"{name}*"):
        shutil.copy(path, work)
    shutil.copy(station.home / "keys" / "authority.pem", work)
    (script,) = (block.text for block in blocks(TEXT) if block.kind == "python")
    (work / "check_clip.py").write_text(script)
    commands = steps(section("Check a clip without sealdock"))
    assert len(commands) == 2
    printed = run(commands, work, {})
    assert [normal(text, work) for text in printed] == [normal(step.output, work) for step in commands]
    with (work / name).open("ab") as clip:
        clip.write(b"x")
    shutil.rmtree(work / ".tools")
    (told,) = run(commands[1:], work, {})
    assert "another size" in told
