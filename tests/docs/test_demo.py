import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.console import ROOT
from tests.support.station import Station, thaw

pytestmark = pytest.mark.slow


def demo(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with its temporary folder in ``folder``."""
    environment = {**Station(folder / "elsewhere").variables(), "TMPDIR": str(folder), **settings}
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "demo.py", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_demo_finds_the_changed_clip_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # A home and a vault that are in use here must not be touched: these would make every command fail.
    done = demo(tmp_path, SEALDOCK_HOME="/nonexistent", SEALDOCK_VAULT_URL="file:///nonexistent")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    findings = [line.split()[2] for line in lines if line.startswith("  digest: ")]
    assert findings == ["SEAL0002.MP4"]
    assert lines.count("$ sealdock verify --level full") == 2
    assert "44" in lines
    assert lines[-1].startswith("The demo passed in ")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_fails_when_a_tool_does_not_do_as_it_should(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "openssl").write_text("#!/bin/sh\nexit 0\n")  # accepts anything
    (tools / "openssl").chmod(0o755)
    kept = tmp_path / "kept"
    done = demo(tmp_path, "--keep", str(kept), PATH=f"{tools}:{os.environ['PATH']}")
    thaw(kept)
    assert done.returncode == 1
    assert "The demo FAILED: `openssl cms -verify" in done.stderr
    assert (kept / "home" / "register.db").exists()


def test_the_demo_refuses_a_folder_that_exists(tmp_path: Path) -> None:
    done = demo(tmp_path, "--keep", str(tmp_path))
    assert done.returncode == 2
    assert "name a new folder" in done.stderr
