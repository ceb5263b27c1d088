"""Cards as they come: empty, broken, hostile, growing, gone in the middle. Nothing on them is lost."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.lacking import lacking
from tests.support.station import WRITTEN, Station, by_path, digest_of, make_card, picture

pytestmark = pytest.mark.slow

as_root = pytest.mark.root
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")

EMPTY = digest_of(b"")


def look(card: Path) -> dict[Path, tuple[int, bytes]]:
    """Return times and bytes of all files on a card."""
    files = (path for path in card.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_an_empty_card(station: Station, tmp_path: Path) -> None:
    found = station.dock(make_card(tmp_path / "card", {}))
    assert (found["clips"], found["ok"]) == ([], True)
    assert picture(station)["clips"] == []
    assert len(list(station.vault.glob("dockings/*/*/*/*"))) == 4


def test_no_card_at_all(station: Station, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for source, code in ((tmp_path / "nothing", 25), (tmp_path / "file", 26)):
        refused = station.run("dock", source, "--json").expect(code)
        assert refused.out == b""
        assert refused.error["facts"] == {"source": str(source)}
    assert station.value("SELECT count(*) FROM docking") == 0


def test_clips_that_are_no_footage_are_kept_all_the_same(
    station: Station, tmp_path: Path, video: Path
) -> None:
    whole = video.read_bytes()
    files = {
        "DCIM/100MEDIA/CLIP0001.MP4": whole,
        "DCIM/100MEDIA/CLIP0002.MP4": whole[: len(whole) // 2],
        "DCIM/100MEDIA/CLIP0003.MP4": b"",
        "DCIM/100MEDIA/CLIP0004.MP4": b"",
        "DCIM/100MEDIA/CLIP0005.MP4": b"this is no film" * 1000,
        "DCIM/101MEDIA/CLIP0001.MP4": whole,
        "notes.txt": b"text",
    }
    card = make_card(tmp_path / "card", files)
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in card.rglob("*") if path.is_file()
    }
    found = station.dock(card)
    clips = by_path(found)
    assert {path: clip["sha256"] for path, clip in clips.items()} == {
        path: digest_of(data) for path, data in files.items()
    }
    conditions = {path.rpartition("/")[2]: clip["condition"] for path, clip in clips.items()}
    assert conditions == {
        "CLIP0001.MP4": "intact",
        "CLIP0002.MP4": "truncated",
        "CLIP0003.MP4": "empty",
        "CLIP0004.MP4": "empty",
        "CLIP0005.MP4": "not_media",
        "notes.txt": "not_media",
    }
    assert len({clip["id"] for clip in clips.values()}) == len(files)
    assert Counter(clip["sha256"] for clip in clips.values())[EMPTY] == 2
    assert picture(station)["seals"] == dict.fromkeys(files, 1)
    # The card was read, never written.
    assert look(card) == before

    again = station.dock(card)
    assert by_path(again).keys() == clips.keys()
    assert {clip["id"] for clip in again["clips"]} == {clip["id"] for clip in found["clips"]}
    outcomes = station.rows("SELECT DISTINCT outcome FROM sighting WHERE docking_id = ?", again["docking"])
    assert outcomes == [("not-read-again",)]
    assert "not read again" in station.ok("dock", card).text

    # Another recorder with the same bytes: clips of its own, no object more.
    objects = len(list(station.vault.glob("clips/sha256/*/*")))
    other = station.dock(make_card(tmp_path / "other", {"DCIM/100MEDIA/CLIP0001.MP4": whole}))
    assert other["recorder"] != found["recorder"]
    assert {clip["id"] for clip in other["clips"]}.isdisjoint(clip["id"] for clip in found["clips"])
    assert len(list(station.vault.glob("clips/sha256/*/*"))) == objects
    assert station.json("verify", "--level", "full") == {
        "level": "full", "checked": len(files) + 1, "ok": True, "failed": [], "remaining": 0
    }  # fmt: skip
    ambiguous = station.run("tag", digest_of(whole)[:12], "--category", "routine", "--json").expect(66)
    assert ambiguous.error["facts"]["count"] == 3


NAMES: tuple[bytes, ...] = (
    b"with spaces .mp4",
    b"two\nlines",
    b"tab\tand\x1b[31mred",
    "执法记录仪".encode(),
    b"gbk-\xb7\xa8",
    b"\xff\xfe",
    b"n" * 255,
    "长".encode() * 85,
    b"-rf",
    b"...",
    b"~",
    b"%00",
    b"'; DROP TABLE clip; --",
    b"folder/..hidden",
    b"folder with spaces/\xe9t\xe9.avi",
    b"d1/d2/d3/d4/d5/deep.mov",
)


def test_names_of_any_bytes(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {name: name for name in NAMES})
    found = station.dock(card)
    assert found["ok"]
    assert {row[0] for row in station.rows("SELECT path_bytes FROM clip")} == set(NAMES)
    assert {clip["sha256"] for clip in found["clips"]} == {digest_of(name) for name in NAMES}
    assert all("\ufffd" not in clip["path"] for clip in found["clips"])
    assert by_path(found)["gbk-\\xb7\\xa8"]["size"] == 6
    assert station.dock(card)["clips"] == found["clips"]
    # A terminal must not obey what a card is called.
    (card / os.fsdecode(b"\x1b[31m\xff")).symlink_to("nowhere")
    for told in (seen_on_a_terminal(station, "clips"), seen_on_a_terminal(station, "dock", card)):
        assert b"\x1b[31m" not in told
        assert b"\\x1b[31m" in told
    as_json = seen_on_a_terminal(station, "clips", "--json")
    assert b"\x1b" not in as_json
    assert {clip["path"] for clip in json.loads(as_json)} == {clip["path"] for clip in found["clips"]}
    assert len(station.ok("clips").out.splitlines()) == len(NAMES) + 1


def seen_on_a_terminal(station: Station, *arguments: str | Path) -> bytes:
    """Run a command whose standard output is a terminal, and return what the terminal got."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=station.home.parent,
        env=station.variables(),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        told = b""
        with suppress(OSError):  # the terminal goes with its last process
            while piece := os.read(ours, 65_536):
                told += piece
    os.close(ours)
    assert process.returncode == 0
    return told


def test_only_regular_files_are_read(station: Station, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "shadow").write_bytes(b"not on the card")
    card = make_card(tmp_path / "card", {"clip.mp4": b"clip"})
    (card / "link.mp4").symlink_to(secret / "shadow")
    (card / "folder").symlink_to(secret)
    (card / "dangling").symlink_to("nowhere")
    (card / "inside").symlink_to("clip.mp4")
    os.mkfifo(card / "fifo")
    with socket.socket(socket.AF_UNIX) as listener, inside(card):
        listener.bind("socket")
    found = station.dock(card)
    assert [clip["path"] for clip in found["clips"]] == ["clip.mp4"]
    assert {item["path"]: item["what"] for item in found["skipped"]} == {
        "link.mp4": "symbolic link",
        "folder": "symbolic link",
        "dangling": "symbolic link",
        "inside": "symbolic link",
        "fifo": "FIFO",
        "socket": "socket",
    }
    assert not station.object(digest_of(b"not on the card")).exists()
    told = station.ok("dock", card)
    assert "link.mp4" in told.text


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder: the name of a socket may not be long."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@as_root
def test_device_files_are_not_read(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"clip.mp4": b"clip"})
    os.mknod(card / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(card / "disk", stat.S_IFBLK | 0o666, os.makedev(7, 250))
    found = station.dock(card)
    assert {item["path"]: item["what"] for item in found["skipped"]} == {
        "zero": "character device",
        "disk": "block device",
    }


@as_root
def test_another_file_system_on_the_card_is_not_read(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"clip.mp4": b"clip", "mount/under.mp4": b"under"})
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", card / "mount"], check=False).returncode != 0:
        lacking("no mounts here")
    try:
        found = station.dock(card)
    finally:
        subprocess.run(["umount", card / "mount"], check=True)
    assert found["skipped"] == [{"path": "mount", "what": "another file system"}]


@as_user
def test_what_may_not_be_read_is_named_and_the_rest_is_kept(station: Station, tmp_path: Path) -> None:
    card = make_card(
        tmp_path / "card", {"a.mp4": b"a", "closed.mp4": b"closed", "z.mp4": b"z", "dir/b": b"b"}
    )
    (card / "closed.mp4").chmod(0)
    (card / "dir").chmod(0)
    try:
        found = station.dock(card, code=33)
    finally:
        (card / "dir").chmod(0o755)
    clips = by_path(found)
    assert (clips["closed.mp4"]["state"], clips["closed.mp4"]["reason"]) == ("waiting", "source-unreadable")
    assert {clips[name]["state"] for name in ("a.mp4", "z.mp4")} == {"released"}
    assert [item["path"] for item in found["skipped"]] == ["dir"]
    (card / "closed.mp4").chmod(0o644)
    again = by_path(station.dock(card))
    assert again["closed.mp4"]["id"] == clips["closed.mp4"]["id"]
    assert again["dir/b"]["sha256"] == digest_of(b"b")


def test_a_file_that_keeps_growing(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"first.mp4": b"first", "growing.mp4": b"start", "last.mp4": b"last"})
    stop = threading.Event()

    def record() -> None:
        with (card / "growing.mp4").open("ab", buffering=0) as file:
            while not stop.wait(0.001):
                file.write(bytes(512))

    recording = threading.Thread(target=record)
    recording.start()
    try:
        found = station.dock(card, code=33)
    finally:
        stop.set()
        recording.join()
    clips = by_path(found)
    growing = clips["growing.mp4"]
    assert (growing["state"], growing["reason"]) == ("quarantined", "source-changed")
    assert {clips[name]["state"] for name in ("first.mp4", "last.mp4")} == {"released"}
    assert station.json("status")["alert_counts"] == {"quarantined": 1}
    assert list(station.spool.iterdir()) == []

    again = by_path(station.dock(card))
    assert again["growing.mp4"]["id"] == growing["id"]
    assert again["growing.mp4"]["sha256"] == digest_of(card / "growing.mp4")
    assert picture(station)["seals"] == {"first.mp4": 1, "growing.mp4": 1, "last.mp4": 1}


def test_other_bytes_behind_the_same_name_size_and_time(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"clip.mp4": b"what was recorded", "same.mp4": b"same"})
    first = by_path(station.dock(card))
    make_card(card, {"clip.mp4": b"what was put in!!"})
    assert (card / "clip.mp4").stat().st_mtime == WRITTEN
    assert by_path(station.dock(card)) == first  # nothing tells them apart but their bytes
    found = by_path(station.dock(card, "--reread"))
    assert found["same.mp4"] == first["same.mp4"]
    assert found["clip.mp4"]["id"] != first["clip.mp4"]["id"]
    assert found["clip.mp4"]["sha256"] == digest_of(b"what was put in!!")
    assert found["clip.mp4"]["state"] == "released"
    ((kind, clip, facts),) = station.rows("SELECT kind, clip_id, facts FROM alert")
    assert (kind, clip) == ("reread-different", first["clip.mp4"]["id"])
    assert found["clip.mp4"]["id"] in facts
    assert "reread" in station.events(first["same.mp4"]["id"])
    assert station.object(first["clip.mp4"]["sha256"]).read_bytes() == b"what was recorded"
    assert station.json("verify", "--level", "full")["checked"] == 3


def test_a_new_file_under_an_old_name_is_a_new_clip(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"clip.mp4": b"one"})
    first = station.dock(card)["clips"]
    (card / "clip.mp4").write_bytes(b"longer than before")
    second = station.dock(card)["clips"]
    assert first[0]["id"] != second[0]["id"]
    assert picture(station)["seals"] == {"clip.mp4": 2}


def test_a_card_whose_own_path_is_no_text(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / os.fsdecode(b"card \xb7\xa8%41"), {"clip.mp4": b"clip"})
    found = station.dock(card)
    assert found["ok"]
    assert station.dock(card)["clips"] == found["clips"]
    missing = station.run("dock", os.fsencode(tmp_path) + b"/gone \xb7\xa8", "--json").expect(25)
    assert "gone \\udcb7\\udca8" in missing.error["facts"]["source"]


def test_clearing_is_off_unless_it_was_asked_for(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"a.mp4": b"a", "folder/b.mp4": b"b"})
    station.dock(card)
    assert sorted(path.name for path in card.rglob("*.mp4")) == ["a.mp4", "b.mp4"]


def test_clearing_unlinks_what_was_read_back_and_nothing_else(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"kept.mp4": b"what was recorded", "folder/b.mp4": b"b"})
    (card / "link").symlink_to("kept.mp4")
    station.dock(card)
    # Behind the register's back the card now holds other bytes: they are not in the vault.
    make_card(card, {"kept.mp4": b"what was put in!!"})
    found = station.dock(card, SEALDOCK_CLEARING_POLICY="after-confirm")
    assert {path.name for path in card.rglob("*") if not path.is_dir()} == {"kept.mp4", "link"}
    assert (card / "kept.mp4").read_bytes() == b"what was put in!!"
    clips = by_path(found)
    assert "cleared" in station.events(clips["folder/b.mp4"]["id"])
    assert "clearing-refused" in station.events(clips["kept.mp4"]["id"])
    assert station.rows("SELECT kind, clip_id FROM alert") == [("clearing-refused", clips["kept.mp4"]["id"])]
    assert station.object(digest_of(b"b")).read_bytes() == b"b"


def test_a_register_of_another_home(station: Station, tmp_path: Path) -> None:
    """What a variable left in the shell leads to; nothing of this station may be written there."""
    other = Station(tmp_path / "other", station.environment)
    other.ok("init")
    astray = {"SEALDOCK_DATABASE_URL": f"sqlite:///{other.register}"}
    card = make_card(tmp_path / "card", {"a.mp4": b"a"})
    refused = station.run("dock", card, "--json", **astray).expect(84)
    assert refused.error["error"] == "station-unknown"
    assert other.value("SELECT count(*) FROM docking") == 0
    assert station.dock(card)["ok"]
