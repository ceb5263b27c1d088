from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from config.errors import ManifestInvalidError
from hashing import canonical
from hashing.digest import Algorithm, Digest
from hashing.manifest import Manifest

BODY: dict[str, Any] = {
    "schema": "sealdock.manifest/1",
    "clip": {
        "id": "01J9ZQ3V5W8X7Y6Z5A4B3C2D1E",
        "digests": [str(Digest.sha256(b"clip")), str(Digest.of(Algorithm.SM3, b"clip"))],
        "size": 4,
        "name": "0001.MP4",
        "path": {"text": "DCIM/\ufffd/0001.MP4", "bytes_b64": "RENJTS//LzAwMDEuTVA0"},
        "media_type": "video/mp4",
    },
    "chunks": {"size": 8388608, "root": str(Digest.sha256(b"root"))},
    "recording": {
        "start": "2026-05-01T00:00:00Z",
        "end": None,
        "time_source": "file-name",
        "time_zone": "Asia/Shanghai",
        "sequence": 1,
        "important": False,
    },
    "recorder": {"serial": "DSJ-01", "model": None, "profile": "cn-recorder", "claimed_officer": "012345"},
    "docking": {
        "id": "01J9ZQ3V5W8X7Y6Z5A4B3C2D1F",
        "station": "station-1",
        "operator": {"kind": "system-user", "id": "wang", "authenticated": "os-uid"},
        "at": "2026-05-01T09:00:00.250000Z",
        "station_clock": {"synchronised": True},
        "recorder_clock": {"method": "none"},
        "inventory": str(Digest.sha256(b"inventory")),
    },
    "probe": {"tool": "ffprobe", "condition": "intact"},
    "read_back": "media",
    "assurance": "dock-signed",
    "software": "sealdock 0.1.0",
    "previous": None,
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the body with one field set, named with dots."""
    copy: dict[str, Any] = canonical.decode(canonical.encode(BODY))
    *parents, last = path.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    place[last] = value
    return copy


def test_bytes_and_back() -> None:
    data = canonical.encode(BODY)
    manifest = Manifest.decode(data)
    assert manifest.encode() == data
    assert manifest.clip.sha256 == Digest.sha256(b"clip")
    assert manifest.chunks.digest == Digest.sha256(b"root")
    assert manifest.recording.start == datetime(2026, 5, 1, tzinfo=UTC)
    assert canonical.name_bytes(manifest.clip.path) == b"DCIM/\xff/0001.MP4"


def test_what_is_built_in_code_says_its_schema_and_utc() -> None:
    body = {key: value for key, value in BODY.items() if key != "schema"}
    local = datetime(2026, 5, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    manifest = Manifest(**{**body, "recording": {**BODY["recording"], "start": local}})
    assert manifest.encode() == canonical.encode(BODY)


@pytest.mark.parametrize("path", ["future", "clip.future", "docking.future", "recording.future"])
def test_unknown_fields_are_kept(path: str) -> None:
    data = canonical.encode(changed(path, {"at": "2030-01-01T00:00:00Z", "n": [1, "2"]}))
    assert Manifest.decode(data).encode() == data


def test_sizes_beyond_doubles() -> None:
    data = canonical.encode(changed("clip.size", 2**60))
    assert b'"size":"1152921504606846976"' in data
    manifest = Manifest.decode(data)
    assert manifest.clip.size == 2**60
    assert manifest.encode() == data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "sealdock.manifest/2"),
        ("clip.digests", []),
        ("clip.digests", [str(Digest.of(Algorithm.SM3, b"clip"))]),
        ("clip.digests", [str(Digest.sha256(b"one")), str(Digest.sha256(b"two"))]),
        ("clip.digests", ["sha256:00"]),
        ("clip.size", -1),
        ("clip.size", "4"),
        ("clip.size", "4 "),
        ("clip.name", 7),
        ("chunks.size", 0),
        ("chunks.root", "0" * 64),
        ("recording.start", "2026-05-01T00:00:00"),
        ("recording.start", "2026-05-01T08:00:00+08:00"),
        ("recording.start", 1777593600),
        ("recording.sequence", "1"),
        ("recording.important", "yes"),
        ("docking.at", None),
        ("read_back", "hearsay"),
        ("assurance", "trust me"),
        ("clip", None),
    ],
)
def test_what_is_no_manifest_is_refused(path: str, value: Any) -> None:
    with pytest.raises(ManifestInvalidError) as caught:
        Manifest.decode(canonical.encode(changed(path, value)))
    assert caught.value.facts["problem"]


def test_a_missing_part_is_refused() -> None:
    for part in BODY.keys() - {"schema"}:
        with pytest.raises(ManifestInvalidError):
            Manifest.decode(canonical.encode({key: value for key, value in BODY.items() if key != part}))


def test_a_document_without_schema_is_refused() -> None:
    with pytest.raises(ManifestInvalidError):
        Manifest.decode(canonical.encode({key: value for key, value in BODY.items() if key != "schema"}))


@pytest.mark.parametrize("data", [b"[]", b"null", b"{}", b'"manifest"', b'{"schema": 1}'])
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalidError):
        Manifest.decode(data)


def test_a_manifest_does_not_change() -> None:
    manifest = Manifest.decode(canonical.encode(BODY))
    with pytest.raises(ValidationError):
        manifest.software = "other"  # type: ignore[misc]
