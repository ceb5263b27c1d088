"""The station service: real folders and mounts come and go, and the service with them."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.lacking import lacking
from tests.support.service import QUICK, closed, states, watching
from tests.support.station import Station, digest_of, ended, make_card, picture, until

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"a.mp4": b"a", "folder/b.mp4": bytes(300_000), "empty.txt": b""}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_a_drop_folder_is_docked_when_it_is_at_rest_and_again_when_it_changed(
    station: Station, root: Path
) -> None:
    with watching(station, root):
        folder = make_card(root / "drop", FILES)
        until(lambda: states(station) == {"released": 3})
        (folder / "next.mp4.part").write_bytes(b"half")
        (folder / "late.mp4").write_bytes(b"late")
        with pytest.raises(AssertionError, match="never came true"):
            until(lambda: closed(station) > 1, within=3)
        (folder / "next.mp4.part").rename(folder / "next.mp4")
        until(lambda: states(station) == {"released": 5})
        until(lambda: closed(station) == 2)
    assert {row[0] for row in station.rows("SELECT path FROM clip")} == {
        "a.mp4", "folder/b.mp4", "empty.txt", "next.mp4", "late.mp4"
    }  # fmt: skip
    assert station.json("verify", "--level", "full")["ok"] is True


def rests(beat: Path) -> bool:
    """Tell whether the service has looked, and does not again for a while."""
    before = beat.stat().st_mtime_ns
    time.sleep(2)
    return beat.stat().st_mtime_ns == before


def test_an_event_is_enough_however_long_the_rescan_is(station: Station, root: Path, tmp_path: Path) -> None:
    rarely = {"SEALDOCK_WATCH_RESCAN_SECONDS": "3600", "SEALDOCK_WATCH_STALL_SECONDS": "60"}
    beat = station.home / "watch.beat"
    with watching(station, root, **rarely):
        until(lambda: rests(beat))
        # It appears at once, whole; and nothing tells that it has come to rest.
        make_card(tmp_path / "made", FILES).rename(root / "drop")
        until(lambda: states(station) == {"released": 3}, within=45)


def test_a_small_card_does_not_wait_for_a_large_one(station: Station, root: Path, tmp_path: Path) -> None:
    """Recorders are read side by side, and the clips of each take their turns."""
    large: dict[str | bytes, bytes] = {f"{n:02}.mp4": bytes([n]) * 16_000_000 for n in range(24)}
    small: dict[str | bytes, bytes] = {"small.mp4": b"small" * 100_000}
    with watching(station, root, SEALDOCK_DOCKING_PARALLEL="2"):
        make_card(tmp_path / "large", large).rename(root / "large")
        until(lambda: states(station)["released"] + states(station)["confirmed"] > 1)
        make_card(tmp_path / "small", small).rename(root / "small")
        safe = "SELECT count(*) FROM clip WHERE path = 'small.mp4' AND state IN ('confirmed', 'released')"
        until(lambda: station.value(safe))
        left = states(station)["found"]
        assert left > 4, "the small card waited for the large one"
        assert len(station.json("status")["unfinished_dockings"]) >= 1
        before = len(large) - left
        until(lambda: len(large) - states(station)["found"] > before)  # and the large one goes on
        until(lambda: states(station) == {"released": 25})


def test_several_places_at_once_and_a_dock_by_hand(station: Station, root: Path, tmp_path: Path) -> None:
    with watching(station, root):
        for name in ("one", "two", "three"):
            make_card(root / name, {"clip.mp4": name.encode() * 1000})
        by_hand = make_card(tmp_path / "card", {"hand.mp4": b"by hand"})
        assert station.dock(by_hand)["ok"] is True
        until(lambda: states(station) == {"released": 4})
        assert station.json("status")["unfinished_dockings"] == []
    assert len({row[0] for row in station.rows("SELECT recorder_id FROM clip")}) == 4


def test_strange_recorders_wait_for_somebody_to_accept_them(station: Station, root: Path) -> None:
    make_card(root / "drop", FILES)
    with watching(station, root, SEALDOCK_WATCH_UNKNOWN_VOLUMES="quarantine"):
        until(lambda: states(station) == {"quarantined": 3})
        assert station.rows("SELECT DISTINCT reason FROM clip") == [("unknown-volume",)]
        until(lambda: closed(station) == 1)
        assert list(station.vault.glob("clips/*/*/*")) == []
        assert station.json("status")["alert_counts"] == {"unknown-volume": 1}
        (recorder,) = station.json("recorders", "list")
        assert recorder["accepted"] is False
        assert station.json("recorders", "accept", recorder["id"])["changed"] is True
        assert station.json("recorders", "accept", recorder["id"])["changed"] is False
        until(lambda: states(station) == {"released": 3})
    assert station.json("recorders", "list")[0]["accepted"] is True
    station.run("recorders", "accept", "01M8800000000000000000000Q").expect(72)
    kinds = Counter(row[0] for row in station.rows("SELECT kind FROM custody_event WHERE clip_id IS NULL"))
    assert kinds["recorder-accepted"] == 1


def test_a_station_may_refuse_strange_recorders(station: Station, root: Path, tmp_path: Path) -> None:
    known = make_card(tmp_path / "known", {"known.mp4": b"known"})
    station.dock(known)
    with watching(station, root, SEALDOCK_WATCH_UNKNOWN_VOLUMES="refuse"):
        make_card(root / "strange", FILES)
        until(lambda: station.json("status")["alert_counts"] == {"unknown-volume": 1})
        (known / "more.mp4").write_bytes(b"more")
        known.rename(root / "known")
        until(lambda: states(station) == {"released": 2})
    assert station.value("SELECT count(*) FROM docking") == 2


def test_killed_and_started_again_it_goes_on(station: Station, root: Path) -> None:
    make_card(root / "drop", {f"{number}.mp4": bytes([number]) * 2_000_000 for number in range(12)})
    process = station.start("watch", root, **QUICK)
    until(lambda: station.value("SELECT count(*) FROM clip WHERE state = 'released' OR state = 'confirmed'"))
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    with watching(station, root):
        until(lambda: states(station) == {"released": 12})
        until(lambda: closed(station) == station.value("SELECT count(*) FROM docking"))
    shown = picture(station)
    assert set(shown["seals"].values()) == {1}
    assert shown["spool"] == []
    assert station.json("verify", "--level", "full")["ok"] is True


def test_asked_to_stop_in_the_middle_it_loses_nothing(station: Station, root: Path) -> None:
    make_card(root / "drop", {f"{number}.mp4": bytes([number]) * 8_000_000 for number in range(12)})
    with watching(station, root):
        until(lambda: sum(states(station).values()) > states(station)["found"])
    left = states(station)
    assert left["found"] + left["released"] + left["confirmed"] < 13
    with watching(station, root):
        until(lambda: states(station) == {"released": 12})
    assert picture(station)["spool"] == []


def test_a_place_that_goes_in_the_middle_and_comes_back(station: Station, root: Path, tmp_path: Path) -> None:
    files: dict[str | bytes, bytes] = {f"{n}.mp4": bytes([n]) * 60_000_000 for n in range(3)}
    make_card(root / "card", files)
    with watching(station, root, SEALDOCK_DOCKING_PARALLEL="1"):
        until(lambda: station.spool.exists() and any(station.spool.iterdir()))
        (root / "card").rename(tmp_path / "pocket")
        until(lambda: closed(station) == 1)
        assert states(station)["missing_at_unplug"]
        (tmp_path / "pocket").rename(root / "card")
        until(lambda: states(station) == {"released": 3})
    for data in files.values():
        assert digest_of(station.object(digest_of(data))) == digest_of(data)


def test_the_service_manager_is_told(station: Station, root: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        with watching(station, root, NOTIFY_SOCKET=str(tmp_path / "notify")):
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096).startswith(b"WATCHDOG=1\nSTATUS=0 dockings")
        told = b""
        while not told.startswith(b"STOPPING=1"):
            told = manager.recv(4096)


@pytest.mark.root
def test_a_mount_is_docked_each_time_it_appears(station: Station, root: Path) -> None:
    card = root / "card"
    card.mkdir()
    with watching(station, root):
        for number in (1, 2):
            if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", card], check=False).returncode != 0:
                lacking("no mounts here")
            try:
                make_card(card, {f"{number}.mp4": b"%d" % number})
                until(lambda wanted=number: closed(station) >= wanted)
                until(lambda wanted=number: states(station)["released"] >= wanted - 1)
            finally:
                subprocess.run(["umount", "-l", card], check=True)
            until(lambda: not os.path.ismount(card))
    shutil.rmtree(card)


def test_a_root_must_be_a_folder(station: Station, tmp_path: Path) -> None:
    station.run("watch", tmp_path / "nothing").expect(25)
    (tmp_path / "file").write_bytes(b"")
    station.run("watch", tmp_path / "file").expect(26)
