"""The manual of errors, made from the error classes: ``python -m config.errors_manual > docs/errors.md``."""

import sys

from config.errors import SealdockError, all_errors

_HEAD = """\
# Errors

Every error has an exit code and a code of its own; both are stable. With `--json` the code is in the field
`error`, the facts are in `facts`. Words between ‹ and › stand for a fact of the case at hand.

Codes 0 to 9: 0 is success, 1 an error without a name, 2 wrong usage of the command line.
Where the last column says *yes*, the cause may go away by itself: work waits and goes on, or a script may try
again. An integrity failure is never retried into success.

This page is made by `python -m config.errors_manual`; a test keeps it equal to the program.

| Exit code | Code | What happened | What is safe | What to do | Try again |
|---|---|---|---|---|---|
"""


def manual() -> str:
    """Return docs/errors.md: a table of all errors in English, by exit code."""
    return _HEAD + "".join(_row(kind) for kind in all_errors())


def _row(kind: type[SealdockError]) -> str:
    sentences = " | ".join(_escaped(text) for text in kind.template("en"))
    return f"| {kind.exit_code} | `{kind.code}` | {sentences} | {'yes' if kind.retriable else 'no'} |\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(manual())
