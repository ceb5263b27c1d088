"""The README's second page, run with the project's own scripts: a Ceph and a PostgreSQL that they start."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import ROOT, Step, blocks, normal, run, steps
from tests.support.station import Station

pytestmark = [pytest.mark.root, pytest.mark.slow]

PAGE = (
    "## A second page"
    + (ROOT / "README.md").read_text("utf-8").split("\n## A second page")[1].split("\n## ")[0]
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user postgres can get into; its path is short, since a socket's may not be long."""
    made = Path(tempfile.mkdtemp(prefix="sealdock-page.", dir="/var/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        (stop,) = [block.text for block in blocks(PAGE) if block.kind == "sh"]
        subprocess.run(["bash", "-c", here(stop, made)], cwd=ROOT, check=True, timeout=120)
        shutil.rmtree(made)


def here(command: str, folder: Path) -> str:
    return command.replace("/var/tmp/", f"{folder}/")


def without_port(text: str) -> str:
    return re.sub(r"%3A\d+", "%3A<port>", text)


def test_five_commands_lead_to_ceph_and_postgresql(folder: Path) -> None:
    (folder / "deploy").symlink_to(ROOT / "deploy")
    card = [sys.executable, ROOT / "deploy" / "demo.py", "--card", folder / "card"]
    subprocess.run(card, check=True, timeout=60, env=Station(folder / "home").variables())
    script = steps(PAGE)
    assert len(script) == 5
    commands = [Step(here(step.command, folder), "") for step in script]
    # Another Ceph may stand at the usual port.
    commands[0] = Step(commands[0].command.replace("/ceph)", "/ceph 17480)"), "")
    after = "sealdock --home ~/second status; sealdock --home ~/second verify --level full"
    printed = run([*commands, Step(after, "")], folder, {"SEALDOCK_STATION_ID": "station-07"})
    for step, output in zip(script, printed, strict=False):
        assert without_port(normal(output, folder)) == without_port(normal(step.output, folder)), step.command
    assert "Register: postgresql" in printed[-1]
    assert "owns" not in printed[-1]  # the program's role owns no tables
    assert "5 clips checked (full)" in printed[-1]
    assert " 0 failed" in printed[-1]
