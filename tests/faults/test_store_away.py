"""The store, a real Ceph, goes away or is hard to reach."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home
from tests.support.fault import Scene, Story, fault
from tests.support.station import Station, ended, make_card, until
from tests.support.store import Store
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

MIB = 1 << 20
PATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "120"}


@pytest.fixture
def wire(store: Store) -> Iterator[Wire]:
    with Wire(store.endpoint) as wire:
        yield wire


@pytest.fixture
def scene(store: Store, wire: Wire, tmp_path: Path) -> Scene:
    """A home that reaches its bucket through a line; clips that go up in one piece and in parts."""
    bucket = store.bucket(store.station)
    station = bucket_home(store, store.url(bucket, endpoint=wire.endpoint), tmp_path).init()
    files: dict[str | bytes, bytes] = {
        "large.mp4": bytes(range(256)) * (48 * MIB // 256),
        "small.mp4": b"small" * 1000,
        "empty.txt": b"",
    }
    return Scene.of(station, make_card(tmp_path / "card", files)).in_bucket(store, bucket)


def upload_is_under_way(station: Station, wire: Wire, more: int = 4 * MIB) -> None:
    """Wait until a clip in parts is on its way, some of it gone already."""
    until(lambda: list((station.home / "uploads").glob("*.json")))
    seen = wire.carried
    until(lambda: wire.carried > seen + more)


@pytest.mark.root
@pytest.mark.parametrize(
    ("daemon", "seconds"),
    [
        pytest.param(
            daemon,
            seconds,
            marks=fault(
                f"The store's {name} is killed in the middle of an upload and started again "
                f"after {seconds} s",
                "`dock` 0, all safe → no alert",
            ),
        )
        for daemon, name, seconds in (("gateway", "gateway", 5), ("osd", "disk service (OSD)", 5))
    ],
)
def test_a_daemon_is_killed(
    store: Store, scene: Scene, wire: Wire, story: Story, daemon: str, seconds: int
) -> None:
    wire.delay = 0.01
    process = scene.station.start("dock", scene.card, "--json", **PATIENT)
    upload_is_under_way(scene.station, wire)
    store.kill(daemon)
    try:
        with pytest.raises(AssertionError, match="never came true"):
            until(lambda: process.poll() is not None, within=seconds)
    finally:
        store.revive(daemon)
    wire.mend()
    story.docked(ended(process))
    story.alerts(scene)
    story.ends(scene)


@pytest.mark.root
@fault(
    "The gateway is killed in the middle of an upload and stays away for longer than `dock` waits; "
    "then it is back",
    "`dock` 33, waiting (`vault-unavailable`) → `dock` 0, all safe",
)
def test_the_gateway_stays_away(store: Store, scene: Scene, wire: Wire, story: Story) -> None:
    wire.delay = 0.01
    process = scene.station.start("dock", scene.card, "--json", SEALDOCK_DOCKING_PATIENCE_SECONDS="4")
    upload_is_under_way(scene.station, wire)
    store.kill("gateway")
    try:
        story.docked(ended(process))
        scene.check_card()
    finally:
        store.revive("gateway")
    wire.mend()
    story.docked(scene.station.run("dock", scene.card, "--json"))
    story.ends(scene)


@fault("Every piece of 64 KiB on the line to the store takes 10 ms", "`dock` 0, all safe → no alert")
def test_a_slow_line(scene: Scene, wire: Wire, story: Story) -> None:
    wire.delay = 0.01
    story.docked(scene.station.run("dock", scene.card, "--json"))
    story.alerts(scene)
    wire.mend()
    story.ends(scene)


@fault(
    "Every second connection to the store is reset in the middle of what they carry",
    "`dock` 0, all safe → no alert",
)
def test_a_lossy_line(scene: Scene, wire: Wire, story: Story) -> None:
    wire.lossy = True
    story.docked(scene.station.run("dock", scene.card, "--json", **PATIENT))
    assert wire.resets
    story.alerts(scene)
    wire.mend()
    story.ends(scene)


@fault(
    "The store's answers do not come back on connections that stay open (half-open)",
    "`dock` 0, all safe → no alert",
)
def test_a_half_open_line(scene: Scene, wire: Wire, story: Story) -> None:
    """An answer that never comes is waited for as long as a store may take to write a part: a minute."""
    wire.deaf = 2
    story.docked(scene.station.run("dock", scene.card, "--json", **PATIENT))
    assert wire.deaf == 0
    story.alerts(scene)
    story.ends(scene)


@fault(
    "The store takes connections and never says a word; then it does again",
    "`dock` 33, sealed → `status` 0 → `dock` 0, all safe",
)
def test_a_silent_store(scene: Scene, wire: Wire, story: Story) -> None:
    """Nothing keeps the officer for the minutes that a request takes to fail."""
    wire.deaf = 1_000
    story.docked(scene.station.run("dock", scene.card, "--json", SEALDOCK_DOCKING_PATIENCE_SECONDS="2"))
    status = story.ran("status", scene.station.run("status", "--json"))
    assert "does not answer in time" in status.json["vault_problem"]
    wire.mend()
    story.docked(scene.station.run("dock", scene.card, "--json"))
    story.ends(scene)


@fault(
    "The line is cut at one place after another of an upload, and `dock` repeated",
    "`dock`, cut off 5 times: waiting (`vault-unavailable`) → `dock` 0, all safe → no alert",
)
def test_a_line_that_is_cut_at_many_places(scene: Scene, wire: Wire, story: Story) -> None:
    for number in range(5):
        wire.mend()
        # Also the last one comes before the upload's end, whatever parts the others brought there.
        wire.cut(after=1_000 + number * number * 2_500_000)
        ran = scene.station.run("dock", scene.card, "--json", SEALDOCK_DOCKING_PATIENCE_SECONDS="0")
        assert ran.code in {33, 37, 55}, ran
    story.states("`dock`, cut off 5 times", scene)
    scene.check_card()
    wire.mend()
    story.docked(scene.station.run("dock", scene.card, "--json"))
    story.alerts(scene)
    story.ends(scene)
