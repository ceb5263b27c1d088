"""Cases: adding them, and reading them from CSV with every refused row named."""

import csv
import io
import os
import stat
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import CaseNumberInvalidError, ImportRefusedError
from config.messages import Phrase, mark
from jobs.custody import LinkTally, relink
from jobs.node import Node
from metadata import casenumber, events
from metadata.clock import sensible
from metadata.events import EventKind
from metadata.models import Case
from metadata.repo import case_table, cases, recorders

COLUMNS = ("number", "title", "officer", "from", "to")
MAX_BYTES = 64 * 1024 * 1024
_SHOWN = 20
_SHOWN_EVERY = 500
_MAX_TEXT = 500
_MAX_OFFICER = 64


@dataclass(frozen=True, slots=True)
class WindowRow:
    """An officer's time on a case, UTC."""

    officer: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class OtherTitle:
    """A row whose title is not the one that its case has; the case keeps its own."""

    line: int
    case: str
    title: str
    kept: str | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that says the same as an earlier one of the file."""

    line: int
    case: str
    first: int


@dataclass(frozen=True, slots=True)
class ImportTally:
    """What an import did; rows that stood already count in neither. Beside it what looks like a mistake."""

    cases: int
    windows: int
    linked: int
    ambiguous: int
    other_titles: tuple[OtherTitle, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    written: str
    number: str
    title: str | None
    window: WindowRow | None


def add_case(node: Node, number: str, title: str | None, window: WindowRow | None) -> tuple[Case, LinkTally]:
    """Add a case, with a window if one is given, and link what falls into it."""
    at = node.clock.now()
    with node.register.write() as session:
        case = _add(session, node, number, title, at)
        if window is not None:
            _add_window(session, node, case, window, at)
    tally = relink(node, [window.officer]) if window else LinkTally(0, 0)
    return case, tally


def add_window(node: Node, number: str, window: WindowRow) -> LinkTally:
    """Add a window to a case that stands, and link what falls into it."""
    with node.register.write() as session:
        _add_window(session, node, cases.get(session, number), window, node.clock.now())
    return relink(node, [window.officer])


def _add(session: Session, node: Node, number: str, title: str | None, at: datetime) -> Case:
    casenumber.require(number)
    case = cases.add(session, number, title, node.actor.to_json(), at)
    events.append(
        session,
        EventKind.CASE_ADDED,
        node.actor,
        at,
        attempt="0",
        subject=case.id,
        facts={"number": case.number, "as_written": number, "title": title},
    )
    return case


def _add_window(session: Session, node: Node, case: Case, window: WindowRow, at: datetime) -> bool:
    recorders.ensure_officer(session, window.officer, at)
    row = cases.add_window(session, case.id, window.officer, window.start, window.end)
    if row is None:
        return False
    events.append(
        session,
        EventKind.WINDOW_ADDED,
        node.actor,
        at,
        attempt=row.id,
        subject=case.id,
        facts={"officer": window.officer, "from": window.start, "to": window.end},
    )
    return True


def import_csv(
    node: Node, path: Path, on_progress: Callable[[int, int, str], None] | None = None
) -> ImportTally:
    """Read cases and windows from CSV (UTF-8 or GBK) with the columns of ``COLUMNS``.

    ``title``, ``officer``, ``from`` and ``to`` may be empty, the last three only together. All rows or
    none: a file with a bad row changes nothing. Raises ImportRefusedError with line numbers and reasons.
    Reading the same file twice changes nothing. Rows that say the same, and titles other than the case's own,
    are taken note of in the tally. ``on_progress`` is told how many of how many rows are written.
    """
    rows = _read(path, node.settings.time_zone)
    at = node.clock.now()
    with node.register.write() as session:
        new = _new_of(session, node, rows, at)
        case_table.add(session, officers=new.officers, cases=new.cases, windows=new.windows)
        _log_new(session, node, new, at, on_progress)
    linked = ambiguous = 0
    for page in case_table.pages(str(window["officer_id"]) for window in new.windows):
        tally = relink(node, page)
        linked, ambiguous = linked + tally.linked, ambiguous + tally.ambiguous
    return ImportTally(
        len(new.cases), len(new.windows), linked, ambiguous, tuple(new.titles), _duplicates(rows)
    )


@dataclass(slots=True)
class _New:
    """What a table brings that is not there yet: rows by the names of their columns."""

    officers: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    titles: list[OtherTitle] = field(default_factory=list)


def _new_of(session: Session, node: Node, rows: list[_Row], at: datetime) -> _New:
    """Return what rows bring; a table of many thousands must not ask the register for each of them."""
    known = case_table.cases_by_number(session, (row.number for row in rows))
    windows = case_table.windows_of(session, (case.id for case in known.values()))
    asked = (row.window.officer for row in rows if row.window is not None)
    officers = case_table.officers_among(session, asked)
    actor = node.actor.to_json()
    cases_by_number = {number: (case.id, case.title) for number, case in known.items()}
    new = _New()
    for row in rows:
        if row.number not in cases_by_number:
            cases_by_number[row.number] = (str(ULID()), row.title)
            new.cases.append(
                {
                    "id": cases_by_number[row.number][0],
                    "number": row.number,
                    "number_as_written": row.written,
                    "title": row.title,
                    "created_at": at,
                    "actor": actor,
                }
            )
        case_id, title = cases_by_number[row.number]
        if row.title is not None and row.title != title:
            new.titles.append(OtherTitle(row.line, row.number, row.title, title))
        if row.window is None:
            continue
        officer, start, end = row.window.officer, row.window.start, row.window.end
        if officer not in officers:
            officers.add(officer)
            new.officers.append({"id": officer, "name": None, "created_at": at})
        if (case_id, officer, start, end) not in windows:
            windows.add((case_id, officer, start, end))
            new.windows.append(
                {
                    "id": str(ULID()),
                    "case_id": case_id,
                    "officer_id": officer,
                    "starts_at": start,
                    "ends_at": end,
                }
            )
    return new


def _log_new(
    session: Session,
    node: Node,
    new: _New,
    at: datetime,
    on_progress: Callable[[int, int, str], None] | None,
) -> None:
    """Log each case and window that a table brought, as if it had been added by hand."""
    total = len(new.cases) + len(new.windows)
    for number, row in enumerate([*new.cases, *new.windows], start=1):
        if "case_id" in row:
            facts = {"officer": row["officer_id"], "from": row["starts_at"], "to": row["ends_at"]}
            kind, attempt, case_id = EventKind.WINDOW_ADDED, row["id"], row["case_id"]
        else:
            facts = {"number": row["number"], "as_written": row["number_as_written"], "title": row["title"]}
            kind, attempt, case_id = EventKind.CASE_ADDED, "0", row["id"]
        events.append(session, kind, node.actor, at, attempt=attempt, subject=case_id, facts=facts)
        if on_progress is not None and (number % _SHOWN_EVERY == 0 or number == total):
            on_progress(number, total, "")


def _duplicates(rows: list[_Row]) -> tuple[Duplicate, ...]:
    first: dict[tuple[str, str | None, WindowRow | None], int] = {}
    return tuple(
        Duplicate(row.line, row.number, earlier)
        for row in rows
        if (earlier := first.setdefault((row.number, row.title, row.window), row.line)) != row.line
    )


class InputError(ValueError):
    """What is wrong with a row, or with words that were typed: a sentence part for people."""

    def __init__(self, template: str, **facts: object) -> None:
        self.phrase = Phrase(template, **facts)
        super().__init__(str(self.phrase))


class _Reasons(Phrase):
    """Why lines were refused, as one text; a reason of the whole file has no line."""

    __slots__ = ("reasons",)

    def __init__(self, reasons: Sequence[tuple[int | None, Phrase]]) -> None:
        super().__init__("")
        self.reasons = reasons

    def show(self, language: str) -> str:
        shown = [
            reason.show(language) if line is None else f"{line}: {reason.show(language)}"
            for line, reason in self.reasons[:_SHOWN]
        ]
        more = f" (+{len(self.reasons) - _SHOWN})" if len(self.reasons) > _SHOWN else ""
        return "; ".join(shown) + more

    def __str__(self) -> str:
        return self.show("en")


def _read(path: Path, zone: ZoneInfo) -> list[_Row]:
    refused: list[tuple[int | None, Phrase]] = []
    rows: list[_Row] = []
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
        _require_columns(path, reader.fieldnames or ())
        for row in reader:
            try:
                rows.append(_row(row, reader.line_num, zone))
            except InputError as error:
                refused.append((reader.line_num, error.phrase))
            except CaseNumberInvalidError as error:
                refused.append((reader.line_num, Phrase(error.happened, **error.facts)))
    except csv.Error as error:
        refused.append((None, Phrase(mark("not CSV: {problem}"), problem=error)))
    if refused:
        raise ImportRefusedError(file=str(path), rows=_Reasons(refused))
    return rows


def _require_columns(path: Path, found: Sequence[str]) -> None:
    """Raise ImportRefusedError unless the first line names columns that are known, each once."""
    problem = None
    if not set(COLUMNS) >= set(found) or "number" not in found:
        problem = Phrase(mark("columns must be {columns}"), columns=", ".join(COLUMNS))
    elif len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        problem = Phrase(mark("the column {column} is there twice"), column=twice)
    if problem is not None:
        raise ImportRefusedError(file=str(path), rows=_Reasons([(1, problem)]))


def _text(path: Path) -> str:
    try:
        # A FIFO that nobody writes to would keep it waiting for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ImportRefusedError(file=str(path), rows=Phrase(mark("it is no regular file")))
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImportRefusedError(file=str(path), rows=str(error.strerror)) from error
    if len(data) > MAX_BYTES:
        raise ImportRefusedError(file=str(path), rows=f"larger than {MAX_BYTES} bytes")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefusedError(file=str(path), rows="neither UTF-8 nor GBK")


def _row(row: dict[str, str | None], line: int, zone: ZoneInfo) -> _Row:
    values = {key: (row.get(key) or "").strip() for key in COLUMNS}
    if None in row or any(len(value) > _MAX_TEXT for value in values.values()):
        raise InputError(mark("too many or too long fields"))
    number = casenumber.require(values["number"])
    title = make_title(values["title"])
    given = [values["officer"], values["from"], values["to"]]
    if not any(given):
        return _Row(line, values["number"], number, title, None)
    if not all(given):
        raise InputError(mark("officer, from and to go together"))
    window = make_window(values["officer"], _time(values["from"], zone), _time(values["to"], zone))
    return _Row(line, values["number"], number, title, window)


def make_title(text: str | None) -> str | None:
    """Return a title, None for an empty one; InputError if it is no line of text."""
    title = (text or "").strip()
    if any(unicodedata.category(character) == "Cc" for character in title):
        raise InputError(mark("control characters in the title"))
    return title or None


def make_window(officer: str, start: datetime, end: datetime) -> WindowRow:
    """Return a window; InputError unless it ends after it starts and the officer number is sane."""
    if end <= start:
        raise InputError(mark("the end is not after the start"))
    if not 0 < len(officer) <= _MAX_OFFICER or not officer.isprintable():
        raise InputError(mark("not an officer number"))
    return WindowRow(officer, start.astimezone(UTC), end.astimezone(UTC))


def _time(text: str, zone: ZoneInfo) -> datetime:
    try:
        found = sensible(datetime.fromisoformat(text))
    except ValueError as error:
        raise InputError(mark("{text} is not a time like 2026-03-01T09:30"), text=text) from error
    return found if found.tzinfo else found.replace(tzinfo=zone)
