"""What preflight says of a real Ceph, and of buckets that are no vault."""

from pathlib import Path

import pytest

from tests.support.bucket import bucket_home, guarded_bucket, policy
from tests.support.store import Store

pytestmark = pytest.mark.slow

WARNINGS = {"default-retention", "multipart-lock-arguments", "checksums", "conditional-writes"}
"""What this store does not do, and a vault can do without."""


def test_a_ceph_is_a_vault_with_warnings(store: Store, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(store.bucket(store.station), "north"), tmp_path).init()
    found = station.json("vault", "preflight")
    assert found["ok"]
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    assert {name for name, outcome in outcomes.items() if outcome == "no"} == WARNINGS
    assert "untried" not in outcomes.values()
    assert outcomes["refuses-delete-multipart"] == outcomes["refuses-bypass-single"] == "yes"
    shown = station.ok("vault", "preflight").text
    assert [line.split()[0] for line in shown.splitlines()] == list(outcomes)
    assert "no (warning)" in shown


def test_a_bucket_that_cannot_lock(store: Store, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(store.bucket(store.station)), tmp_path).init()
    plain = store.url(store.bucket(store.station, ObjectLockEnabledForBucket=False))
    found = station.run("vault", "preflight", "--json", SEALDOCK_VAULT_URL=plain).expect(59)
    assert found.json["checks"] == [{"name": "object-lock", "outcome": "no", "required": True}]


def test_a_credential_that_may_not_delete_proves_no_refusal(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket(store.owner)
    store.client(store.owner).put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    found = bucket_home(store, store.url(bucket), tmp_path).init().json("vault", "preflight")
    assert found["ok"]
    untried = {check["name"] for check in found["checks"] if check["outcome"] == "untried"}
    assert untried == {
        f"refuses-{what}-{kind}" for what in ("delete", "bypass") for kind in ("single", "multipart")
    }


def test_a_default_retention_is_no_reason_to_fail(store: Store, tmp_path: Path) -> None:
    """Its date has fractions of a second, and is later than the locks that preflight asks for."""
    bucket = guarded_bucket(store)
    found = bucket_home(store, store.url(bucket), tmp_path).init().json("vault", "preflight")
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    assert found["ok"]
    assert (
        outcomes["default-retention"] == outcomes["extends-multipart"] == outcomes["extends-single"] == "yes"
    )
