"""Two lists merged: what differs is named, whatever the lists are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hashing.digest import Digest
from storage.local import LocalVault
from storage.reconcile import Difference, Kind, Row, compare, compare_at
from storage.vault import Listed

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
KEYS = [f"{room}/{name}" for room in ("a", "a-b", "a.b", "B") for name in ("x", "x.json", "y")]


@pytest.fixture
def vault(root: Path) -> LocalVault:
    return LocalVault.create(root, immutable="off")


def row(vault: LocalVault, key: str, data: bytes = b"footage") -> Row:
    stored = vault.put_bytes(key, data, lock_until=UNTIL)
    return Row(key, stored.version, stored.size, stored.lock_until)


def kinds(vault: LocalVault, *rows: Row, locks: bool = True) -> list[tuple[Kind, str]]:
    groups = [(each,) for each in sorted(rows, key=lambda each: each.key)]
    return [(found.kind, found.key) for found in compare(vault, groups, locks=locks)]


def test_lists_that_agree_have_no_difference(vault: LocalVault) -> None:
    assert kinds(vault) == []
    assert kinds(vault, *(row(vault, key) for key in KEYS)) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS)))
def test_each_difference_is_named_once(
    vault: LocalVault, tmp_path: Path, here: set[str], noted: set[str]
) -> None:
    vault = LocalVault.create(tmp_path / f"v{len(list(tmp_path.iterdir()))}", immutable="off")
    version = Digest.sha256(b"footage").hex
    for key in here:
        row(vault, key)
    found = kinds(vault, *(Row(key, version, 7, UNTIL) for key in noted))
    wanted = [(Kind.ORPHAN, key) for key in here - noted] + [(Kind.MISSING, key) for key in noted - here]
    assert found == sorted(wanted, key=lambda each: each[1])
    for kind, key in found:
        rows = (Row(key, version, 7, UNTIL),) if key in noted else ()
        assert list(compare_at(vault, key, rows, locks=True)) == [Difference(kind, key, version, 7)]


def test_size_and_lock(vault: LocalVault) -> None:
    one, two, three, four = (row(vault, key) for key in ("a", "b", "c", "d"))
    (vault.root / ".locks" / f"{two.key}.json").unlink()
    longer = Row(three.key, three.version, 7, UNTIL + timedelta(days=1))
    larger = Row(four.key, four.version, 8, UNTIL)
    rows = (one, two, longer, larger)
    assert kinds(vault, *rows) == [
        (Kind.LOCK_MISSING, two.key),
        (Kind.LOCK_SHORT, three.key),
        (Kind.SIZE, four.key),
    ]
    assert kinds(vault, *rows, locks=False) == [(Kind.SIZE, four.key)]


def test_keys_may_be_left_out(vault: LocalVault) -> None:
    row(vault, "preflight/x")
    assert list(compare(vault, [], locks=True, leave_out=("preflight/",))) == []


class Shown(LocalVault):
    """Lists what a store with versions and markers would; nothing else is asked of it."""

    def listing(self, prefix: str = "") -> Iterator[tuple[Listed, ...]]:
        assert prefix == ""
        yield (Listed("a", "new", 1), Listed("a", "named", 1), Listed("a", "old", 1))
        yield (Listed("b", "marker", 0, marker=True), Listed("b", "named", 1))
        yield (Listed("c", "marker", 0, marker=True),)
        yield (Listed("d", "2", 1), Listed("d", "1", 1))


def test_versions_above_and_below(root: Path) -> None:
    rows = [(Row("a", "named", 1, None),), (Row("b", "named", 1, None),)]
    found = [(each.kind, each.key, each.version) for each in compare(Shown(root), rows, locks=False)]
    assert found == [
        (Kind.NEWER, "a", "new"),
        (Kind.EXTRA, "a", "old"),
        (Kind.MARKER, "b", "marker"),
        (Kind.ORPHAN, "d", "2"),
        (Kind.EXTRA, "d", "1"),
    ]
