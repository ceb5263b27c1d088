"""A station as it is installed: units, rules and helpers at work under a real systemd and a real udev."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docs.console import blocks
from tests.support.booted import Machine, booted, cannot_boot
from tests.support.lacking import lacking
from tests.support.station import ROOT, digest_of, flip, thaw, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

HOME = "/var/lib/sealdock"
TIMERS = (
    "sealdock-verify",
    "sealdock-verify-locks",
    "sealdock-locks-roll",
    "sealdock-ledger-publish",
    "sealdock-ledger-check",
    "sealdock-reconcile",
    "sealdock-timestamps",
)
HOOK = '#!/bin/sh\ncat >>/run/alarms/"$1"\n'
FILES = {"DCIM/100SEALD/SEAL0001.MP4": b"first", "DCIM/100SEALD/SEAL0002.MP4": bytes(300_000)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if problem := cannot_boot():
        lacking(problem)
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    with booted(folder) as machine:
        machine.run("sealdock", "init")
        machine.run("sh", "-c", f"mkdir /run/alarms && printf '%s' '{HOOK}' >/etc/sealdock/alarm")
        machine.run("chmod", "755", "/etc/sealdock/alarm")
        # Here a loop device plays the card in a USB reader.
        stick = 'SUBSYSTEM=="block", KERNEL=="loop*", ENV{ID_BUS}="usb"'
        machine.run(
            "sh", "-c", f"echo '{stick}' >/etc/udev/rules.d/89-test.rules && udevadm control --reload"
        )
        try:
            yield machine
        finally:
            thaw(folder / "var")


@contextmanager
def changed(machine: Machine, unit: str, *lines: str) -> Iterator[None]:
    """Change a unit for a while, as `systemctl edit --runtime` does."""
    place = f"/run/systemd/system/{unit}.d"
    text = "\n".join(["[Service]", *lines])
    machine.run("sh", "-c", f"mkdir -p {place} && cat >{place}/90-test.conf <<'END'\n{text}\nEND")
    machine.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        machine.run("rm", "-r", place)
        machine.run("systemctl", "daemon-reload")


@contextmanager
def watching(machine: Machine) -> Iterator[None]:
    machine.run("systemctl", "start", "sealdock-watch")
    try:
        yield
    finally:
        machine.run("systemctl", "stop", "sealdock-watch")


def alarmed(machine: Machine, unit: str) -> str:
    """What the hook was told of a unit; empty when it was not called."""
    return machine.run("sh", "-c", f"cat /run/alarms/{unit} 2>/dev/null || true").stdout


def clips(machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(machine.run("sealdock", "clips", "--json").stdout)
    return found


@contextmanager
def plugged_in(machine: Machine, image: Path) -> Iterator[str]:
    """Attach an image as a block device, as if a card were plugged in; the device's name."""
    device = subprocess.run(["losetup", "--find"], check=True, capture_output=True, text=True).stdout.strip()
    name = device.removeprefix("/dev/")
    machine.run("sh", "-c", f"test -b {device} || mknod {device} b 7 {name.removeprefix('loop')}")
    subprocess.run(["losetup", device, image], check=True)
    try:
        yield name
    finally:
        pull_out(machine, name)
        until(lambda: not machine.out("findmnt", "--source", device))
        subprocess.run(["losetup", "--detach", device], check=True)


def pull_out(machine: Machine, name: str) -> None:
    """Have the kernel say that a device is gone: a loop device that is mounted does not go by itself."""
    machine.run("udevadm", "trigger", "--action=remove", f"/sys/class/block/{name}")


def card_image(folder: Path) -> Path:
    """An ext4 file system with a journal, with the files of a card in it."""
    content = folder / "content"
    for name, data in FILES.items():
        (content / name).parent.mkdir(parents=True, exist_ok=True)
        (content / name).write_bytes(data)
    image = folder / "card.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-d", content, image], check=True)
    return image


def test_what_was_installed_runs_as_its_own_user(machine: Machine) -> None:
    assert machine.out("stat", "--format=%U %G %a", HOME) == "sealdock sealdock 700"
    assert machine.out("stat", "--format=%U", f"{HOME}/register.db") == "sealdock"
    assert machine.out("stat", "--format=%U %a", "/media/sealdock") == "root 755"
    assert json.loads(machine.run("sealdock", "status", "--json").stdout)["clips"] == {}
    refused = machine.run("runuser", "-u", "nobody", "--", "sealdock", "status", check=False)
    assert refused.returncode != 0


def test_the_program_has_under_hardening_what_it_needs(machine: Machine) -> None:
    """Media parsers keep their sandbox, and the clock can be read."""
    told = f"{HOME}/told.json"
    lines = (
        "ExecStart=",
        "ExecStart=/opt/sealdock/.venv/bin/sealdock status --json",
        f"StandardOutput=file:{told}",
    )
    with changed(machine, "sealdock-verify.service", *lines):
        machine.run("systemctl", "start", "sealdock-verify")
    status = json.loads(machine.run("cat", told).stdout)
    outside = json.loads(machine.run("sealdock", "status", "--json").stdout)
    assert status["sandbox"] == outside["sandbox"]
    assert False not in status["sandbox"].values()
    assert status["clock"]["synchronised"] == outside["clock"]["synchronised"] is not None


def test_a_card_is_mounted_read_only_and_docked(machine: Machine, tmp_path: Path) -> None:
    image = card_image(tmp_path)
    before = digest_of(image)
    accepting = "Environment=SEALDOCK_WATCH_UNKNOWN_VOLUMES=accept"
    edited = changed(machine, "sealdock-watch.service", accepting)
    with edited, watching(machine), plugged_in(machine, image) as name:
        until(lambda: machine.active(f"sealdock-card@{name}") == "active")
        options = machine.out("findmnt", "-no", "OPTIONS", f"/media/sealdock/{name}").split(",")
        assert {"ro", "nosuid", "nodev", "noexec", "norecovery"} <= set(options)
        assert (Path("/sys/block") / name / "ro").read_text().strip() == "1"
        until(lambda: [clip["state"] for clip in clips(machine)] == ["released"] * len(FILES))
        (recorder,) = json.loads(machine.run("sealdock", "recorders", "list", "--json").stdout)
        assert "volume:" in json.dumps(recorder)
        pull_out(machine, name)
        until(lambda: machine.active(f"sealdock-card@{name}") == "inactive")
        until(lambda: machine.run("test", "-e", f"/media/sealdock/{name}", check=False).returncode == 1)
    assert digest_of(image) == before
    assert {clip["sha256"] for clip in clips(machine)} == {digest_of(data) for data in FILES.values()}


def test_a_card_that_cannot_be_mounted_is_told_of(machine: Machine, tmp_path: Path) -> None:
    image = tmp_path / "swap.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with image.open("r+b") as file:  # known by its magic number, and broken
        file.seek(1024 + 24)
        file.write(b"\xff\xff\xff\x7f")
    with plugged_in(machine, image) as name:
        unit = f"sealdock-card@{name}.service"
        until(lambda: unit in alarmed(machine, unit))
        assert "cannot be mounted" in alarmed(machine, unit)
        assert machine.run("test", "-e", f"/media/sealdock/{name}", check=False).returncode == 1


@pytest.mark.parametrize(
    "name", ["", "../sda1", "sda1;reboot", "-sda1", "sda 1", "SDA1", "sda1\n", "by-label/$(reboot)", "null"]
)
def test_the_helper_takes_names_of_devices_only(machine: Machine, name: str) -> None:
    for action in ("mount", "unmount"):
        done = machine.run("/usr/local/lib/sealdock/card", action, name, check=False)
        assert (done.returncode == 0) == (name == "null" and action == "unmount"), done.stdout


def test_the_helper_leaves_alone_what_is_mounted_or_unknown(machine: Machine, tmp_path: Path) -> None:
    machine.run("sh", "-c", "mv /etc/udev/rules.d/89-test.rules /run && udevadm control --reload")
    try:
        image = card_image(tmp_path)
        with plugged_in(machine, image) as name:
            machine.run("sh", "-c", f"mkdir -p /run/used && mount /dev/{name} /run/used")
            done = machine.run("/usr/local/lib/sealdock/card", "mount", name, check=False)
            assert (done.returncode, "mounted already" in done.stdout) == (1, True)
            machine.run("umount", "/run/used")
        with image.open("r+b") as file:
            file.truncate(0)
            file.truncate(32 << 20)
        with plugged_in(machine, image) as name:
            done = machine.run("/usr/local/lib/sealdock/card", "mount", name, check=False)
            assert (done.returncode, "no file system" in done.stdout) == (1, True)
    finally:
        machine.run("sh", "-c", "mv /run/89-test.rules /etc/udev/rules.d && udevadm control --reload")


def test_a_service_that_dies_or_hangs_is_restarted_and_told_of(machine: Machine) -> None:
    unit = "sealdock-watch.service"
    with changed(machine, unit, "RestartSec=1", "WatchdogSec=8"), watching(machine):
        for signal in ("KILL", "STOP"):
            machine.run("rm", "-f", f"/run/alarms/{unit}")
            before = machine.out("systemctl", "show", "--property=MainPID", "--value", unit)
            machine.run("kill", f"-{signal}", before)
            until(lambda: f"{unit} failed on" in alarmed(machine, unit))
            until(lambda: machine.active(unit) == "active")
            assert machine.out("systemctl", "show", "--property=MainPID", "--value", unit) != before
        machine.run("rm", "-f", f"/run/alarms/{unit}")
    assert machine.out("systemctl", "show", "--property=Result", "--value", unit) == "success"
    assert unit not in alarmed(machine, unit)  # to be stopped is no failure
    assert f"{unit} failed on" in machine.journal("--priority=alert", "--identifier=sealdock-alarm")


def manual(heading: str) -> list[str]:
    """The lines of systemctl in a section of the manual."""
    section = (
        (ROOT / "docs" / "operations.md").read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    )
    (block,) = [block.text for block in blocks(section) if block.kind == "sh" and "systemctl" in block.text]
    return [line for line in block.splitlines() if line.startswith("systemctl ")]


def test_the_manual_starts_stops_and_starts_again(machine: Machine) -> None:
    (enable,) = manual("Install on a server")
    stop, start = manual("Upgrade")
    further = ["sealdock-timestamps.timer", "sealdock-vault-copy.timer"]
    names = [*(f"{name}.timer" for name in TIMERS if f"{name}.timer" not in further), *further]
    machine.run("sh", "-c", enable)
    machine.run("systemctl", "enable", "--now", *further)
    for name in ("sealdock-watch", *names):
        assert (machine.active(name), machine.out("systemctl", "is-enabled", name)) == ("active", "enabled")
    for name in names:
        assert machine.out("systemctl", "show", "--property=NextElapseUSecRealtime", "--value", name)
    machine.run("sh", "-c", stop)
    assert {machine.active(name) for name in ("sealdock-watch", *names)} == {"inactive"}
    machine.run("sh", "-c", start)
    assert {machine.active(name) for name in ("sealdock-watch", *names)} == {"active"}
    machine.run("sh", "-c", stop)
    machine.run("systemctl", "disable", *further)
    machine.run("sh", "-c", start)
    active = {name for name in ("sealdock-watch", *names) if machine.active(name) == "active"}
    assert active == {"sealdock-watch", *names} - set(further)  # nothing that nobody wants
    machine.run("sh", "-c", stop)


def test_what_verify_finds_is_told(machine: Machine, folder: Path) -> None:
    machine.run("mkdir", "-p", "/run/drop")
    machine.run("sh", "-c", "printf changed >/run/drop/a.mp4")
    machine.run("sealdock", "dock", "/run/drop")
    machine.run("systemctl", "start", "sealdock-verify", "sealdock-verify-locks", "sealdock-timestamps")
    digest = digest_of(b"changed")
    path = folder / f"var/lib/sealdock/vault/clips/sha256/{digest[:2]}/{digest}"
    flip(path)
    assert machine.run("systemctl", "start", "sealdock-verify", check=False).returncode != 0
    unit = "sealdock-verify.service"
    until(lambda: digest in alarmed(machine, unit))
    flip(path)
    machine.run("systemctl", "start", "sealdock-verify")


def test_a_local_vault_gets_the_immutable_attribute_where_that_is_wanted(
    machine: Machine, folder: Path
) -> None:
    source = "/opt/sealdock/deploy/systemd/local-vault.conf"
    machine.run("install", "-D", source, "/etc/systemd/system/sealdock-watch.service.d/local-vault.conf")
    machine.run("sh", "-c", "mkdir -p /media/sealdock/drop && printf immutable >/media/sealdock/drop/i.mp4")
    settings = (
        "Environment=SEALDOCK_WATCH_UNKNOWN_VOLUMES=accept",
        "Environment=SEALDOCK_WATCH_QUIET_SECONDS=1",
        "Environment=SEALDOCK_VAULT_IMMUTABLE=required",
    )
    with changed(machine, "sealdock-watch.service", *settings), watching(machine):
        digest = digest_of(b"immutable")
        until(lambda: digest in {clip["sha256"] for clip in clips(machine) if clip["state"] == "released"})
    path = folder / f"var/lib/sealdock/vault/clips/sha256/{digest[:2]}/{digest}"
    assert (
        "i" in subprocess.run(["lsattr", path], check=True, capture_output=True, text=True).stdout.split()[0]
    )
