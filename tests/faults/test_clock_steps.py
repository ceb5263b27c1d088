"""The station's clock is set while a docking is under way."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metadata.clock import kernel_synchronised
from tests.support.fault import Scene, Story, fault
from tests.support.service import states
from tests.support.station import Station, clip_key, ended, make_card, until

pytestmark = pytest.mark.slow

LONGEST = timedelta(days=400 + 31 * 13)
"""How far from what the register vouches for a lock may reach: a year's rest, then the cap."""
TOLD = "`dock` 0, all safe → every lock lasts between 5 months and 27 months"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("+3h", marks=fault("The clock is set 3 hours forward", f"{TOLD} → no alert")),
        pytest.param("-3h", marks=fault("The clock is set 3 hours back", f"{TOLD} → no alert")),
        pytest.param(
            "@2120-01-01 00:00:00", marks=fault("The clock is set to the year 2120", f"{TOLD} → no alert")
        ),
    ],
)
def test_the_clock_is_set_in_the_middle(station: Station, tmp_path: Path, story: Story, step: str) -> None:
    if step.startswith("@") and kernel_synchronised():
        pytest.skip("this computer's clock is disciplined, so that a time that runs ahead is believed")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library is not None, "the Debian package faketime is not installed"
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    files: dict[str | bytes, bytes] = {f"{n:02}.mp4": bytes([n]) * 500_000 for n in range(24)}
    scene = Scene.of(station, make_card(tmp_path / "card", files))
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    before = datetime.now(UTC)
    process = station.start("dock", scene.card, "--json", SEALDOCK_DOCKING_PARALLEL="1", **faked)
    until(lambda: states(station)["confirmed"] + states(station)["released"] >= 4)
    aside = tmp_path / "next"
    aside.write_text(f"{step}\n")
    aside.rename(clock)
    story.docked(ended(process))
    late = station.value("SELECT count(*) FROM custody_event WHERE at NOT LIKE ?", f"{before:%Y-%m-%d}%")
    assert late or not step.startswith("@"), "the clock was set after the docking had ended"
    for digest in scene.safe():
        assert before + timedelta(days=150) < station.lock(clip_key(digest)) < before + LONGEST
    story.saw("every lock lasts between 5 months and 27 months")
    story.alerts(scene)
    story.ends(scene)
