from datetime import UTC, datetime
from typing import Any

import pytest

from hashing import canonical
from metadata.documents import Entry, FileOutcome, Named, read_close, read_inventory

AT = datetime(2026, 11, 20, 8, 30, 15, 123456, tzinfo=UTC)
HEX = "ab" * 32

INVENTORY: dict[str, Any] = {
    "schema": "sealdock.inventory/1",
    "docking": "D",
    "station": "S",
    "recorder": {"id": "R"},
    "clock": {"at": AT},
    "entries": [{"path": canonical.name(b"a\xff"), "size": 1, "mtime_ns": "2"}],
    "previous": [{"docking": "P", "inventory": f"sha256:{HEX}", "close": None}],
}
CLOSE: dict[str, Any] = {
    "schema": "sealdock.close/1",
    "docking": "D",
    "inventory": f"sha256:{HEX}",
    "at": AT,
    "clips": [{"path": "a", "clip": "C", "state": "confirmed", "sha256": f"sha256:{HEX}"}],
}


def test_an_inventory() -> None:
    found = read_inventory(canonical.encode(INVENTORY))
    assert (found.docking, found.station, found.recorder, found.at) == ("D", "S", "R", AT)
    assert found.entries == (Entry(b"a\xff", 1, 2),)
    assert found.previous == (Named("P", HEX, None),)


def test_a_close_out() -> None:
    found = read_close(canonical.encode(CLOSE))
    assert (found.docking, found.inventory, found.at) == ("D", HEX, AT)
    assert found.outcomes == (FileOutcome(b"a", "C", "confirmed", HEX),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        canonical.encode(INVENTORY | {"schema": "sealdock.inventory/2"}),
        canonical.encode(INVENTORY | {"recorder": None}),
        canonical.encode(INVENTORY | {"entries": [{}]}),
        canonical.encode(INVENTORY | {"entries": 1}),
        canonical.encode(INVENTORY | {"previous": [{"docking": "P", "inventory": 1, "close": None}]}),
        canonical.encode(INVENTORY | {"clock": {"at": "2026-11-20T08:30:15"}}),
        canonical.encode(INVENTORY | {"clock": {"at": "yesterday"}}),
        canonical.encode(INVENTORY).replace(b'"size":1', b'"size":1e999'),
    ],
)
def test_what_is_no_inventory(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_inventory(data)


@pytest.mark.parametrize(
    "data", [b"null", canonical.encode(INVENTORY), canonical.encode(CLOSE | {"clips": [None]})]
)
def test_what_is_no_close_out(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_close(data)
