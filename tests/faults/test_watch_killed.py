"""The station service is killed."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fault import Scene, Story, fault
from tests.support.service import QUICK, finish, kill_at_random
from tests.support.station import ROOT, Station, make_card, picture

pytestmark = pytest.mark.slow

KILLED = str(ROOT / "tests" / "support" / "killed.py")
STAGES = {
    "inventory": "jobs.registration:register_docking",
    "signed inventory": "jobs.closing:seal_inventory",
    "offload": "jobs.offloading:run",
    "probe": "jobs.probing:run",
    "seal": "jobs.sealing:run",
    "store": "jobs.storing:store",
    "confirm": "jobs.storing:confirm_stored",
    "recheck": "jobs.rechecking:run",
    "close": "jobs.closing:close",
    "publish": "jobs.closing:publish",
    "release": "jobs.closing:release",
}
SECONDS = 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@fault(
    "`watch` is killed (SIGKILL) before and after every stage of a docking, with a new folder for each, "
    "and started again",
    "the service, started again: all safe → no alert",
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_stage(station: Station, root: Path, story: Story, moment: str) -> None:
    """Each start also has to go on with what the one before left."""
    for number, (stage, function) in enumerate(STAGES.items()):
        make_card(root / f"drop{number}", {f"{stage}-{n}.mp4": bytes([number, n]) * 35_000 for n in (1, 2)})
        killed = replace(station, wrapper=(KILLED, f"{moment}:{function}:1"))
        found = killed.run("watch", root, **QUICK)
        assert found.code == -signal.SIGKILL, f"{stage}: {found.err}"
    check(station, root, story)


@fault(
    "`watch` is killed again and again at random moments while folders appear, and started again",
    "the service, started again: all safe → no alert",
)
def test_killed_at_random(station: Station, root: Path, story: Story) -> None:
    kill_at_random(station, root, seconds=SECONDS, seed=20260301)
    check(station, root, story)


def check(station: Station, root: Path, story: Story) -> None:
    scene = Scene.of(station, root)
    finish(station, root, len(scene.digests))
    story.states("the service, started again", scene)
    story.alerts(scene)
    # Nothing was done twice that shows, and what was being derived is made up for.
    assert station.json("derive")["failed"] == 0
    shown = picture(station)
    assert set(shown["seals"].values()) == {1}
    assert shown["spool"] == []
    story.ends(scene)
