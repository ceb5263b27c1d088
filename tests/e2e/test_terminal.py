"""What a person at a terminal sees while something runs: bars on standard error, gone at the end."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.station import Station, make_card

pytestmark = pytest.mark.slow

BAR = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
FILES: dict[str | bytes, bytes] = {f"{n}.mp4": bytes([n]) * 24_000_000 for n in range(6)}


def at_a_terminal(station: Station, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command with standard error on a terminal; return its exit code, its output and what was seen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=station.home.parent,
        env=station.variables(TERM="xterm-256color", COLUMNS="120"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # EIO: nobody holds the other end any more
                break
            if not read:
                break
            seen += read
        os.close(ours)
        assert process.stdout is not None
        out = process.stdout.read()
        return process.wait(120), out.decode(), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())


def test_a_docking_shows_how_far_it_is(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", FILES)
    code, out, seen = at_a_terminal(station, "dock", card)
    assert code == 0
    assert BAR in seen
    assert re.search(r"[\d.]+/137\.3 MiB", seen)
    assert BAR not in out


def test_verify_counts_clips(station: Station, tmp_path: Path) -> None:
    station.dock(make_card(tmp_path / "card", FILES))
    code, out, seen = at_a_terminal(station, "verify", "--level", "full")
    assert code == 0
    assert BAR in seen
    assert re.search(r"[1-6]/6", seen)
    assert "6 clips checked (full)" in out


def test_for_a_script_there_is_no_bar(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", FILES)
    code, _, seen = at_a_terminal(station, "dock", card, "--json")
    assert (code, seen) == (0, "")
    assert station.ok("verify", "--level", "full").err == ""
