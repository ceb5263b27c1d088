"""The whole way with the vault in a bucket of a real Ceph: by the command line, as an operator sees it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home, policy
from tests.support.ledger_home import PUBLISHED as LEDGER
from tests.support.station import Station, by_path, clip_key, digest_of, make_card
from tests.support.store import Store, User
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

FILES = {"DCIM/100SEALD/SEAL0001.MP4": b"first " * 4000, "DCIM/100SEALD/SEAL0002.MP4": bytes(40 << 20)}


@pytest.fixture
def bucket(store: Store) -> str:
    return store.bucket(store.station)


def test_the_whole_way(store: Store, bucket: str, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(bucket, "north"), tmp_path).init()
    card = make_card(tmp_path / "card", FILES)
    docked = station.dock(card)
    assert docked["ok"]
    client = store.client(store.station)
    for path, clip in by_path(docked).items():
        key = f"north/{clip_key(digest_of(FILES[path]))}"
        (noted,) = station.rows(
            "SELECT version, lock_mode, confirmation FROM stored_version WHERE sha256 = ?", clip["sha256"]
        )
        head = client.head_object(Bucket=bucket, Key=key, VersionId=noted[0])
        assert (head["ObjectLockMode"], noted[1], noted[2]) == ("COMPLIANCE", "compliance", "full")
        assert head["ContentLength"] == len(FILES[path])
    for level in ("lock", "sample", "full"):
        assert station.json("verify", "--level", level)["failed"] == []
    copies = tmp_path / "copies"
    station.ok("retrieve", *(clip["id"] for clip in docked["clips"]), "--purpose", "test", "--to", copies)
    assert {path.read_bytes() for path in copies.glob("*.MP4")} == set(FILES.values())
    assert list((station.home / "uploads").glob("*.json")) == []
    secret = store.station.secret_key
    assert secret not in station.ok("config", "show").text
    assert not any(secret.encode() in path.read_bytes() for path in station.home.rglob("*.db*"))


@pytest.mark.parametrize("way", ["variables", "secret file", "aws variables"])
def test_credentials_without_a_credentials_file(store: Store, bucket: str, tmp_path: Path, way: str) -> None:
    user = store.station
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{user.secret_key}\n")
    ways = {
        "variables": {
            "SEALDOCK_VAULT_ACCESS_KEY": user.access_key,
            "SEALDOCK_VAULT_SECRET_KEY": user.secret_key,
        },
        "secret file": {
            "SEALDOCK_VAULT_ACCESS_KEY": user.access_key,
            "SEALDOCK_VAULT_SECRET_KEY_FILE": str(secret),
        },
        "aws variables": {"AWS_ACCESS_KEY_ID": user.access_key, "AWS_SECRET_ACCESS_KEY": user.secret_key},
    }
    station = Station(tmp_path / "home", {"SEALDOCK_VAULT_URL": store.url(bucket), **ways[way]}).init()
    station.ok("vault", "preflight")
    docked = station.run("dock", make_card(tmp_path / "card", {"A.MP4": b"a"}), "--json").expect(0)
    assert docked.json["ok"]
    for told in (docked, station.ok("config", "show"), station.ok("config", "show", "--json")):
        assert user.secret_key not in told.text + told.err
    wrong = {"SEALDOCK_VAULT_ACCESS_KEY": user.access_key, "SEALDOCK_VAULT_SECRET_KEY": "wrong-and-hidden"}
    refused = Station(tmp_path / "other", {"SEALDOCK_VAULT_URL": store.url(bucket), **wrong}).run(
        "init", "--json"
    )
    assert "wrong-and-hidden" not in refused.expect(58).err
    assert not any(user.secret_key.encode() in path.read_bytes() for path in station.home.glob("*.*"))


def test_a_checksum_confirms_and_clearing_reads_back_first(store: Store, bucket: str, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    card = make_card(tmp_path / "card", FILES)
    by_checksum = {"SEALDOCK_VAULT_CONFIRMATION": "checksum"}
    shown = station.ok("dock", card, **by_checksum).text
    assert "Confirmed by the store's checksum and not read back: 2." in shown
    assert confirmations(station) == {"checksum"}
    assert {clip["confirmation"] for clip in station.json("clips")} == {"checksum"}
    assert station.json("status")["confirmed_by"] == {"checksum": 2}
    (close,) = (json.loads(row[0]) for row in station.rows("SELECT close FROM docking"))
    assert {clip["confirmation"] for clip in close["clips"]} == {"checksum"}
    assert station.dock(card, SEALDOCK_CLEARING_POLICY="after-confirm", **by_checksum)["ok"]
    assert [path for path in card.rglob("*") if path.is_file()] == []
    assert confirmations(station, "original") == {"full"}
    for (clip,) in station.rows("SELECT id FROM clip"):
        kinds = station.events(clip)
        assert kinds.count("confirmed") == 2
        assert kinds.index("cleared") > len(kinds) - 1 - kinds[::-1].index("confirmed")
    assert station.json("verify", "--level", "full")["failed"] == []


def test_verify_confirms_in_full_what_a_checksum_confirmed(store: Store, bucket: str, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    card = make_card(tmp_path / "card", {"A.MP4": b"a"})
    station.dock(card, SEALDOCK_VAULT_CONFIRMATION="checksum")
    for level, expected in (("lock", "checksum"), ("sample", "checksum"), ("full", "full")):
        station.ok("verify", "--level", level)
        assert confirmations(station, "original") == {expected}


def confirmations(station: Station, kind: str = "%") -> set[str]:
    rows = station.rows("SELECT DISTINCT confirmation FROM stored_version WHERE kind LIKE ?", kind)
    return {row[0] for row in rows}


def test_locks_roll_and_holds_on_a_real_store(store: Store, bucket: str, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    files = {"A.MP4": b"a", "B.MP4": b"b"}
    short = {"SEALDOCK_RETENTION_LOCK_CAP_MONTHS": "1"}
    docked = station.dock(make_card(tmp_path / "card", files), **short)
    client = store.client(store.station)
    hidden = clip_key(digest_of(b"a"))
    client.delete_object(Bucket=bucket, Key=hidden)  # what lies on top must not keep a lock from rolling
    report = station.json("locks", "roll")
    assert (report["extended"], report["behind"]) == (2 * 3 + 4 + LEDGER, 0)
    for key, version, until in station.rows("SELECT key, version, lock_until FROM stored_version"):
        head = client.head_object(Bucket=bucket, Key=key, VersionId=version)
        assert head["ObjectLockMode"] == "COMPLIANCE"
        assert head["ObjectLockRetainUntilDate"] == datetime.fromisoformat(until).replace(tzinfo=UTC)
        ahead = head["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        if key.startswith(("ledger/", "events/register/")):  # the log has no end: as far as the cap reaches
            assert timedelta(days=390) < ahead < timedelta(days=400)
        else:
            assert timedelta(days=170) < ahead < timedelta(days=190)
    clip = by_path(docked)["B.MP4"]
    for act, status in (("set", "ON"), ("release", "OFF")):
        station.ok("hold", act, clip["id"], "--reason", "test")
        rows = station.rows(
            "SELECT key, version, held FROM stored_version WHERE key LIKE ?", f"%{clip['sha256']}%"
        )
        assert len(rows) == 3
        for key, version, held in rows:
            found = client.get_object_legal_hold(Bucket=bucket, Key=key, VersionId=version)
            assert (found["LegalHold"]["Status"], bool(held)) == (status, status == "ON")


def test_a_station_that_may_not_hold_says_so(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket(store.owner)
    store.client(store.owner).put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    (clip,) = station.dock(make_card(tmp_path / "card", {"A.MP4": b"a"}))["clips"]
    station.run("hold", "set", clip["id"], "--reason", "complaint").expect(58)
    (listed,) = station.json("hold", "list")
    assert not listed["in_vault"]
    behind = station.run("locks", "roll", "--json").expect(49)
    assert [(item["version"], item["problem"]) for item in behind.json["failures"]] == [
        ("hold", "vault-refused")
    ]
    owner = {"SEALDOCK_VAULT_CREDENTIALS_FILE": str(store.owner.file(tmp_path))}
    station.ok("hold", "set", clip["id"], "--reason", "complaint", **owner)
    (listed,) = station.json("hold", "list")
    assert listed["in_vault"]
    assert station.json("verify", "--level", "lock")["failed"] == []  # the station sees it
    assert station.json("locks", "roll")["behind"] == 0


def test_what_lies_on_top_is_found(store: Store, bucket: str, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    docked = station.dock(make_card(tmp_path / "card", {"A.MP4": b"a", "B.MP4": b"b"}))
    assert docked["ok"]
    client = store.client(store.station)
    client.delete_object(Bucket=bucket, Key=clip_key(digest_of(b"a")))
    client.put_object(Bucket=bucket, Key=clip_key(digest_of(b"b")), Body=b"other")
    found = station.run("verify", "--level", "lock", "--json").expect(44)
    problems = {row["problem"] for row in found.json["failed"]}
    assert problems == {"delete-marker", "newer-version"}
    copies = tmp_path / "copies"
    ids = [clip["id"] for clip in docked["clips"]]
    station.ok("retrieve", *ids, "--purpose", "the versions are still there", "--to", copies)
    assert {path.read_bytes() for path in copies.glob("*.MP4")} == {b"a", b"b"}


def test_a_bucket_without_lock_is_refused(store: Store, tmp_path: Path) -> None:
    plain = store.bucket(store.station, ObjectLockEnabledForBucket=False)
    refused = bucket_home(store, store.url(plain), tmp_path).run("init", "--json").expect(59)
    assert refused.error["error"] == "vault-without-lock"
    store.client(store.station).put_bucket_versioning(
        Bucket=plain, VersioningConfiguration={"Status": "Enabled"}
    )
    bucket_home(store, store.url(plain), tmp_path).run("init", "--json").expect(59)


@pytest.mark.parametrize("what", ["key", "secret", "bucket", "owner"])
def test_a_store_that_refuses(store: Store, bucket: str, tmp_path: Path, what: str) -> None:
    users = {
        "key": User("nobody", "nothing-secret"),
        "secret": User(store.station.access_key, "wrong-secret"),
        "owner": store.owner,  # an honest user, without rights on this bucket
    }
    name = "no-such-bucket" if what == "bucket" else bucket
    refused = bucket_home(store, store.url(name), tmp_path, users.get(what)).run("init", "--json").expect(58)
    assert refused.error["error"] == "vault-refused"
    assert "secret" not in refused.err.replace("credentials", "")


@pytest.fixture
def wire(store: Store) -> Iterator[Wire]:
    with Wire(store.endpoint) as wire:
        yield wire


def test_a_docking_waits_for_the_gateway(store: Store, bucket: str, tmp_path: Path, wire: Wire) -> None:
    station = bucket_home(store, store.url(bucket, endpoint=wire.endpoint), tmp_path).init()
    card = make_card(tmp_path / "card", FILES)
    wire.cut()
    docked = station.dock(card, code=33, SEALDOCK_DOCKING_PATIENCE_SECONDS="1")
    assert {(clip["state"], clip["reason"]) for clip in docked["clips"]} == {("waiting", "vault-unavailable")}
    assert station.value("SELECT count(*) FROM stored_version") == 0
    assert len(list(station.spool.iterdir())) == len(FILES)
    wire.mend()
    assert station.dock(card)["ok"]
    assert station.json("verify", "--level", "full")["failed"] == []
