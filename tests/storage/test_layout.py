from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import VaultKeyInvalidError
from hashing.digest import Algorithm, Digest
from storage import layout

CLIP = Digest.sha256(b"clip")
MANIFEST = Digest.sha256(b"manifest")
C, M = CLIP.hex, MANIFEST.hex


def test_keys_are_those_of_the_format() -> None:
    assert layout.clip_key(CLIP) == f"clips/sha256/{C[:2]}/{C}"
    assert layout.manifest_key(CLIP, MANIFEST) == f"seals/{C}/{M}.json"
    assert layout.seal_key(CLIP, MANIFEST) == f"seals/{C}/{M}.json.p7s"
    assert layout.timestamped_seal_key(CLIP, MANIFEST) == f"seals/{C}/{M}.json.t.p7s"
    assert layout.derived_key(CLIP) == f"derived/{C}"
    assert layout.manifest_key(CLIP, MANIFEST).startswith(layout.seals_prefix(CLIP))


def test_docking_keys_use_the_month_of_utc() -> None:
    new_year = datetime(2027, 1, 1, 7, 59, tzinfo=timezone(timedelta(hours=8)))
    key = layout.inventory_key("station-1", "01JC0000000000000000000000", new_year)
    assert key == "dockings/station-1/2026/12/01JC0000000000000000000000.inventory.json"
    assert layout.signature_key(key) == key + ".p7s"
    assert layout.close_key("station-1", "01JC", new_year) == "dockings/station-1/2026/12/01JC.close.json"
    stem = "dockings/station-1/2026/12/01JC"
    assert layout.docking_keys("station-1", "01JC", new_year) == (
        f"{stem}.inventory.json",
        f"{stem}.inventory.json.p7s",
        f"{stem}.close.json",
        f"{stem}.close.json.p7s",
    )


def test_a_docking_time_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        layout.inventory_key("s", "d", datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("station", ["", "..", "a/b", "杭州", "a b", ".a", "x" * 201])
def test_a_station_that_cannot_be_part_of_a_key(station: str) -> None:
    with pytest.raises(VaultKeyInvalidError) as problem:
        layout.close_key(station, "01JC", datetime(2026, 1, 1, tzinfo=UTC))
    assert problem.value.facts["key"] == station
    with pytest.raises(VaultKeyInvalidError):
        layout.close_key("station", station, datetime(2026, 1, 1, tzinfo=UTC))


def test_other_digests_name_nothing() -> None:
    long = Digest.of(Algorithm.SHA512, b"clip")
    for make in (layout.clip_key, layout.derived_key):
        with pytest.raises(ValueError, match="SHA-256"):
            make(long)
    with pytest.raises(ValueError, match="SHA-256"):
        layout.seal_key(CLIP, long)


def test_split() -> None:
    assert layout.split_key("a/b/c.json") == (("a", "b"), "c.json")
    assert layout.split_key("a") == ((), "a")


@settings(database=None)  # the checkout may be read-only
@given(st.text(alphabet="aZ09._+=-/\\ ~%\0\n录é", max_size=12))
def test_an_accepted_key_stays_inside(key: str) -> None:
    if not layout.is_key(key):
        with pytest.raises(VaultKeyInvalidError):
            layout.check_key(key)
        return
    assert layout.check_key(key) == key
    folders, name = layout.split_key(key)
    assert all(part and not part.startswith(".") for part in (*folders, name))
    assert key.isascii()
    assert key.isprintable()


def test_bounds() -> None:
    assert layout.is_key("x" * layout.MAX_SEGMENT)
    assert not layout.is_key("x" * (layout.MAX_SEGMENT + 1))
    longest = "/".join(["x" * 127] * 4) + "x"
    assert layout.is_key(longest) is (len(longest) <= layout.MAX_KEY)
    assert not layout.is_key("/".join(["x" * 127] * 5))
