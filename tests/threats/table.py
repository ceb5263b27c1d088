"""The table of threats, made from the rows here: ``python -m tests.threats.table > docs/threats.md``."""

import contextlib
import io
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
_HEAD = """\
# Threats from inside

What an administrator can do who owns the register's file, the machine or a key, and who finds it. Each row
is a test that does it with the rights such a person has, hides it as well as he can, and then runs the
tools. The number is the exit code ([errors](errors.md)); the words are those of the JSON documents. This
page is made by `python -m tests.threats.table`; a test keeps it equal to the rows. What outsiders and cards
can do stands in the [architecture](architecture.md#threats-and-where-protection-ends), what breaks by
itself in [faults](faults.md).
"""
_FOOT = """
## What remains undetected

- **Whatever was not published yet.** Events since the last checkpoint that a vault or witness holds can be
  rewritten without a trace by whoever owns the register. `ledger check` says from which event on;
  `ledger.publish_minutes` and the end of every docking keep that span small.
- **A lie at the beginning.** The log shows that nothing was changed since, not that what was entered was
  true: a wrong officer claimed, a wrong case linked, a card that was never docked.
- **Footage that never came to a station.** `sealdock dockings` shows missing numbers and clips that are
  gone; it cannot show a recorder that nobody docks.
- **An owner of everything at once:** register, log key, both vaults, and every witness. Where no witness is
  configured and the vault is a folder of the same machine, that is one person. A witness in other hands
  ends it.
- **What alerts and single results of integrity checks said.** Alerts are not in the log; of an integrity
  run the log holds the root over its results. A register made anew has neither, and the next `verify` finds
  what was wrong.
- **Who really acted.** The actor of an event is the system user that ran the command; an administrator can
  become any.
"""


class _Rows:
    """A plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def page() -> str:
    """Return docs/threats.md: a section per module, a row per test."""
    rows = _Rows()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(FOLDER)], plugins=[rows])
    if code != pytest.ExitCode.OK:
        raise SystemExit(said.getvalue())
    sections: dict[str, dict[str, None]] = {}
    for item in rows.items:
        for mark in item.iter_markers("threat"):
            title, found = mark.args
            heading = str(item.module.__doc__).split("\n", 1)[0].removesuffix(".")
            sections.setdefault(heading, {})[f"| {title} | {found} |\n"] = None
    return (
        _HEAD
        + "".join(
            f"\n## {heading}\n\n| Attack | Found by |\n|---|---|\n{''.join(lines)}"
            for heading, lines in sections.items()
        )
        + _FOOT
    )


if __name__ == "__main__":
    sys.stdout.write(page())
