"""The page that the rows make."""

import subprocess
import sys
from pathlib import Path


def test_the_page_is_what_the_tests_say(project_root: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.threats.table"], cwd=project_root, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    page = (project_root / "docs" / "threats.md").read_text("utf-8")
    assert page == made.stdout, "run: python -m tests.threats.table > docs/threats.md"
