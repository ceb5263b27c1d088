"""The register's server (PostgreSQL) is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault import Scene, Story, fault
from tests.support.postgres import Cluster, Place, connect
from tests.support.station import Station, ended, make_card, until

pytestmark = pytest.mark.slow


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    with cluster.server.database() as place:
        yield place


def asked(place: Place, query: str) -> list[tuple[Any, ...]]:
    with closing(connect(place.owner)) as owner:
        return owner.execute(query.encode()).fetchall()


def kill(cluster: Cluster) -> None:
    """Kill the postmaster and every process of its own, as the kernel does when memory runs out."""
    postmaster = int((cluster.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for process in (postmaster, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    # Whoever holds its shared memory keeps the next one from starting.
    until(lambda: not any(Path(f"/proc/{process}/fd").exists() for process in (postmaster, *children)))


@fault(
    "The server is killed (SIGKILL) in the middle of the transactions of a docking, three times, "
    "and started again",
    "`dock` 0, all safe → no alert → no event is missing or there twice",
)
def test_killed_in_the_middle_of_transactions(
    cluster: Cluster, place: Place, story: Story, tmp_path: Path
) -> None:
    station = Station(tmp_path / "home", {"SEALDOCK_DATABASE_URL": place.url})
    station.ok("init", SEALDOCK_DATABASE_OWNER_URL=place.owner)
    files: dict[str | bytes, bytes] = {f"{n:03}.mp4": bytes([n]) * 4096 for n in range(60)}
    scene = Scene.of(station, make_card(tmp_path / "card", files))
    scene = replace(scene, rows=lambda query: asked(place, query))
    process = station.start("dock", scene.card, "--json", SEALDOCK_DOCKING_PATIENCE_SECONDS="120")
    for moved in (1, 20, 40):
        until(
            lambda least=moved: (
                asked(place, "SELECT count(*) FROM custody_event WHERE kind = 'sealed'")[0][0] >= least
            )
        )
        assert process.poll() is None, process.communicate()
        kill(cluster)
        cluster.start()
    story.docked(ended(process))
    story.alerts(scene)
    events = asked(place, "SELECT kind, clip_id FROM custody_event ORDER BY sequence")
    assert len({event for event in events if event[1] and event[0] != "waiting"}) == 5 * len(files)
    assert [row[0] for row in asked(place, "SELECT sequence FROM custody_event ORDER BY 1")] == list(
        range(len(events))
    )
    story.saw("no event is missing or there twice")
    story.ends(scene)
