"""What one vault lacks of what another holds is brought to it, with proof; ``sealdock vault copy``.

The second vault may have come later, need not hold what is confirmed, or have lost something. Each object is
fetched from a vault that has it, its digest is compared before it is put, it is locked as its clip asks, and
the vault is asked for it before it is written down. Killed anywhere, the next run goes on: what is there is
adopted.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from sqlalchemy import select
from ulid import ULID

from config.errors import (
    DigestMismatchError,
    EngineBusyError,
    InvalidSettingError,
    ObjectMissingError,
    SealdockError,
)
from config.messages import Phrase, mark
from hashing.digest import Digest
from jobs import copies
from jobs.keeping import keepers_of
from jobs.node import MAIN, SECOND, Node, Store
from jobs.proving import require_proved
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, StoredKind, StoredVersion
from metadata.repo import integrity, objects
from metadata.repo.locks import Keeper
from metadata.repo.objects import Stored
from metadata.retention import LegalDate, lock_date
from storage import layout
from storage.confirm import Expected, confirm, confirmation_of
from storage.vault import Listed, Vault
from storage.vault import StoredVersion as VaultVersion

ALERT = "copy-failed"
_PAGE = 200
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """A group of versions that could not be brought: its first key, and why."""

    key: str
    problem: str


@dataclass(slots=True)
class Copied:
    """What a run did; numbers count versions; ``failures`` names the first hundred."""

    lacking: int = 0
    """So many the register knew of when the run began."""
    copied: int = 0
    failed: int = 0
    bytes_copied: int = 0
    remaining: int = 0
    """So many are left, as far as the register knows."""
    finished: bool = False
    """All that the register names was looked at, in time."""
    failures: list[Failure] = field(default_factory=list)
    stopped: SealdockError | None = None
    """Why the run ended early: a vault is away, or there is no room."""


def copy(
    node: Node, budget: timedelta | None = None, on_group: Callable[[Copied], None] | None = None
) -> Copied:
    """Bring to the second vault what it lacks of the main one, until it has all or ``budget`` is used up.

    Raises InvalidSettingError without a second vault, EngineBusyError while another run goes on, and
    VaultUntriedError or VaultAdvisoryError for a vault that may not be used.
    """
    if node.second is None:
        raise InvalidSettingError(key="second_vault.url", problem=Phrase(mark("there is no second vault")))
    require_proved(node, every=True)
    end = None if budget is None else time.monotonic() + budget.total_seconds()
    report = Copied()
    with _alone(node), ThreadPoolExecutor(node.settings.docking.parallel) as pool:
        with node.register.read() as session:
            report.lacking = objects.lacking(session, MAIN, SECOND)
        target = node.store(SECOND)
        for rows in lacking(node, node.store(MAIN), target):
            groups = [list(group) for _, group in groupby(rows, key=lambda row: layout.belongs(row.key))]
            results = pool.map(partial(_try, node, target, report, end), groups)
            for versions, result in zip(groups, results, strict=True):
                _count(report, versions, result)
                if on_group is not None:
                    on_group(report)
            if report.stopped is not None or (end is not None and time.monotonic() >= end):
                break
        else:
            report.finished = True
    with node.register.read() as session:
        report.remaining = objects.lacking(session, MAIN, SECOND)
    if report.failed:
        with node.register.write() as session:
            facts = {"failed": report.failed, "problem": report.failures[0].problem}
            integrity.raise_alert(session, ALERT, node.clock.now(), facts=facts)
    return report


@contextmanager
def _alone(node: Node) -> Iterator[None]:
    """Hold the lock of such runs; EngineBusyError if another one has it."""
    fd = os.open(node.home / "copy.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise EngineBusyError(home=str(node.home)) from error
    finally:
        os.close(fd)


def lacking(node: Node, source: Store, target: Store) -> Iterator[list[StoredVersion]]:
    """Yield the versions that a vault should hold and does not, in the order of their keys, a page at a time.

    Each is the newest confirmed one of its key in ``source``. The target's own listing is compared, too: what
    it has lost it lacks.
    """
    there = _Listing(target.vault)
    key = ""
    while True:
        with node.register.read() as session:
            newest = [group[-1] for group in objects.groups_after(session, source.name, key, _PAGE)]
            noted = objects.newest_at(session, target.name, [row.key for row in newest])
        if not newest:
            return
        key = newest[-1].key
        yield [row for row in newest if row.confirmed_at is not None and not there.has(row.key, noted)]


class _Listing:
    """What a vault lists, asked for by ascending keys."""

    def __init__(self, vault: Vault) -> None:
        self._groups = vault.listing()
        self._ahead: tuple[Listed, ...] | None = next(self._groups, None)

    def has(self, key: str, noted: dict[str, StoredVersion]) -> bool:
        """Tell whether the vault lists the version that the register confirmed, with its size."""
        while self._ahead is not None and self._ahead[0].key < key:
            self._ahead = next(self._groups, None)
        row = noted.get(key)
        if row is None or row.confirmed_at is None or self._ahead is None or self._ahead[0].key != key:
            return False
        said = (row.version, row.size, False)
        return any((found.version, found.size, found.marker) == said for found in self._ahead)


def _try(
    node: Node, target: Store, report: Copied, end: float | None, rows: Sequence[StoredVersion]
) -> int | SealdockError | None:
    """Bring a group, in a thread of its own; None if there is no time left or no point in it."""
    if report.stopped is not None or (end is not None and time.monotonic() >= end):
        return None
    try:
        bring(node, target, rows, copies.COPY)
    except SealdockError as error:
        return error
    return sum(row.size for row in rows)


def _count(report: Copied, rows: Sequence[StoredVersion], result: int | SealdockError | None) -> None:
    if isinstance(result, SealdockError) and result.retriable:
        report.stopped = report.stopped or result  # the next object would meet it, too
    elif isinstance(result, SealdockError):
        report.failed += len(rows)
        if len(report.failures) < _SHOWN:
            report.failures.append(Failure(rows[0].key, result.code))
    elif result is not None:
        report.copied += len(rows)
        report.bytes_copied += result


def bring(node: Node, target: Store, rows: Sequence[StoredVersion], purpose: str) -> None:
    """Bring versions to a vault that lacks them and write that down, with an event.

    ``rows`` are what the register names of another vault, all kept for the same clip, docking or derivative.
    Raises ObjectMissingError or DigestMismatchError where no other vault has the right bytes, and what a put
    and ``confirm`` raise.
    """
    with node.register.read() as session:
        of = layout.belongs(rows[0].key)
        digest = of.name if of is not None and of.folder == "clips" else None
        legal = keepers_of(session, rows)
        clip = None if digest is None else session.scalar(select(Clip).where(Clip.sha256 == digest).limit(1))
    until = max(_until(node, legal.get(row.id), row) for row in rows)
    stored = [_bring(node, target, row, clip, until, purpose) for row in rows]
    keeper = legal.get(rows[0].id)
    of_docking = of is not None and of.folder == "dockings"
    at = node.clock.now()
    with node.register.write() as session:
        for item in stored:
            objects.note_stored(session, target.name, item, at, confirmed=True)
        events.append(
            session,
            EventKind.COPIED,
            node.actor,
            at,
            attempt=str(ULID()),
            clip=None if of_docking or keeper is None else keeper.clip,
            docking=of.name if of is not None and of_docking else None,
            subject=node.station_id if of is None else of.name,
            facts={
                "to": target.name,
                "vault": target.vault.url,
                "lock_until": until,
                "versions": [{"key": item.found.key, "version": item.found.version} for item in stored],
            },
        )


def _until(node: Node, keeper: Keeper | None, row: StoredVersion) -> datetime:
    """Return the date that policy asks for, and no earlier one than was confirmed elsewhere."""
    now = node.read_clock().trusted
    legal = LegalDate(now, permanent=False) if keeper is None else keeper.legal
    until = lock_date(legal, now, node.settings.retention.lock_cap_months, floor=node.schedule.floor)
    return until if row.lock_until is None else max(until, row.lock_until)


def _bring(
    node: Node, target: Store, row: StoredVersion, clip: Clip | None, until: datetime, purpose: str
) -> Stored:
    digest = Digest.of_sha256(row.sha256)
    kind = StoredKind(row.kind)
    if kind is StoredKind.ORIGINAL:
        if clip is None:
            raise ObjectMissingError(key=row.key)
        with copies.copy_from_others(node, target, clip, purpose) as (path, _):
            put = target.vault.put_file(row.key, path, digest=digest, size=row.size, lock_until=until)
    else:
        put = target.vault.put_bytes(row.key, _document(node, target, row, digest), lock_until=until)
    found: VaultVersion = confirm(target.vault, Expected(row.key, put.version, row.size, until))
    return Stored(found, kind, row.sha256, confirmation_of(put).value)


def _document(node: Node, target: Store, row: StoredVersion, digest: Digest) -> bytes:
    problem: SealdockError = ObjectMissingError(key=row.key)
    for store, version in copies.versions_elsewhere(node, target, row.key):
        try:
            with store.vault.open(row.key, version) as file:
                data = file.read(row.size + 1)
        except ObjectMissingError:
            continue
        except OSError as error:
            problem = ObjectMissingError(key=row.key)
            problem.__cause__ = error
            continue
        found = Digest.sha256(data)
        if found.matches(digest):
            return data
        problem = DigestMismatchError(what=row.key, algorithm="sha256", expected=digest.hex, found=found.hex)
    raise problem
