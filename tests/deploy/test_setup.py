"""What setup.sh says where something is missing and it may not install it. Nothing is installed here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.card import NOBODY
from tests.support.station import ROOT

NEEDED = (
    "bash",
    "cat",
    "dirname",
    "env",
    "grep",
    "id",
    "ldconfig",
    "readlink",
    "basename",
    "setpriv",
    "python3",
)
"""What the script calls before it knows what is missing."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in which the script would make its .venv, and a PATH that has little on it."""
    for name in ("setup.sh", "common.sh"):
        (tmp_path / "deploy" / "dev").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "deploy" / "dev" / name, tmp_path / "deploy" / "dev")
    (tmp_path / "bin").mkdir()
    for name in NEEDED:
        found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
        assert found, name
        (tmp_path / "bin" / name).symlink_to(found)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return tmp_path


def program(checkout: Path, name: str, text: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(checkout: Path, *programs: str) -> "subprocess.CompletedProcess[str]":
    """Run the script as an ordinary user, whoever runs the test."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [checkout / "bin" / "bash", checkout / "deploy" / "dev" / "setup.sh", *programs],
        env={"PATH": str(checkout / "bin")}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60, **user,
    )  # fmt: skip


def test_an_ordinary_user_is_told_in_one_sentence_what_is_missing(checkout: Path) -> None:
    called = checkout / "called"
    program(checkout, "apt-get", f"touch {called}")
    done = run(checkout, "no-such-program=its-package")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    told, _, packages = line.partition(": sudo apt-get install ")
    assert told == "These system packages are missing; please have them installed and run this again"
    assert {"ffmpeg", "openssl", "its-package"} <= set(packages.split())
    assert not called.exists()
    assert not (checkout / ".venv").exists()


def test_sudo_that_asks_for_a_password_is_no_sudo(checkout: Path) -> None:
    program(checkout, "apt-get", "exit 9")
    program(checkout, "sudo", 'echo "a password is required" >&2; exit 1')
    done = run(checkout)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "sudo apt-get install ffmpeg" in done.stderr


def test_without_apt_the_packages_are_named_as_debian_names_them(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("These are missing, named as Debian names them; please install them")
    assert "ffmpeg" in line
