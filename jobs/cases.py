"""Cases: adding them, and reading them from CSV with every refused row named."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import CaseNumberInvalidError, ImportRefusedError
from jobs.custody import LinkTally, relink
from jobs.node import Node
from metadata import casenumber, events
from metadata.clock import sensible
from metadata.events import EventKind
from metadata.models import Case
from metadata.repo import cases, recorders

COLUMNS = ("number", "title", "officer", "from", "to")
MAX_BYTES = 64 * 1024 * 1024
_SHOWN = 20
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


def import_csv(node: Node, path: Path) -> ImportTally:
    """Read cases and windows from CSV (UTF-8 or GBK) with the columns of ``COLUMNS``.

    ``title``, ``officer``, ``from`` and ``to`` may be empty, the last three only together. All rows or
    none: a file with a bad row changes nothing. Raises ImportRefusedError with line numbers and reasons.
    Reading the same file twice changes nothing. Rows that say the same, and titles other than the case's own,
    are taken note of in the tally.
    """
    rows = _read(path, node.settings.time_zone)
    at = node.clock.now()
    added = windows = 0
    officers: set[str] = set()
    titles: list[OtherTitle] = []
    with node.register.write() as session:
        for row in rows:
            case = session.scalar(select(Case).where(Case.number == row.number))
            if case is None:
                case = _add(session, node, row.written, row.title, at)
                added += 1
            elif row.title is not None and row.title != case.title:
                titles.append(OtherTitle(row.line, case.number, row.title, case.title))
            if row.window is not None and _add_window(session, node, case, row.window, at):
                windows += 1
                officers.add(row.window.officer)
    tally = relink(node, officers)
    return ImportTally(added, windows, tally.linked, tally.ambiguous, tuple(titles), _duplicates(rows))


def _duplicates(rows: list[_Row]) -> tuple[Duplicate, ...]:
    first: dict[tuple[str, str | None, WindowRow | None], int] = {}
    return tuple(
        Duplicate(row.line, row.number, earlier)
        for row in rows
        if (earlier := first.setdefault((row.number, row.title, row.window), row.line)) != row.line
    )


def _read(path: Path, zone: ZoneInfo) -> list[_Row]:
    refused: list[str] = []
    rows: list[_Row] = []
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
        if not set(COLUMNS) >= set(reader.fieldnames or ()) or "number" not in (reader.fieldnames or ()):
            raise ImportRefusedError(file=str(path), rows=f"1: columns must be {', '.join(COLUMNS)}")
        for row in reader:
            try:
                rows.append(_row(row, reader.line_num, zone))
            except (ValueError, CaseNumberInvalidError) as error:
                refused.append(f"{reader.line_num}: {error}")
    except csv.Error as error:
        refused.append(f"not CSV: {error}")
    if refused:
        more = f" (+{len(refused) - _SHOWN})" if len(refused) > _SHOWN else ""
        raise ImportRefusedError(file=str(path), rows="; ".join(refused[:_SHOWN]) + more)
    return rows


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
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
        raise ValueError("too many or too long fields")
    number = casenumber.normalise(values["number"])
    title = values["title"] or None
    given = [values["officer"], values["from"], values["to"]]
    if not any(given):
        return _Row(line, values["number"], number, title, None)
    if not all(given):
        raise ValueError("officer, from and to go together")
    window = make_window(values["officer"], _time(values["from"], zone), _time(values["to"], zone))
    return _Row(line, values["number"], number, title, window)


def make_window(officer: str, start: datetime, end: datetime) -> WindowRow:
    """Return a window; ValueError unless it ends after it starts and the officer number is sane."""
    if end <= start:
        raise ValueError("the end is not after the start")
    if not 0 < len(officer) <= _MAX_OFFICER or not officer.isprintable():
        raise ValueError("not an officer number")
    return WindowRow(officer, start.astimezone(UTC), end.astimezone(UTC))


def _time(text: str, zone: ZoneInfo) -> datetime:
    found = sensible(datetime.fromisoformat(text))
    return found if found.tzinfo else found.replace(tzinfo=zone)
