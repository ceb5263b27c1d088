"""What preflight says of a real Ceph, and of buckets that are no vault; nobody docks before it passed."""

import time
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home, guarded_bucket, policy
from tests.support.station import Station, make_card
from tests.support.store import Store

pytestmark = pytest.mark.slow

WARNINGS = {"default-retention", "multipart-lock-arguments", "checksums", "conditional-writes"}
"""What this store does not do, and a vault can do without."""
RIGHTS = {"keeps-versioning", "keeps-object-lock"}
"""What a station may do besides that owns its bucket."""

UNPROVED = {f"refuses-{what}-{kind}" for what in ("delete", "bypass") for kind in ("single", "multipart")}
"""What a credential that may not delete proves nothing about."""

LOCKED_SECONDS = 27
"""As long as preflight locks its objects, and a little."""


def test_a_ceph_is_a_vault_with_warnings(store: Store, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(store.bucket(store.station), "north"), tmp_path)
    station.ok("init")
    found = station.json("vault", "preflight")
    assert found["ok"]
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    assert {name for name, outcome in outcomes.items() if outcome == "no"} == WARNINGS | RIGHTS
    assert {name for name, outcome in outcomes.items() if outcome == "untried"} == {"keeps-policy"}
    assert outcomes["owner-rights"] == "yes"
    assert outcomes["refuses-delete-multipart"] == outcomes["refuses-bypass-single"] == "yes"
    shown = station.ok("vault", "preflight").text
    assert [line.split()[0] for line in shown.splitlines() if "  " in line] == list(outcomes)
    assert "no (warning)" in shown


def test_what_it_left_behind_goes_once_the_locks_are_over(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket(store.station)
    station = bucket_home(store, store.url(bucket, "north"), tmp_path)
    client = store.client(store.station)
    station.ok("init")
    others = ("north/preflight/mine.txt", "preflight/0123456789abcdef/single", "north/clips/preflight")
    for key in others:
        client.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    station.ok("vault", "preflight")
    time.sleep(LOCKED_SECONDS)
    first = {key for key in _keys(client, bucket) if key not in others}
    assert {key.split("/")[3] for key in first} == {"single", "multipart"}  # the rest went at once
    assert station.json("vault", "preflight")["removed"] > len(first)
    left = _keys(client, bucket)
    assert set(others) <= left
    assert left.isdisjoint(first)
    assert {key.split("/")[3] for key in left - set(others)} == {"single", "multipart"}  # locked still


def _keys(client: object, bucket: str) -> set[str]:
    found = client.list_object_versions(Bucket=bucket)  # type: ignore[attr-defined]
    return {row["Key"] for row in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]}


def test_a_bucket_that_cannot_lock(store: Store, tmp_path: Path) -> None:
    station = bucket_home(store, store.url(store.bucket(store.station)), tmp_path)
    station.ok("init")
    plain = store.url(store.bucket(store.station, ObjectLockEnabledForBucket=False))
    found = station.run("vault", "preflight", "--json", SEALDOCK_VAULT_URL=plain).expect(59)
    assert found.json["checks"] == [{"name": "object-lock", "outcome": "no", "required": True}]
    card = make_card(tmp_path / "card", {"A.MP4": b"a"})
    refused = station.run("dock", card, "--json", SEALDOCK_VAULT_URL=plain).expect(76)
    assert refused.error["facts"] == {"vault": plain, "command": "sealdock vault preflight"}


def test_a_credential_that_may_not_delete_proves_no_refusal(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket(store.owner)
    store.client(store.owner).put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    station = bucket_home(store, store.url(bucket), tmp_path)
    station.ok("init")
    found = station.json("vault", "preflight")
    assert (found["ok"], found["removed"]) == (True, 0)
    untried = {check["name"] for check in found["checks"] if check["outcome"] == "untried"}
    assert untried == UNPROVED


def test_the_station_of_a_guarded_bucket_cannot_change_it(store: Store, tmp_path: Path) -> None:
    bucket = guarded_bucket(store)
    before = _bucket_as_it_is(store, bucket)
    found = bucket_home(store, store.url(bucket), tmp_path).init().json("vault", "preflight")
    assert found["ok"]
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    kept = {"keeps-versioning", "keeps-object-lock", "keeps-policy", "owner-rights", "default-retention"}
    assert {name: outcomes[name] for name in kept} == dict.fromkeys(kept, "yes")
    assert {name for name, outcome in outcomes.items() if outcome == "untried"} == UNPROVED
    # The owner may change it, which is told; and after that it is as it was.
    (tmp_path / "owner").mkdir()
    owner = bucket_home(store, store.url(bucket), tmp_path / "owner", store.owner).init()
    checks = owner.json("vault", "preflight")["checks"]
    told = {check["name"] for check in checks if check["name"].startswith("keeps-")}
    assert {check["outcome"] for check in checks if check["name"] in told} == {"no"}
    assert not any(check["required"] for check in checks if check["name"] in told)
    assert _bucket_as_it_is(store, bucket) == before


def _bucket_as_it_is(store: Store, bucket: str) -> list[object]:
    client = store.client(store.owner)
    return [
        client.get_bucket_versioning(Bucket=bucket)["Status"],
        client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"],
        client.get_bucket_policy(Bucket=bucket)["Policy"],
        client.get_bucket_acl(Bucket=bucket)["Grants"],
    ]


def test_rights_of_others_are_told(store: Store, tmp_path: Path) -> None:
    """A bucket that is open to everybody is one that anybody could lay versions into."""
    bucket = store.bucket(store.station)
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    store.client(store.station).put_bucket_acl(Bucket=bucket, ACL="public-read")
    outcomes = {check["name"]: check["outcome"] for check in station.json("vault", "preflight")["checks"]}
    assert outcomes["owner-rights"] == "no"


def test_nobody_docks_before_it_passed(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket(store.station)
    station = bucket_home(store, store.url(bucket, "north"), tmp_path)
    station.ok("init")
    card = make_card(tmp_path / "card", {"A.MP4": b"a"})
    for command in ("dock", "watch"):
        refused = station.run(command, card).expect(76)
        assert "sealdock vault preflight" in refused.err
    assert station.value("SELECT count(*) FROM docking") == 0
    station.ok("vault", "preflight")
    assert station.dock(card)["ok"]
    elsewhere = store.url(bucket, "south")
    other = make_card(tmp_path / "other", {"B.MP4": b"b"})
    station.run("dock", other, SEALDOCK_VAULT_URL=elsewhere).expect(76)
    assert station.value("SELECT count(*) FROM docking") == 1
    facts = station.rows("SELECT body FROM custody_event WHERE kind = 'preflight'")
    assert len(facts) == 1
    assert b'"ok":true' in facts[0][0]


def test_a_local_vault_has_to_be_allowed(tmp_path: Path) -> None:
    station = Station(tmp_path / "home", {"SEALDOCK_VAULT_URL": (tmp_path / "vault").as_uri()})
    station.home.mkdir()
    (station.home / "sealdock.toml").write_text('[station]\nid = "north"\n')
    refused = station.run("init", "--json").expect(77)
    assert refused.error["error"] == "vault-advisory"
    assert not (tmp_path / "vault").exists()
    station.ok("init", SEALDOCK_VAULT_ALLOW_ADVISORY="true")
    card = make_card(tmp_path / "card", {"A.MP4": b"a"})
    station.run("dock", card).expect(77)
    assert station.dock(card, SEALDOCK_VAULT_ALLOW_ADVISORY="true")["ok"]


@pytest.mark.parametrize("own", [True, False])
def test_init_allows_the_local_vault_that_it_is_told_of(tmp_path: Path, own: bool) -> None:
    url = {} if own else {"SEALDOCK_VAULT_URL": (tmp_path / "vault").as_uri()}
    station = Station(tmp_path / "home", url)
    assert "The local vault's locks are advisory" in station.ok("init").text
    assert station.json("config", "show")["vault"]["allow_advisory"] is True
    (settings,) = (station.home / "sealdock.toml").read_text().split("[vault]\n")[1:]
    assert settings.endswith("allow_advisory = true\n")
    assert station.dock(make_card(tmp_path / "card", {"A.MP4": b"a"}))["ok"]


def test_refusals_are_proved_under_a_default_retention(store: Store, tmp_path: Path) -> None:
    """Its date has fractions of a second, and is later than the locks that preflight asks for."""
    bucket = store.bucket(store.station)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    store.client(store.station).put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},  # type: ignore[typeddict-item]
    )
    found = bucket_home(store, store.url(bucket), tmp_path).init().json("vault", "preflight")
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    assert found["ok"]
    proved = {"default-retention", "extends-multipart", "extends-single", *UNPROVED}
    assert {name: outcomes[name] for name in proved} == dict.fromkeys(proved, "yes")
    markers = store.client(store.station).list_object_versions(Bucket=bucket).get("DeleteMarkers", [])
    assert markers == []


def test_a_local_vault_is_advisory(station: Station) -> None:
    found = station.json("vault", "preflight")
    assert set(found) == {"vault", "ok", "lock_mode", "checks", "removed"}
    assert (found["ok"], found["lock_mode"], found["removed"]) == (True, "advisory", 0)
    assert found["vault"] == station.vault.as_uri()
    checks = {check["name"]: (check["outcome"], check["required"]) for check in found["checks"]}
    assert checks["lock-mode"] == ("advisory", True)
    assert checks["allowed"] == ("yes", True)
    assert set(checks) == {"lock-mode", "allowed", "read-back", "immutable"}
    shown = station.ok("vault", "preflight").text
    assert "a lock binds everybody: advisory" in shown
    assert [path for path in station.vault.rglob("*") if path.is_file()] == []  # nothing is left of it


def test_a_local_vault_that_nobody_allowed_does_not_pass(station: Station) -> None:
    never = {"SEALDOCK_VAULT_ALLOW_ADVISORY": "false"}
    found = station.run("vault", "preflight", "--json", **never).expect(77)
    assert (found.json["ok"], found.json["lock_mode"]) == (False, "advisory")
    assert {check["name"] for check in found.json["checks"] if check["outcome"] == "no"} >= {"allowed"}
    assert found.error["error"] == "vault-advisory"
    assert "NO" in station.run("vault", "preflight", **never).expect(77).text
    station.vault.rename(station.vault.with_name("elsewhere"))
    assert station.run("vault", "preflight", "--json").expect(55).error["error"] == "vault-unavailable"
