"""One station for all tests of this folder: its life takes half a minute."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.docs.life")

from tests.docs.console import ROOT  # noqa: E402 - the assertions must be rewritten first
from tests.docs.life import Written, live  # noqa: E402
from tests.support.station import Station, thaw  # noqa: E402


@pytest.fixture(scope="session")
def demo_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The card of the README, and a link that leads out of it."""
    folder = tmp_path_factory.mktemp("demo")
    script = [sys.executable, str(ROOT / "deploy" / "demo.py"), "--card", str(folder / "card")]
    subprocess.run(script, check=True, timeout=60, env=Station(folder / "home").variables())
    (folder / "card" / "link").symlink_to("/etc/passwd")
    return folder / "card"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, demo_card: Path) -> Iterator[Written]:
    folder = tmp_path_factory.mktemp("written")
    yield live(folder, demo_card)
    thaw(folder)
