"""The retention schedule: how long footage is kept at least. A table in configuration, never in code."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from config.errors import CategoryUnknownError, ScheduleInvalidError, SettingsFileInvalidError
from config.messages import Phrase, mark
from config.months import add_months
from config.nearest import nearest
from config.toml import read_toml

SHIPPED = Path(__file__).parent / "defaults" / "retention.toml"
PERMANENT = "permanent"
MAX_MONTHS = 1200
"""A century. Whatever is kept longer is kept for good; a longer number is a slip of the keyboard."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_NAME = 64
_KEYS = {"floor", "case_term", "categories"}
_CATEGORY_KEYS = {"title_zh", "title_en", "term"}


@dataclass(frozen=True, slots=True)
class Term:
    """A length of time to keep something: calendar months, or None for permanent."""

    months: int | None

    def __post_init__(self) -> None:
        if self.months is not None and not 0 <= self.months <= MAX_MONTHS:
            raise ValueError(f"a term has 0 to {MAX_MONTHS} months, not {self.months}")

    @property
    def permanent(self) -> bool:
        """Say whether there is no end."""
        return self.months is None

    def after(self, base: datetime, *, zone: tzinfo = UTC) -> datetime | None:
        """Return the UTC time at which the term ends that began at ``base``; None if it is permanent.

        Months are those of the calendar in ``zone``. A day that the last month does not have becomes that
        month's last day (Civil Code art. 202). Raises ValueError for a naive time and beyond the year 9999.
        """
        return None if self.months is None else add_months(base, self.months, zone=zone)


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of footage with a term of its own; titles in Chinese and English."""

    name: str
    title_zh: str
    title_en: str
    term: Term

    def title(self, language: str) -> str:
        """Return the title in a language as ``config.messages`` names it."""
        return self.title_zh if language.startswith("zh") else self.title_en


@dataclass(frozen=True, slots=True)
class Schedule:
    """All terms: the floor for every clip, the term of clips in a case, and the categories by name."""

    floor: Term
    case_term: Term
    categories: Mapping[str, Category]

    def category(self, name: str) -> Category:
        """Return a category; CategoryUnknownError with the nearest name if there is none."""
        try:
            return self.categories[name]
        except KeyError:
            near = nearest(name, self.categories)
            raise CategoryUnknownError(category=name, nearest=near, known=list(self.categories)) from None

    def longest(self, terms: Iterable[Term]) -> Term:
        """Return the longest of the terms and the floor; permanent is longer than any number of months."""
        months = [self.floor.months]
        months += [term.months for term in terms]
        finite = [number for number in months if number is not None]
        return Term(max(finite)) if len(finite) == len(months) else Term(None)


def load_schedule(path: Path | None) -> Schedule:
    """Read a schedule; None for the one shipped.

    Raises ScheduleInvalidError for a file that is missing or cannot be read, or a table that cannot be used:
    never falls back to another schedule, which could be a shorter one.
    """
    path = SHIPPED if path is None else path
    try:
        table = read_toml(path)
    except FileNotFoundError as error:
        problem = Phrase(mark("there is no such file"))
        raise ScheduleInvalidError(path=path, key="retention.schedule", problem=problem) from error
    except SettingsFileInvalidError as error:
        said = error.facts["problem"]
        raise ScheduleInvalidError(path=path, key="retention.schedule", problem=said) from error
    return _Reader(path).schedule(table)


class _Reader:
    """Reads one file; every refusal names the file and the key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def schedule(self, table: Mapping[str, Any]) -> Schedule:
        self._check_keys("", table, _KEYS)
        floor = self._term("floor", table["floor"])
        case_term = self._term("case_term", table["case_term"], floor)
        categories = table["categories"]
        if not isinstance(categories, dict):
            self._refuse("categories", Phrase(mark("it is a section and needs keys of its own")))
        found = {name: self._category(name, values, floor) for name, values in categories.items()}
        return Schedule(floor=floor, case_term=case_term, categories=MappingProxyType(found))

    def _category(self, name: str, values: Any, floor: Term) -> Category:
        key = f"categories.{name}"
        if not isinstance(values, dict):
            self._refuse(key, Phrase(mark("it is a section and needs keys of its own")))
        if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
            self._refuse(key, Phrase(mark("use lower-case letters, digits and hyphens, at most 64")))
        self._check_keys(f"{key}.", values, _CATEGORY_KEYS)
        for title in ("title_zh", "title_en"):
            if not isinstance(values[title], str) or not values[title].strip():
                self._refuse(f"{key}.{title}", Phrase(mark("text is needed")))
        return Category(
            name=name,
            title_zh=values["title_zh"],
            title_en=values["title_en"],
            term=self._term(f"{key}.term", values["term"], floor),
        )

    def _term(self, key: str, value: Any, floor: Term | None = None) -> Term:
        if value == PERMANENT:
            return Term(None)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_MONTHS:
            problem = mark("months from 1 to {limit} are needed, or the word permanent")
            self._refuse(key, Phrase(problem, limit=MAX_MONTHS))
        if floor is not None and (floor.months is None or value < floor.months):
            # It would never count, so somebody expects something else than what happens.
            self._refuse(key, Phrase(mark("it is shorter than the floor")))
        return Term(value)

    def _check_keys(self, above: str, table: Mapping[str, Any], known: set[str]) -> None:
        for name in table:
            if name not in known:
                near = nearest(name, known) or "-"
                problem = Phrase(mark("there is no such key; the nearest is {near}"), near=near)
                self._refuse(above + name, problem)
        for name in sorted(known - set(table)):
            self._refuse(above + name, Phrase(mark("it is missing")))

    def _refuse(self, key: str, problem: Phrase) -> NoReturn:
        raise ScheduleInvalidError(path=self._path, key=key, problem=problem)
