"""The station's clock is set while a docking is under way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fault import Scene, Story, fault
from tests.support.service import states
from tests.support.station import Station, clip_key, ended, make_card, until

pytestmark = pytest.mark.slow

HOUR = 3600
TO_2120 = int((datetime(2120, 1, 1, tzinfo=UTC) - datetime.now(UTC)).total_seconds())
LONGEST = timedelta(days=400 + 31 * 13)
"""How far from what the register vouches for a lock may reach: a year's rest, then the cap."""
TOLD = "`dock` 0, all safe → every lock lasts between 5 months and 27 months → no alert"
# What the program reads its time from, moved by as many seconds as a file says. The computer's own clock
# cannot be set here, and a library that fakes it breaks the sleeps of running threads when it steps.
STEPPING = """
from datetime import UTC, datetime, timedelta
from pathlib import Path
from metadata import clock

def now():
    return datetime.now(UTC) + timedelta(seconds=int(Path("{file}").read_text()))

clock.StationClock.__init__.__defaults__ = (now, lambda: None)
import cli
cli.main()
"""


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3 * HOUR, marks=fault("The clock is set 3 hours forward", TOLD)),
        pytest.param(-3 * HOUR, marks=fault("The clock is set 3 hours back", TOLD)),
        pytest.param(TO_2120, marks=fault("The clock is set to the year 2120", TOLD)),
    ],
    ids=["forward", "back", "2120"],
)
def test_the_clock_is_set_in_the_middle(station: Station, tmp_path: Path, story: Story, seconds: int) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    files: dict[str | bytes, bytes] = {f"{n:02}.mp4": bytes([n]) * 500_000 for n in range(24)}
    scene = Scene.of(station, make_card(tmp_path / "card", files))
    stepping = replace(station, wrapper=("-c", STEPPING.format(file=clock)))
    before = datetime.now(UTC)
    process = stepping.start("dock", scene.card, "--json", SEALDOCK_DOCKING_PARALLEL="1")
    until(lambda: states(station)["confirmed"] + states(station)["released"] >= 4)
    (tmp_path / "next").write_text(str(seconds))
    (tmp_path / "next").rename(clock)
    story.docked(ended(process))
    times = [
        datetime.fromisoformat(row[0]).replace(tzinfo=UTC)
        for row in station.rows("SELECT at FROM custody_event")
    ]
    furthest = max(times, key=lambda at: abs(at - before))
    assert abs(furthest - before - timedelta(seconds=seconds)) < timedelta(hours=1), "it was set too late"
    for digest in scene.safe():
        assert before + timedelta(days=150) < station.lock(clip_key(digest)) < before + LONGEST
    story.saw("every lock lasts between 5 months and 27 months")
    story.alerts(scene)
    story.ends(scene)
