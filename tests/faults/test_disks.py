"""Disks fill up, cannot be written, and change bits."""

import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home
from tests.support.fault import Scene, Story, fault
from tests.support.lacking import lacking
from tests.support.service import states
from tests.support.station import ROOT, Station, digest_of, ended, flip, make_card, until
from tests.support.store import Store

pytestmark = pytest.mark.slow

MIB = 1 << 20

KILLED = str(ROOT / "tests" / "support" / "killed.py")
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}
FILES: dict[str | bytes, bytes] = {"a.mp4": b"a", "folder/b.mp4": bytes(900_000), "empty.txt": b""}


@pytest.fixture
def scene(station: Station, tmp_path: Path) -> Scene:
    return Scene.of(station, make_card(tmp_path / "card", FILES))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Let a folder, with what is in it, be a small disk of its own."""
    folder.mkdir(exist_ok=True)
    own = shutil.copytree(folder, folder.with_name(f"{folder.name}-aside"), dirs_exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False
    ).returncode:
        lacking("no mounts here")
    try:
        shutil.copytree(own, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


@pytest.mark.root
@pytest.mark.parametrize(
    "full",
    [
        pytest.param(
            name,
            marks=fault(
                f"The {name}'s disk is full; then there is room",
                f"`dock` 33, waiting (`{name}-full`) → `dock` 0, all safe",
            ),
        )
        for name in ("spool", "vault")
    ],
)
def test_a_full_disk(scene: Scene, story: Story, full: str) -> None:
    station, disk = scene.station, scene.station.home / full
    with small_disk(disk, "400k"):
        few = {"SEALDOCK_SPOOL_MIN_FREE_BYTES": "0"}
        story.docked(station.run("dock", scene.card, "--json", **few, **IMPATIENT))
        assert scene.lost() == []
        remount(disk, "size=16m")
        story.docked(station.run("dock", scene.card, "--json", **few))
        story.ends(scene)


@pytest.mark.root
@fault(
    "The home's disk is full where uploads to a bucket are remembered; then there is room",
    "`dock` 33, waiting (`spool-full`) → no upload is left in the bucket → `dock` 0, all safe → no alert",
)
def test_a_full_disk_for_the_notes_of_uploads(store: Store, story: Story, tmp_path: Path) -> None:
    bucket = store.bucket(store.station)
    station = bucket_home(store, store.url(bucket), tmp_path).init()
    card = make_card(tmp_path / "card", {**FILES, "large.mp4": bytes(range(256)) * (17 * MIB // 256)})
    scene = Scene.of(station, card).in_bucket(store, bucket)
    with small_disk(station.home / "uploads", "64k"):
        filler = station.home / "uploads" / "filler"
        with filler.open("wb", buffering=0) as other, suppress(OSError):
            while other.write(bytes(1 << 12)):
                pass
        story.docked(station.run("dock", card, "--json", **IMPATIENT))
        assert scene.lost() == []
        assert store.client(store.station).list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
        story.saw("no upload is left in the bucket")
        filler.unlink()
        story.docked(station.run("dock", card, "--json"))
        story.alerts(scene)
        story.ends(scene)


@pytest.mark.root
@fault(
    "The register's disk is full in the middle of a docking; then there is room",
    "`dock` 73, `register-unavailable` → `dock` 0, all safe",
)
def test_a_full_disk_of_the_register(station: Station, tmp_path: Path, story: Story) -> None:
    files: dict[str | bytes, bytes] = {f"{n:04}.mp4": b"%d" % n for n in range(150)}
    scene = Scene.of(station, make_card(tmp_path / "card", files))
    disk = station.home / "records"
    disk.mkdir()
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        if (station.home / name).exists():
            (station.home / name).rename(disk / name)
    there = replace(
        station,
        environment={**station.environment, "SEALDOCK_DATABASE_URL": f"sqlite:///{disk / 'register.db'}"},
    )

    def rows(query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"{(disk / 'register.db').as_uri()}?mode=ro", uri=True)) as register:
            return register.execute(query).fetchall()

    scene = replace(scene, station=there, rows=rows)
    with small_disk(disk, "2m"):
        story.ran("dock", there.run("dock", scene.card, "--json", **IMPATIENT))
        remount(disk, "size=64m")
        assert scene.lost() == []
        story.docked(there.run("dock", scene.card, "--json"))
        story.ends(scene)


@pytest.mark.root
@fault(
    "The spool becomes read-only; then it can be written again",
    "`dock` 33, waiting (`spool-unavailable`) → `dock` 0, all safe",
)
def test_a_read_only_spool(scene: Scene, story: Story) -> None:
    station = scene.station
    with small_disk(station.spool, "16m"):
        remount(station.spool, "ro")
        story.docked(
            station.run("dock", scene.card, "--json", SEALDOCK_SPOOL_MIN_FREE_BYTES="0", **IMPATIENT)
        )
        assert scene.lost() == []
        remount(station.spool, "rw")
        story.docked(station.run("dock", scene.card, "--json", SEALDOCK_SPOOL_MIN_FREE_BYTES="0"))
        story.ends(scene)


@fault(
    "A bit changes in a spool copy that was proved, while the process is down; the card is docked again",
    "`dock` 33, quarantined (`digest-mismatch`) → `dock` 0, all safe → alert `quarantined`",
)
def test_a_bit_flips_in_the_spool(scene: Scene, story: Story) -> None:
    station = scene.station
    killed = replace(station, wrapper=(KILLED, "before:jobs.storing:store:1"))
    assert killed.run("dock", scene.card, SEALDOCK_DOCKING_PARALLEL="1").code == -signal.SIGKILL
    (copy,) = station.spool.iterdir()
    flip(copy)
    story.docked(station.run("dock", scene.card, "--json"))
    story.docked(station.run("dock", scene.card, "--json"))
    story.alerts(scene)
    story.ends(scene)


@fault(
    "A bit changes in a stored clip of the local vault; the object is restored from its copy",
    "`dock` 0, all safe → `verify` 44, `digest` → alert `integrity` → "
    "`dock` 33, not safe any more (`digest`) → `dock` 0, all safe",
)
def test_a_bit_flips_in_the_vault(scene: Scene, story: Story, tmp_path: Path) -> None:
    station = scene.station
    story.docked(station.run("dock", scene.card, "--json"))
    stored = station.object(digest_of(FILES["folder/b.mp4"]))
    copy = shutil.copy2(stored, tmp_path / "copy")
    flip(stored, at=400_000)
    story.verified(scene)
    story.alerts(scene)
    story.docked(station.run("dock", scene.card, "--json"))
    scene.check_card()
    stored.chmod(0o600)
    shutil.copy2(copy, stored)
    story.docked(station.run("dock", scene.card, "--json"))
    story.ends(scene)


@pytest.mark.root
@fault(
    "Something else fills the disk on which all of the home lies, in the middle of a docking; then it goes",
    "`dock` 33 or 73 → `dock` 0, all safe",
)
def test_a_full_disk_of_the_home(blank: Station, tmp_path: Path, story: Story) -> None:
    files: dict[str | bytes, bytes] = {f"{n:03}.mp4": bytes([n]) * 200_000 for n in range(30)}
    card = make_card(tmp_path / "card", files)
    disk = tmp_path / "disk"
    with small_disk(disk, "64m"):
        station = blank.copy(disk / "home")
        scene = Scene.of(station, card)
        few = {"SEALDOCK_SPOOL_MIN_FREE_BYTES": "0"}
        process = station.start("dock", card, "--json", **few, **IMPATIENT)
        until(lambda: states(station)["released"] + states(station)["confirmed"] > 3)
        with (disk / "something").open("wb", buffering=0) as other, suppress(OSError):
            while other.write(bytes(1 << 14)):
                pass
        story.stopped("dock", ended(process), {33, 73})
        assert scene.lost() == []
        (disk / "something").unlink()
        story.docked(station.run("dock", card, "--json", **few))
        story.ends(scene)


@fault(
    "A bit changes in the register file (SQLite): in a page's header, in a manifest, in a seal, in the "
    "digests of a clip; the last backup is restored each time",
    "`verify` 61, `register-corrupt` → `verify` 44, `manifest: digest` → "
    "`verify` 44, `seal: digest` → `verify` 44, `digest` → `dock` 0, all safe",
)
def test_bits_flip_in_the_register(scene: Scene, story: Story, tmp_path: Path) -> None:
    station = scene.station
    assert station.dock(scene.card)["ok"]
    backup = tmp_path / "backup"
    with closing(sqlite3.connect(station.register)) as register, closing(sqlite3.connect(backup)) as copy:
        register.backup(copy)
    data = backup.read_bytes()
    page = 4096 * (station.value("SELECT rootpage FROM sqlite_master WHERE name = 'clip'") - 1)
    sealed = "SELECT {} FROM seal s JOIN clip c ON c.id = s.clip_id WHERE c.path = 'a.mp4'"
    places = [
        page,
        data.index(station.value(sealed.format("s.manifest"))) + 100,
        data.index(station.value(sealed.format("s.signature"))) + 300,
        data.index(station.value("SELECT chunk_leaves FROM object WHERE size = 1")),
    ]
    for place in places:
        restore(station, backup)
        flip(station.register, place)
        story.verified(scene)
    restore(station, backup)
    story.docked(station.run("dock", scene.card, "--json"))
    story.ends(scene)


def restore(station: Station, backup: Path) -> None:
    for name in ("register.db", "register.db-wal", "register.db-shm"):
        (station.home / name).unlink(missing_ok=True)
    shutil.copy(backup, station.register)
