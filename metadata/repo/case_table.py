"""Many cases, windows and officers at once: what a table brings is looked up and added in pages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from metadata.models import Case, CaseWindow, Officer

PAGE = 500  # SQLite limits the variables of one statement

WindowKey = tuple[str, str, datetime, datetime]
"""Case, officer, start and end: what makes a window the same as another."""


def cases_by_number(session: Session, numbers: Iterable[str]) -> dict[str, Case]:
    """Return the cases with these normalised numbers, by number."""
    return {
        case.number: case
        for page in pages(numbers)
        for case in session.scalars(select(Case).where(Case.number.in_(page)))
    }


def windows_of(session: Session, case_ids: Iterable[str]) -> set[WindowKey]:
    """Return the windows that cases have already."""
    columns = (CaseWindow.case_id, CaseWindow.officer_id, CaseWindow.starts_at, CaseWindow.ends_at)
    return {
        (row[0], row[1], row[2], row[3])
        for page in pages(case_ids)
        for row in session.execute(select(*columns).where(CaseWindow.case_id.in_(page)))
    }


def officers_among(session: Session, officers: Iterable[str]) -> set[str]:
    """Return those of the officers that are known already."""
    return {
        found
        for page in pages(officers)
        for found in session.scalars(select(Officer.id).where(Officer.id.in_(page)))
    }


def add(
    session: Session,
    *,
    officers: Sequence[Mapping[str, Any]],
    cases: Sequence[Mapping[str, Any]],
    windows: Sequence[Mapping[str, Any]],
) -> None:
    """Write new officers, cases and windows: rows by the names of their columns, none of them there yet."""
    for model, rows in ((Officer, officers), (Case, cases), (CaseWindow, windows)):
        if rows:
            session.execute(insert(model), rows)


def pages(of: Iterable[str]) -> Iterator[list[str]]:
    """Return what is given, each once, in lists that one statement can name."""
    found = list(dict.fromkeys(of))
    for start in range(0, len(found), PAGE):
        yield found[start : start + PAGE]
