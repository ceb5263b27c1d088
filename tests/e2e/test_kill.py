"""SIGKILL anywhere on the way: the rerun ends in the same register and the same vault as if nothing had been.

Each kill is of a whole process, so what holds here holds for a crash of it. What a power cut does to the
medium is another matter, which the tests of ``storage`` look into.
"""

import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import ROOT, Station, digest_of, ended, make_card, picture

pytestmark = pytest.mark.slow

KILLED = str(ROOT / "tests" / "support" / "killed.py")

STAGES = {
    "inventory": "jobs.registration:register_docking:1",
    "signed inventory": "jobs.closing:seal_inventory:1",
    "offload": "jobs.offloading:run:2",
    "probe": "jobs.probing:run:2",
    "seal": "jobs.sealing:run:2",
    "store": "jobs.storing:store:2",
    "confirm": "jobs.storing:confirm_stored:2",
    "close": "jobs.closing:close:1",
    "publish": "jobs.closing:publish:1",
    "release": "jobs.closing:release:1",
}
INSIDE = {
    "spool copy written, not read back": "before:ingest.offload:_read_back:2",
    "signature made, not written down": "after:hashing.seal:sign:2",
    "object named, not protected": "before:storage.publisher:Publisher._protect:1",
    "lock record without an object": "after:storage.lock_record:LockRecords.write_first:1",
    "vault has the clip, register not": "after:storage.local:LocalVault.put_file:1",
    "some documents of the docking": "after:storage.local:LocalVault.put_bytes:9",
}


@pytest.fixture(scope="module")
def files(video: Path) -> dict[str | bytes, bytes]:
    return {
        "DCIM/100MEDIA/CLIP0001.MP4": video.read_bytes(),
        "DCIM/100MEDIA/CLIP0002.MP4": b"",
        "DCIM/100MEDIA/CLIP0003.MP4": bytes(1_000_000),
    }


@pytest.fixture(scope="module")
def undisturbed(
    blank: Station, files: dict[str | bytes, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a home shows that was left alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    station = blank.copy(folder / "home")
    station.dock(make_card(folder / "card", files))
    shown = picture(station)
    assert set(shown["seals"].values()) == {1}
    assert shown["spool"] == []
    return shown


def killed(station: Station, place: str, card: Path) -> bool:
    """Dock, be killed at a place; False if the docking came to its end before that."""
    return cut_off(station, place, "dock", card)


def cut_off(station: Station, place: str, *command: str | Path) -> bool:
    found = replace(station, wrapper=(KILLED, place)).run(*command)
    if found.code != -signal.SIGKILL:
        found.expect(0)
    return found.code == -signal.SIGKILL


def check_converged(station: Station, card: Path, undisturbed: dict[str, Any]) -> None:
    """Dock once more; all must be as if nothing had been."""
    found = station.dock(card)
    assert found["ok"]
    assert picture(station) == undisturbed
    assert station.value("SELECT count(*) FROM docking WHERE closed_at IS NULL") == 0


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_stage_one_after_the_other(
    station: Station,
    tmp_path: Path,
    files: dict[str | bytes, bytes],
    undisturbed: dict[str, Any],
    moment: str,
) -> None:
    card = make_card(tmp_path / "card", files)
    # Signing goes on beside the clips: after a kill there, none of them need be left.
    for stage, place in STAGES.items():
        if stage == "signed inventory":
            continue
        function = place.rpartition(":")[0]
        assert killed(station, f"{moment}:{function}:1", card), function
    check_converged(station, card, undisturbed)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_stage(
    station: Station,
    tmp_path: Path,
    files: dict[str | bytes, bytes],
    undisturbed: dict[str, Any],
    stage: str,
    moment: str,
) -> None:
    card = make_card(tmp_path / "card", files)
    assert killed(station, f"{moment}:{STAGES[stage]}", card)
    check_converged(station, card, undisturbed)


@pytest.mark.parametrize("place", INSIDE)
def test_killed_inside_a_stage(
    station: Station,
    tmp_path: Path,
    files: dict[str | bytes, bytes],
    undisturbed: dict[str, Any],
    place: str,
) -> None:
    card = make_card(tmp_path / "card", files)
    assert killed(station, INSIDE[place], card)
    check_converged(station, card, undisturbed)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_commit_after_commit(
    station: Station,
    tmp_path: Path,
    files: dict[str | bytes, bytes],
    undisturbed: dict[str, Any],
    moment: str,
) -> None:
    """Each run is cut off at an early commit; what it did stands, or is repeated without a trace."""
    card = make_card(tmp_path / "card", files)
    kills = 0
    while killed(station, f"{moment}:commit:{1 + kills // 3}", card):
        kills += 1
        assert kills < 50
    assert kills >= 12
    check_converged(station, card, undisturbed)


def test_killed_at_random_times(
    station: Station, tmp_path: Path, files: dict[str | bytes, bytes], undisturbed: dict[str, Any]
) -> None:
    card = make_card(tmp_path / "card", files)
    rng = random.Random(20260301)  # noqa: S311 - a seed, so that a failure can be repeated
    started = time.monotonic()
    station_began = station.start("dock", tmp_path / "nothing")
    ended(station_began).expect(25)
    least = time.monotonic() - started  # what a start costs on this machine: before that nothing happens
    for _ in range(6):
        process = station.start("dock", card)
        try:
            process.wait(timeout=least + rng.random() * 1.5)
        except subprocess.TimeoutExpired:
            process.kill()
        assert ended(process).code in {0, -signal.SIGKILL}
    check_converged(station, card, undisturbed)


def test_the_card_goes_with_the_power(
    station: Station, tmp_path: Path, files: dict[str | bytes, bytes], undisturbed: dict[str, Any]
) -> None:
    """Killed with one clip copied; the recorder is docked elsewhere meanwhile and comes back later."""
    card = make_card(tmp_path / "card", files)
    assert killed(station, "after:jobs.offloading:run:1", card)
    card.rename(tmp_path / "pocket")
    other = make_card(tmp_path / "other", {"another.txt": b"another"})
    assert station.dock(other)["ok"]
    states = dict(station.rows("SELECT name, state FROM clip"))
    assert set(states.values()) <= {"released", "missing_at_unplug"}
    (tmp_path / "pocket").rename(card)
    assert station.dock(card)["ok"]
    shown = picture(station)
    assert {row[0] for row in shown["clips"]} == {row[0] for row in undisturbed["clips"]} | {"another.txt"}
    assert {row[3] for row in shown["clips"]} == {"released"}
    assert set(shown["seals"].values()) == {1}
    assert shown["spool"] == []


def test_a_reread_that_was_killed(station: Station, tmp_path: Path, files: dict[str | bytes, bytes]) -> None:
    card = make_card(tmp_path / "card", files)
    station.dock(card)
    make_card(card, {"DCIM/100MEDIA/CLIP0003.MP4": b"\1" * 1_000_000})
    assert cut_off(station, "after:jobs.rereading:reread:3", "dock", card, "--reread")
    station.dock(card, "--reread")
    shown = picture(station)
    assert shown["seals"] == {
        "DCIM/100MEDIA/CLIP0001.MP4": 1,
        "DCIM/100MEDIA/CLIP0002.MP4": 1,
        "DCIM/100MEDIA/CLIP0003.MP4": 2,
    }
    assert {row[3] for row in shown["clips"]} == {"released"}
    assert shown["alerts"] == {"reread-different": 1}


@pytest.mark.parametrize(
    "place", ["after:jobs.initialising:_make_keys:1", "before:metadata.schema:upgrade:1", "before:commit:1"]
)
def test_init_goes_on_where_it_was_killed(tmp_path: Path, place: str) -> None:
    station = Station(tmp_path / "home")
    assert cut_off(station, place, "init")
    assert station.run("status", "--json").expect(86).error["error"] == "home-unfinished"
    keys = {path.name: path.read_bytes() for path in (station.home / "keys").iterdir()}
    station.init()
    after = {path.name: path.read_bytes() for path in (station.home / "keys").iterdir()}
    assert after.items() >= keys.items()  # the log's key is made with the register
    assert station.dock(make_card(tmp_path / "card", {"a.txt": b"a"}))["ok"]


@pytest.mark.parametrize(
    "place",
    ["before:commit:1", "after:commit:1", "before:pathlib:Path.rename:1", "after:pathlib:Path.rename:1"],
)
def test_a_change_of_keys_that_was_killed(station: Station, tmp_path: Path, place: str) -> None:
    card = make_card(tmp_path / "card", {"before.txt": b"before"})
    station.dock(card)
    assert cut_off(station, place, "keys", "rotate")
    make_card(card, {"after.txt": b"after"})
    assert station.dock(card)["ok"]
    # Once the register says that a key is retired, nothing is signed with it any more.
    begun = [row["id"] for row in station.json("keys", "list") if row["retired"] is None]
    query = "SELECT s.key_id FROM seal s JOIN clip c ON c.id = s.clip_id WHERE c.name = 'after.txt'"
    assert [station.value(query)] == begun
    station.ok("keys", "rotate")
    current = [row["id"] for row in station.json("keys", "list") if row["retired"] is None]
    assert len(current) == 1
    names = {path.name for path in (station.home / "keys").iterdir()}
    log = {"ledger.key", "ledger.vkey"}
    assert names == {"authority.key", "authority.pem", "station.key", "station.pem", "retired"} | log
    assert station.json("verify", "--level", "full")["ok"] is True


def test_a_retrieval_that_was_killed(station: Station, tmp_path: Path) -> None:
    (clip,) = station.dock(make_card(tmp_path / "card", {"clip.mp4": bytes(500_000)}))["clips"]
    command = ("retrieve", clip["id"], "--purpose", "review", "--to", tmp_path / "out")
    assert cut_off(station, "before:hashing.durable:publish:1", *command)
    # What was not proved and logged does not carry the clip's name.
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".part"]
    (given,) = station.json(*command)
    assert digest_of(Path(given["file"])) == clip["sha256"]
    # Its unfinished copy is gone, and the name was free for this one.
    assert Path(given["file"]).name == "clip.mp4"
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
