"""Two stations share a bucket of a real Ceph."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home
from tests.support.fault import Scene, Story, fault
from tests.support.station import ended, make_card
from tests.support.store import Store

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {f"{n:02}.MP4": bytes([n]) * (60_000 + n) for n in range(6)}
FILES["large.MP4"] = bytes(range(256)) * (20 << 12)


@fault(
    "Two stations upload the same new bytes at the same moment",
    "`dock` 0, all safe → `dock` 0, all safe → every version of every clip is locked (compliance) → no alert",
)
def test_the_same_bytes_at_the_same_moment(store: Store, story: Story, tmp_path: Path) -> None:
    bucket = store.bucket(store.station)
    scenes = []
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        made = bucket_home(store, store.url(bucket), tmp_path / name)
        station = replace(made, environment={**made.environment, "SEALDOCK_STATION_ID": name}).init()
        card = make_card(tmp_path / name / "card", FILES)
        scenes.append(Scene.of(station, card).in_bucket(store, bucket))
    running = [scene.station.start("dock", scene.card, "--json") for scene in scenes]
    for process in running:
        story.docked(ended(process))
    client = store.client(store.station)
    listed = client.list_object_versions(Bucket=bucket, Prefix="clips/")
    assert {row["Key"][-64:] for row in listed["Versions"]} == set(scenes[0].digests.values())
    for row in listed["Versions"]:
        head = client.head_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])
        assert head["ObjectLockMode"] == "COMPLIANCE"
    assert "DeleteMarkers" not in listed
    story.saw("every version of every clip is locked (compliance)")
    north, south = scenes
    story.clean(north)
    assert north.rows("SELECT kind FROM alert") == []
    story.alerts(south)
    story.ends(south)
