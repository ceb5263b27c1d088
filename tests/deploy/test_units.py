"""What systemd itself says of the units, without running them; and that they fit the program they start."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import click
import pytest

from cli import root
from config.sections import WatchSection
from tests.docs.console import commands
from tests.support.lacking import lacking
from tests.support.station import ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
HARDENED = [name for name in SERVICES if "@" not in name]
TIMERS = sorted(path.name for path in UNITS.glob("*.timer"))
TOOL = shutil.which("systemd-analyze")
EXPOSURE = {"sealdock-card@.service": 45, "sealdock-alarm@.service": 100}
"""What `systemd-analyze security` may say, in tenths; a mount for everybody cannot be confined much."""


class Unit(configparser.RawConfigParser):
    """A unit's file; of a setting that is given twice the last one counts here."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None)
        self.read(path)

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    for options in ([], ["--witness"]):
        command = [ROOT / "deploy" / "install.sh", *options, folder]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return folder


@pytest.fixture(scope="session")
def here(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same units, leading to this checkout and to what was installed: systemd looks for programs."""
    folder = tmp_path_factory.mktemp("units") / "system"
    shutil.copytree(installed / "etc/systemd/system", folder)
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text()
            text = text.replace("/opt/sealdock", str(ROOT))
            path.write_text(text.replace("/usr/local/lib/sealdock", f"{installed}/usr/local/lib/sealdock"))
    return folder


def analyze(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    if TOOL is None:
        lacking("there is no systemd-analyze here; its Debian package is named systemd")
    return subprocess.run(
        [TOOL, *arguments],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{folder}:", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("name", [*SERVICES, *TIMERS])
def test_systemd_understands_every_line(here: Path, name: str) -> None:
    done = analyze(here, "verify", "--man=no", str(here / name.replace("@.", "@sda1.")))
    ours = [line for line in done.stdout.splitlines() if "sealdock" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_little_exposed(here: Path, name: str) -> None:
    path = str(here / name.replace("@.", "@sda1."))
    limit = f"--threshold={EXPOSURE.get(name, 25)}"
    done = analyze(here, "security", "--offline=yes", "--no-pager", limit, path)
    assert done.returncode == 0, done.stdout
    if name in HARDENED:
        assert re.search(r"NoNewPrivileges= ", done.stdout)
        assert re.search(r"[✓+] NoNewPrivileges=", done.stdout)  # the common part is in force


@pytest.mark.parametrize("name", HARDENED)
def test_what_is_started_is_a_command_of_the_program(name: str) -> None:
    program, *words = shlex.split(Unit(UNITS / name)["Service"]["ExecStart"])
    assert program == "/opt/sealdock/.venv/bin/sealdock"
    known = dict(commands(root))
    (full,) = [each for each in known if ["sealdock", *words][: len(each.split())] == each.split()]
    known[full].make_context(full, words[len(full.split()) - 1 :], parent=click.Context(root))


@pytest.mark.parametrize("name", TIMERS)
def test_timers_are_spread_and_catch_up(name: str) -> None:
    timer = Unit(UNITS / name)["Timer"]
    assert timer["Persistent"] == "true"
    assert timer["RandomizedDelaySec"].endswith("min")
    service = Unit(UNITS / name.replace(".timer", ".service"))
    assert service["Service"]["Type"] == "oneshot"
    assert service["Unit"]["OnFailure"] == "sealdock-alarm@%n.service"


def test_systemd_waits_longer_than_the_service_takes() -> None:
    service, defaults = Unit(UNITS / "sealdock-watch.service")["Service"], WatchSection()
    assert service["Type"] == "notify"
    assert float(service["TimeoutStopSec"]) >= 2 * defaults.stop_seconds
    minutes = re.fullmatch(r"(\d+)min", service["WatchdogSec"])
    assert minutes is not None
    assert timedelta(minutes=int(minutes[1])).total_seconds() >= 10 * defaults.rescan_seconds


def test_what_is_installed(installed: Path) -> None:
    found = {
        str(path.relative_to(installed)): oct(path.stat().st_mode & 0o777)
        for path in installed.rglob("*")
        if path.is_file()
    }
    programs = {"usr/local/bin/sealdock", "usr/local/lib/sealdock/card", "usr/local/lib/sealdock/alarm"}
    assert {name for name, mode in found.items() if mode == "0o755"} == programs
    assert {mode for name, mode in found.items() if name not in programs} == {"0o644"}
    for name in HARDENED:
        assert f"etc/systemd/system/{name}.d/10-hardening.conf" in found
    rules = (installed / "etc/udev/rules.d/90-sealdock-cards.rules").read_text()
    for start in re.findall(r"SYSTEMD_WANTS\}\+=\"([^\"]+)\"", rules):
        assert start.replace("%k", "") in SERVICES


def test_a_station_gets_no_witness_and_a_witness_no_station(tmp_path: Path) -> None:
    install = ROOT / "deploy" / "install.sh"
    subprocess.run([install, tmp_path / "station"], check=True, stdin=subprocess.DEVNULL, timeout=60)
    subprocess.run(
        [install, "--witness", tmp_path / "witness"], check=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert not [path for path in (tmp_path / "station").rglob("*") if "witness" in path.name]
    found = {path.name for path in (tmp_path / "witness").rglob("*") if path.is_file()}
    assert found == {
        "10-hardening.conf", "alarm", "sealdock-alarm@.service", "sealdock-witness.conf",
        "sealdock-witness.service", "sealdock-witness-evidence.service", "sealdock-witness-evidence.timer",
    }  # fmt: skip


def test_rules_are_made_of_what_udev_knows() -> None:
    """Debian 12's udevadm cannot check rules; test_booted.py has udev obey them."""
    rules = (ROOT / "deploy/udev/90-sealdock-cards.rules").read_text()
    term = re.compile(r'(SUBSYSTEM|ACTION|KERNEL|GOTO|LABEL|TAG|(?:ENV|ATTRS?)\{\w+\})(==|!=|\+?=)"([^"]*)"')
    labels, jumps = [], []
    for line in rules.splitlines():
        if not line or line.startswith("#"):
            continue
        terms = [term.fullmatch(part.strip()) for part in line.split(", ")]
        assert all(terms), line
        labels += [found[3] for found in terms if found and found[1] == "LABEL"]
        jumps += [found[3] for found in terms if found and found[1] == "GOTO"]
    assert set(jumps) == set(labels)
    assert not re.search(r"RUN|PROGRAM|ID_FS_LABEL|ID_FS_UUID|\$env", rules)


def test_the_scripts_are_scripts() -> None:
    for script in ("install.sh", "systemd/alarm", "systemd/sealdock", "udev/card"):
        path = ROOT / "deploy" / script
        shell = path.read_text().splitlines()[0].rpartition("/")[2].removeprefix("env ")
        subprocess.run([shell, "-n", path], check=True)
        assert os.access(path, os.X_OK)
