"""The table of faults, made from the rows here: ``python -m tests.faults.table > docs/faults.md``."""

import contextlib
import io
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
_HEAD = """\
# Faults

Each row is a test on the real parts: processes that are killed, a Ceph, a PostgreSQL, full disks. Two things
are stand-ins: the store that lies, and the clock that is set, where what the program asks for the time is
moved, since a test cannot set the computer's. After each of them the test looks for every file of the card:
its bytes are in the vault, the clip confirmed, or they are still on the card; the card is as it was; and
`sealdock verify --level full` finds nothing wrong. That is what *nothing* in the last column says.

*What happens* is put together by the test from what it sees: commands and what they ended with (the exit
code, as in [errors](errors.md)), what became of clips that are not safe yet with the reason that the register
gives, and alerts. A test whose words differ from its row fails. This page is made by
`python -m tests.faults.table`; a test keeps it equal to the rows. `bench/soak.py` is the long form of the
service that is killed at random.
"""


class _Rows:
    """A plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def page() -> str:
    """Return docs/faults.md: a section per module, a row per test."""
    rows = _Rows()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(FOLDER)], plugins=[rows])
    if code != pytest.ExitCode.OK:
        raise SystemExit(said.getvalue())
    sections: dict[str, dict[str, None]] = {}
    for item in rows.items:
        for mark in item.iter_markers("fault"):
            title, happened = mark.args
            heading = str(item.module.__doc__).split("\n", 1)[0].removesuffix(".")
            # Several tests may stand behind one row.
            sections.setdefault(heading, {})[f"| {title} | {happened} | nothing |\n"] = None
    return _HEAD + "".join(
        f"\n## {heading}\n\n| Fault | What happens | What is lost |\n|---|---|---|\n{''.join(lines)}"
        for heading, lines in sections.items()
    )


if __name__ == "__main__":
    sys.stdout.write(page())
