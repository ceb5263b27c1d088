"""Who may do what in a bucket, tried on a real store with everybody's own credentials."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bucket import bucket_home, guarded_bucket
from tests.support.station import ROOT, Station, make_card
from tests.support.store import Store, User

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILES = {"DCIM/100SEALD/SEAL0001.MP4": b"first " * 4000, "DCIM/100SEALD/SEAL0002.MP4": bytes(20 << 20)}
REFUSED = {"AccessDenied", "InvalidBucketState", "MethodNotAllowed", "MalformedXML", "BucketNotEmpty"}


@dataclass(frozen=True)
class Scene:
    """A bucket under the policy, after a docking: every version in it is evidence."""

    store: Store
    bucket: str
    station: Station

    def versions(self, user: User) -> dict[tuple[str, str], tuple[Any, ...]]:
        """Every version with what must not change: size, lock mode and date; delete markers as well."""
        client = self.store.client(user)
        listed = client.list_object_versions(Bucket=self.bucket)
        found: dict[tuple[str, str], tuple[Any, ...]] = {}
        for row in listed.get("Versions", []):
            if row["Key"].startswith("preflight/"):  # its throw-away objects are no evidence
                continue
            head = client.head_object(Bucket=self.bucket, Key=row["Key"], VersionId=row["VersionId"])
            facts = head["ContentLength"], head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
            found[row["Key"], row["VersionId"]] = facts
        for row in listed.get("DeleteMarkers", []):
            found[row["Key"], row["VersionId"]] = ("delete marker",)
        return found


@pytest.fixture(scope="module")
def scene(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    bucket = guarded_bucket(store)
    station = bucket_home(store, store.url(bucket), folder).init()
    assert station.dock(make_card(folder / "card", FILES))["ok"]
    return Scene(store, bucket, station)


def on_version(
    client: "S3Client", bucket: str, key: str, version: str, until: datetime
) -> Iterator[tuple[str, Callable[[], Any]]]:
    there: Any = {"Bucket": bucket, "Key": key, "VersionId": version}

    def retain(mode: str, date: datetime, **more: Any) -> Callable[[], Any]:
        retention: Any = {"Mode": mode, "RetainUntilDate": date}
        return lambda: client.put_object_retention(**there, Retention=retention, **more)

    sooner = until - timedelta(days=1)
    yield "delete the version", lambda: client.delete_object(**there)
    yield "delete it, bypassing", lambda: client.delete_object(**there, BypassGovernanceRetention=True)
    yield "delete many", lambda: _many(client, bucket, {"Key": key, "VersionId": version})
    yield "lay a delete marker on top", lambda: client.delete_object(Bucket=bucket, Key=key)
    yield "lay many on top", lambda: _many(client, bucket, {"Key": key})
    yield "shorten", retain("COMPLIANCE", sooner)
    yield "shorten, bypassing", retain("COMPLIANCE", sooner, BypassGovernanceRetention=True)
    yield "make it governance", retain("GOVERNANCE", until)
    yield "make it governance, bypassing", retain("GOVERNANCE", until, BypassGovernanceRetention=True)
    yield "take the lock away", lambda: client.put_object_retention(**there, Retention={})


def _many(client: "S3Client", bucket: str, one: Any) -> None:
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [one]})
    if answer.get("Errors"):
        raise ClientError({"Error": {"Code": answer["Errors"][0]["Code"]}}, "DeleteObjects")


def on_bucket(client: "S3Client", bucket: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield (
        "suspend versioning",
        lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
    )
    yield "delete the bucket", lambda: client.delete_bucket(Bucket=bucket)
    yield (
        "switch object lock off",
        lambda: client.put_object_lock_configuration(
            Bucket=bucket,
            ObjectLockConfiguration={"ObjectLockEnabled": "Disabled"},  # type: ignore[typeddict-item]
        ),
    )


def for_the_owner_only(client: "S3Client", bucket: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What only the bucket's owner may do."""
    rule: Any = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    expire: Any = {
        "ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""},
        "Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }  # fmt: skip
    yield "open the policy", lambda: client.put_bucket_policy(Bucket=bucket, Policy=_open(bucket))
    yield "take the policy away", lambda: client.delete_bucket_policy(Bucket=bucket)
    yield "open the bucket", lambda: client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    yield (
        "weaken the default retention",
        lambda: client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        ),
    )
    yield (
        "have everything expire",
        lambda: client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [expire]}
        ),
    )


def _open(bucket: str) -> str:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def holds(client: "S3Client", bucket: str, key: str, version: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    there: Any = {"Bucket": bucket, "Key": key, "VersionId": version}
    for status in ("ON", "OFF"):
        hold: Any = {"Status": status}
        yield f"hold {status}", lambda hold=hold: client.put_object_legal_hold(**there, LegalHold=hold)
    yield "show it to everybody", lambda: client.put_object_acl(**there, ACL="public-read")
    yield (
        "show the newest to everybody",
        lambda: client.put_object_acl(Bucket=bucket, Key=key, ACL="public-read"),
    )


def carry_out(attacks: Iterator[tuple[str, Callable[[], Any]]]) -> dict[str, str]:
    """Try everything; return what was not refused."""
    done: dict[str, str] = {}
    for name, act in attacks:
        try:
            act()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in REFUSED:
                done[name] = code
        else:
            done[name] = "it was done"
    return done


def test_the_stations_own_credentials_take_nothing_away(scene: Scene) -> None:
    user = scene.store.station
    client = scene.store.client(user)
    before = scene.versions(user)
    assert len(before) >= 2 * len(FILES) + 4
    assert {facts[1] for facts in before.values()} == {"COMPLIANCE"}
    for (key, version), (_size, _mode, until) in before.items():
        assert carry_out(on_version(client, scene.bucket, key, version, until)) == {}, key
        assert carry_out(holds(client, scene.bucket, key, version)) == {}, key
    assert carry_out(on_bucket(client, scene.bucket)) == {}
    assert carry_out(for_the_owner_only(client, scene.bucket)) == {}
    assert scene.versions(user) == before
    assert scene.station.json("verify", "--level", "full")["failed"] == []


def test_the_owners_credentials_take_nothing_away(scene: Scene) -> None:
    user = scene.store.owner
    client = scene.store.client(user)
    before = scene.versions(user)
    for (key, version), (_size, _mode, until) in before.items():
        assert carry_out(on_version(client, scene.bucket, key, version, until)) == {}, key
    assert carry_out(on_bucket(client, scene.bucket)) == {}
    assert scene.versions(user) == before
    assert scene.station.json("verify", "--level", "full")["failed"] == []


def test_an_owner_who_takes_the_policy_away_hides_and_no_more(scene: Scene) -> None:
    """The owner may change the policy; then markers can be laid on top, and verify names them."""
    client = scene.store.client(scene.store.owner)
    kept = client.get_bucket_policy(Bucket=scene.bucket)["Policy"]
    before = scene.versions(scene.store.owner)
    client.delete_bucket_policy(Bucket=scene.bucket)
    try:
        for (key, version), (_size, _mode, until) in before.items():
            done = carry_out(on_version(client, scene.bucket, key, version, until))
            assert set(done) <= {"lay a delete marker on top", "lay many on top"}, key
    finally:
        after = scene.versions(scene.store.owner)
        markers = [item for item, facts in after.items() if facts == ("delete marker",)]
        for key, version in markers:
            client.delete_object(Bucket=scene.bucket, Key=key, VersionId=version)
        client.put_bucket_policy(Bucket=scene.bucket, Policy=kept)
    assert markers
    assert scene.versions(scene.store.owner) == before


def test_a_verifier_reads_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    user = scene.store.verifier
    client = scene.store.client(user)
    before = scene.versions(user)
    assert before == scene.versions(scene.store.owner)
    for (key, version), (_size, _mode, until) in before.items():
        assert client.get_object(Bucket=scene.bucket, Key=key, VersionId=version)["Body"].read(1)
        assert carry_out(on_version(client, scene.bucket, key, version, until)) == {}
        assert carry_out(holds(client, scene.bucket, key, version)) == {}
        later: Any = {"Mode": "COMPLIANCE", "RetainUntilDate": until + timedelta(days=1)}
        there: Any = {"Bucket": scene.bucket, "Key": key, "VersionId": version}
        more = iter(
            [
                (
                    "extend",
                    lambda there=there, later=later: client.put_object_retention(**there, Retention=later),
                ),
                ("write", lambda key=key: client.put_object(Bucket=scene.bucket, Key=key, Body=b"other")),
            ]
        )
        assert carry_out(more) == {}
    assert carry_out(for_the_owner_only(client, scene.bucket)) == {}
    own = {"SEALDOCK_VAULT_CREDENTIALS_FILE": str(user.file(tmp_path))}
    assert scene.station.json("verify", "--level", "full", **own)["failed"] == []


def test_a_custodian_holds_and_extends_and_nothing_else(scene: Scene) -> None:
    user = scene.store.custodian
    client = scene.store.client(user)
    before = scene.versions(user)
    (key, version), (_size, _mode, until) = next(iter(before.items()))
    there: Any = {"Bucket": scene.bucket, "Key": key, "VersionId": version}
    for status in ("ON", "OFF"):
        hold: Any = {"Status": status}
        client.put_object_legal_hold(**there, LegalHold=hold)
        assert client.get_object_legal_hold(**there)["LegalHold"]["Status"] == status
    assert carry_out(on_version(client, scene.bucket, key, version, until)) == {}
    more = iter([("write", lambda: client.put_object(Bucket=scene.bucket, Key=key, Body=b"other"))])
    assert carry_out(more) == {}
    assert carry_out(for_the_owner_only(client, scene.bucket)) == {}
    assert scene.versions(user) == before


def test_what_the_station_writes_on_top_is_found(store: Store, tmp_path: Path) -> None:
    """It must be able to store, so it can lay another version on top; what was stored stays."""
    bucket = guarded_bucket(store)
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    assert station.dock(make_card(tmp_path / "card", {"A.MP4": b"a"}))["ok"]
    client = store.client(store.station)
    keys = {
        row["Key"] for row in client.list_object_versions(Bucket=bucket)["Versions"] if "clips/" in row["Key"]
    }
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"other")
    found = station.run("verify", "--level", "lock", "--json").expect(44).json
    assert {row["problem"] for row in found["failed"]} == {"newer-version"}


def test_the_policy_can_be_printed_for_other_stores() -> None:
    arn = "arn:aws:iam::123456789012:user/station"
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/s3/bucket.py", "evidence", "--station", arn, "--print"],
        check=True, capture_output=True, timeout=60, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    printed = json.loads(done.stdout)
    named = [each["Principal"] for each in printed["Statement"]]
    assert [each for each in named if each != "*"] == [{"AWS": [arn]}] * 5
    assert "BUCKET" not in done.stdout.decode()
    assert "PRINCIPAL" not in done.stdout.decode()


def test_a_bucket_that_cannot_lock_is_refused(store: Store) -> None:
    plain = store.bucket(store.owner, ObjectLockEnabledForBucket=False)
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/s3/bucket.py", plain, "--endpoint-url", store.endpoint],
        check=False, capture_output=True, timeout=60,
        env={"PATH": os.environ["PATH"], **store.owner.variables()},
    )  # fmt: skip
    assert done.returncode == 1
    assert b"The store does not do it" in done.stderr
