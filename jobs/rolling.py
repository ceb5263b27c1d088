"""``sealdock locks roll``: move locks on that are capped and have to last longer than the cap reaches.

In each vault it walks over every version in the register whose lock ends soon, a page at a time, the soonest
first, and asks the vault for each: an object that fails is noted and the others go on.
"""

import heapq
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import (
    ClockImplausibleError,
    ObjectMissingError,
    SealdockError,
    VaultRefusedError,
    VaultUnavailableError,
)
from config.retention import Term
from hashing.digest import Digest
from jobs.holding import settle_all
from jobs.keeping import keepers_of
from jobs.node import MAIN, Node, Store
from metadata import events
from metadata.events import EventKind
from metadata.models import StoredVersion
from metadata.repo import integrity, locks, objects
from metadata.repo.locks import Keeper
from metadata.retention import lock_date
from storage import layout
from storage.confirm import extend
from storage.vault import StoredVersion as VaultVersion

ALERT = "locks-behind"
_PAGE = 200
_SHOWN = 100
_GIVE_UP = 8
"""So many versions in a row for which the store does not answer: it is away, and asking on is of no use."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """The dates that decide, UTC: ``now`` as far as the clock is trusted, and what lies ahead of it."""

    now: datetime
    roll: datetime
    """A lock that ends before this is moved on, if it has to last longer."""
    alarm: datetime
    """One that ends before this, and should not, is behind."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A version, its lock, and the date that it should have: None if it needs no later one."""

    row: StoredVersion
    keeper: Keeper | None
    wanted: datetime | None

    def is_behind(self, until: datetime | None, alarm: datetime) -> bool:
        """Tell whether a lock until this date is shorter than the legal date and the alarm allow."""
        return self.wanted is not None and (until is None or until < min(self.wanted, alarm))


@dataclass(frozen=True, slots=True)
class Failure:
    """A lock that was not moved on, and why."""

    key: str
    version: str
    lock_until: datetime | None
    problem: str
    vault: str = MAIN


@dataclass(slots=True)
class Rolled:
    """What a run did; all numbers count versions; ``failures`` names the first hundred."""

    due: int = 0
    extended: int = 0
    failed: int = 0
    behind: int = 0
    failures: list[Failure] = field(default_factory=list)
    away: VaultUnavailableError | None = None
    """The store did not answer, and not everything was asked."""

    def note_failure(self, failure: Failure) -> None:
        """Count a failure; there may be millions."""
        self.failed += 1
        if len(self.failures) < _SHOWN:
            self.failures.append(failure)


def horizon(node: Node) -> Horizon:
    """Return the dates of this moment.

    Raises ClockImplausibleError: what a clock moves on that runs ahead, nobody can move back.
    """
    clock = node.read_clock()
    if not clock.plausible:
        raise ClockImplausibleError(clock=clock.at.isoformat(), reference=clock.trusted.isoformat())
    retention = node.settings.retention
    cap = Term(months=retention.lock_cap_months).after(clock.trusted)
    if cap is None:
        raise ValueError("the cap has a number of months")
    whole = cap - clock.trusted
    return Horizon(
        now=clock.trusted,
        roll=clock.trusted + whole * retention.roll_percent / 100,
        alarm=clock.trusted + whole * retention.alarm_percent / 100,
    )


def ending(node: Node, dates: Horizon, before: datetime | None) -> Iterator[Lock]:
    """Walk over the versions of all vaults whose locks end before a date (None: all), the soonest first."""
    each = ((lock for page in _pages(node, store, dates, before) for lock in page) for store in node.stores)
    return heapq.merge(*each, key=lambda lock: lock.row.lock_until or datetime.min.replace(tzinfo=UTC))


def _pages(node: Node, store: Store, dates: Horizon, before: datetime | None) -> Iterator[list[Lock]]:
    """Walk over those of one vault, a page at a time."""
    last: StoredVersion | None = None
    while True:
        with node.register.read() as session:
            rows = locks.ending(session, store.name, before, last, _PAGE)
            if not rows:
                return
            keepers = keepers_of(session, rows)
        last = rows[-1]
        yield [Lock(row, keepers.get(row.id), _wanted(node, dates, row, keepers.get(row.id))) for row in rows]


def _wanted(node: Node, dates: Horizon, row: StoredVersion, keeper: Keeper | None) -> datetime | None:
    """Return the date to move a lock on to; None where it is long enough, or nothing asks for longer."""
    if keeper is None or (keeper.legal.until is None and not keeper.legal.permanent):
        return None
    until = lock_date(keeper.legal, dates.now, node.settings.retention.lock_cap_months)
    if until <= dates.now:  # it need not be kept any longer
        return None
    return until if row.lock_until is None or row.lock_until < until else None


def roll(node: Node) -> Rolled:
    """Move on every lock that is due; what is behind afterwards raises an alert.

    Versions that came after a hold on their object are held, too.

    Raises ClockImplausibleError, and RegisterError where the register is away.
    """
    dates = horizon(node)
    report = Rolled()
    with ThreadPoolExecutor(node.settings.docking.parallel) as pool:
        for store in node.stores:
            roller = _Roller(node, store, dates, report)
            for page in _pages(node, store, dates, dates.roll):
                due = [lock for lock in page if lock.wanted is not None]
                roller.note([*zip(due, pool.map(roller.ask, due), strict=True)])
                report.due += len(due)
                if roller.away is not None and (page[-1].row.lock_until or dates.now) >= dates.alarm:
                    break  # the rest is not asked for, and cannot be behind
            report.away = report.away or roller.away
    for digest, error in settle_all(node):
        # While a store is away nothing is behind but what its locks say: the next roll holds.
        report.behind += not _silent(error)
        report.note_failure(Failure(layout.clip_key(Digest.of_sha256(digest)), "hold", None, error.code))
    if report.behind:
        with node.register.write() as session:
            facts = {"behind": report.behind, "failed": report.failed, "extended": report.extended}
            integrity.raise_alert(session, ALERT, node.clock.now(), facts=facts)
    return report


class _Roller:
    def __init__(self, node: Node, store: Store, dates: Horizon, report: Rolled) -> None:
        self._node = node
        self._store = store
        self._dates = dates
        self._report = report
        self._silent = 0
        self.away: VaultUnavailableError | None = None

    def ask(self, lock: Lock) -> VaultVersion | SealdockError:
        """Move one lock on, in a thread of its own; returns what the vault says then, or what went wrong."""
        row, until = lock.row, lock.wanted
        if until is None:
            raise ValueError(f"{row.key} is locked long enough")
        if self.away is not None:
            return self.away
        try:
            found = extend(self._store.vault, row.key, row.version, until)
        except SealdockError as error:
            if _silent(error):
                self._silent += 1
                if self._silent >= _GIVE_UP and isinstance(error, VaultUnavailableError):
                    self.away = error
            return error
        self._silent = 0
        return found

    def note(self, answers: list[tuple[Lock, VaultVersion | SealdockError]]) -> None:
        """Write down what the vault said, an event for each clip or docking, and count."""
        moved: dict[str, list[tuple[Lock, VaultVersion]]] = {}
        for lock, answer in answers:
            if isinstance(answer, SealdockError):
                self._failed(lock, answer)
                continue
            self._report.extended += 1
            self._report.behind += lock.is_behind(answer.lock_until, self._dates.alarm)
            moved.setdefault(_subject(lock), []).append((lock, answer))
        if not moved:
            return
        at = self._node.clock.now()
        with self._node.register.write() as session:
            for subject, versions in moved.items():
                _note_moved(session, self._node, subject, versions, at)

    def _failed(self, lock: Lock, error: SealdockError) -> None:
        if isinstance(error, ObjectMissingError):
            with self._node.register.read() as session:
                if objects.is_superseded(session, lock.row):
                    return  # it was lost and brought in again: the newer version is the one that counts
        until = lock.row.lock_until
        # That a store is away is no alarm as long as there is time.
        self._report.behind += not _silent(error) or lock.is_behind(until, self._dates.alarm)
        row = lock.row
        self._report.note_failure(Failure(row.key, row.version, until, error.code, self._store.name))


def _silent(error: SealdockError) -> bool:
    return isinstance(error, VaultUnavailableError) and not isinstance(error, VaultRefusedError)


def _subject(lock: Lock) -> str:
    """Return what the event is about: the clip, else the docking, or the object that several clips share."""
    found = layout.belongs(lock.row.key)
    if found is None or lock.keeper is None:
        raise ValueError(f"nothing keeps {lock.row.key}")
    if found.folder == "dockings":
        return found.name
    return lock.keeper.clip or found.name


def _note_moved(
    session: Session,
    node: Node,
    subject: str,
    versions: list[tuple[Lock, VaultVersion]],
    at: datetime,
) -> None:
    for lock, answer in versions:
        kept = session.get_one(StoredVersion, lock.row.id)
        kept.lock_mode, kept.lock_until = answer.lock_mode.value, answer.lock_until
    first = versions[0][0]
    of_docking = first.row.key.startswith("dockings/")
    events.append(
        session,
        EventKind.LOCK_EXTENDED,
        node.actor,
        at,
        attempt=str(ULID()),
        clip=None if of_docking or first.keeper is None else first.keeper.clip,
        docking=subject if of_docking else None,
        subject=subject,
        facts={
            "lock_until": min(answer.lock_until for _, answer in versions if answer.lock_until is not None),
            "versions": len(versions),
            **node.store(first.row.vault).fact(),
        },
    )
