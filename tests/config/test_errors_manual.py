from pathlib import Path

from config.errors import all_errors
from config.errors_manual import manual


def test_the_page_is_what_the_program_says(project_root: Path) -> None:
    page = (project_root / "docs" / "errors.md").read_text(encoding="utf-8")
    assert page == manual(), "run: python -m config.errors_manual > docs/errors.md"


def test_every_error_has_a_row_with_six_cells() -> None:
    rows = [line for line in manual().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [int(row.split("|")[1]) for row in rows] == [kind.exit_code for kind in all_errors()]
    assert all(row.count("|") == 7 for row in rows)
    assert not any("{" in row or "<" in row for row in rows)
