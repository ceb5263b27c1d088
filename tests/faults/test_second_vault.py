"""One of two vaults is away or loses what it holds, or the process is killed between them."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fault import Scene, Story, fault
from tests.support.pair import KILLED, Pair, with_second
from tests.support.station import Station, make_card

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"a.mp4": b"a" * 5000, "b.mp4": bytes(300_000), "c.txt": b""}
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}
BETWEEN = (
    "after:storage.local:LocalVault.put_file:1",  # one has it
    "after:storage.local:LocalVault.put_file:2",  # both, and the spool's copy has gone
    "after:jobs.storing:_confirm:1",  # one has confirmed
    "after:jobs.placing:place:2",
)


@pytest.fixture
def pair(station: Station) -> Pair:
    """A fresh home with two required vaults."""
    pair = with_second(station)
    pair.ok("vault", "prepare")
    return pair


@pytest.fixture
def scene(pair: Pair, tmp_path: Path) -> Scene:
    return Scene.of(pair, make_card(tmp_path / "card", FILES))


@fault(
    "The second vault, a required one, is away while a card is docked; then it is back",
    "`dock` 33, waiting (`second-vault-unavailable`) → `dock` 0, all safe",
)
def test_the_second_is_away(pair: Pair, scene: Scene, story: Story) -> None:
    pair.second.rename(pair.unplugged)
    story.docked(pair.run("dock", scene.card, "--json", **IMPATIENT))
    assert len(list(pair.spool.iterdir())) == len(FILES)
    assert pair.json("status")["second_vault"]["problem"]
    pair.unplugged.rename(pair.second)
    story.docked(pair.run("dock", scene.card, "--json"))
    pair.same_in_both()
    story.ends(scene)


@fault(
    "`dock` is killed (SIGKILL) when one vault has stored a clip, when both have, when one has confirmed it, "
    "and between the documents of the docking, and run again",
    "`dock`, run again: all safe → no alert",
)
def test_killed_between_the_vaults(pair: Pair, scene: Scene, story: Story) -> None:
    for place in BETWEEN:
        found = replace(pair, wrapper=(KILLED, place)).run("dock", scene.card)
        assert found.code == -signal.SIGKILL, place
    assert pair.dock(scene.card)["ok"]
    story.states("`dock`, run again", scene)
    story.alerts(scene)
    pair.same_in_both()
    story.ends(scene)


@fault(
    "The main vault loses all clips for good; the second one has them",
    "`dock` 0, all safe → `verify` 44, `missing` → `reconcile --repair` 0 → `verify` 0, clean",
)
def test_the_main_vault_loses_all_clips(pair: Pair, scene: Scene, story: Story) -> None:
    story.docked(pair.run("dock", scene.card, "--json"))
    shutil.rmtree(pair.vault / "clips")
    story.verified(scene)
    story.ran("reconcile --repair", pair.run("reconcile", "--repair", "--json"))
    story.verified(scene)
    pair.same_in_both()
    story.ends(scene)
