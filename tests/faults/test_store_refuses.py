"""The store refuses, or cannot lock."""

from pathlib import Path

import pytest

from tests.support.bucket import bucket_home
from tests.support.fault import Scene, Story, fault
from tests.support.station import make_card
from tests.support.store import Store, User

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {
    "small.mp4": b"small" * 1000,
    "empty.txt": b"",
    "large.mp4": bytes(17 << 20),
}
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Scene:
    bucket = store.bucket(store.station)
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    return Scene.of(station, make_card(tmp_path / "card", FILES)).in_bucket(store, bucket)


@fault(
    "The store's credentials are wrong (a new secret that the station was not told); then they are put right",
    "`dock` 33, waiting (`vault-refused`) → `dock` 0, all safe",
)
def test_wrong_credentials(store: Store, scene: Scene, story: Story, tmp_path: Path) -> None:
    User(store.station.access_key, "another-secret").file(tmp_path)
    story.docked(scene.station.run("dock", scene.card, "--json", **IMPATIENT))
    scene.check_card()
    store.station.file(tmp_path)
    story.docked(scene.station.run("dock", scene.card, "--json"))
    story.ends(scene)


@fault(
    "The bucket for a new home has no object lock; then one is named that has",
    "`init` 59, `vault-without-lock` → `dock` 0, all safe",
)
def test_a_bucket_without_lock(store: Store, story: Story, tmp_path: Path) -> None:
    bucket = store.bucket(store.station, ObjectLockEnabledForBucket=False)
    story.ran("init", bucket_home(store, store.url(bucket), tmp_path).run("init", "--json"))
    assert store.client(store.station).list_object_versions(Bucket=bucket).get("Versions", []) == []
    right = store.bucket(store.station)
    station = bucket_home(store, store.url(right), tmp_path).init()
    scene = Scene.of(station, make_card(tmp_path / "card", FILES)).in_bucket(store, right)
    story.docked(station.run("dock", scene.card, "--json"))
    story.ends(scene)


@fault(
    "The vault's address leads to a bucket without object lock after `init`; then it is put right",
    "`dock` 76, `vault-untried` → `dock` 0, all safe",
)
def test_a_bucket_without_lock_later(store: Store, scene: Scene, story: Story) -> None:
    bucket = store.bucket(store.station, ObjectLockEnabledForBucket=False)
    elsewhere = {"SEALDOCK_VAULT_URL": store.url(bucket)}
    story.ran("dock", scene.station.run("dock", scene.card, "--json", **elsewhere, **IMPATIENT))
    assert scene.rows("SELECT count(*) FROM docking") == [(0,)]
    scene.check_card()
    story.docked(scene.station.run("dock", scene.card, "--json"))
    story.ends(scene)
