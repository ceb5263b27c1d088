"""``sealdock verify``: the stalest objects first, within a budget; what is wrong is logged and alerts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import ObjectMissingError, SealInvalidError, VaultUnavailableError
from hashing import seal
from hashing.digest import Digest
from jobs.ahead import in_order
from jobs.node import MAIN, Node, Store
from jobs.sealed import seal_word, with_seal
from metadata import events
from metadata.events import EventKind
from metadata.models import (
    Clip,
    IntegrityResult,
    IntegrityRun,
    StoredKind,
    StoredObject,
    StoredVersion,
)
from metadata.repo import integrity, objects
from storage import layout
from storage.confirm import Confirmation
from storage.integrity import Finding, Level, Target, check


@dataclass(frozen=True, slots=True)
class Failure:
    """A clip that failed and why."""

    clip: str | None
    """None for a document of a docking; ``name`` is its key then."""
    name: str
    sha256: str
    problem: str
    """Of another vault than the main one it begins with that one's name."""
    vault: str = MAIN


@dataclass(slots=True)
class Report:
    """What a run found. ``checked`` of ``total``, and ``remaining`` for the next run, count clips."""

    level: Level
    total: int = 0
    checked: int = 0
    bytes_read: int = 0
    remaining: int = 0
    failed: list[Failure] = field(default_factory=list)
    away: VaultUnavailableError | None = None
    """The second vault did not answer, and the rest of it was not asked for."""

    @property
    def ok(self) -> bool:
        """Return whether nothing was wrong with what was checked."""
        return not self.failed


def verify(
    node: Node, level: Level, budget: timedelta | None = None, on_clip: Callable[[Report], None] | None = None
) -> Report:
    """Check objects of safe clips until all are done or ``budget`` is used up.

    At least one object is checked, however small the budget: a run that does nothing for ever
    would look like a run that finds nothing.
    """
    if level is not Level.LOCK:
        seal.load_ahead()
    report = Report(level)
    started = time.monotonic()
    run = _begin(node, level)
    names = _answering(node, report)
    with node.register.read() as session:
        queue = integrity.stalest(session, names, read=level is not Level.LOCK)
        report.total = integrity.count_safe(session)
    _check_register(node, run, report)
    taken: list[str] = []

    def in_time() -> Iterator[str]:
        for digest in queue:
            if budget is not None and taken and time.monotonic() - started >= budget.total_seconds():
                return
            taken.append(digest)
            yield digest

    for _, looked in in_order(partial(_look, node, level, report), in_time(), hands=node.hands):
        _note(node, run, looked, level, report)
        if on_clip is not None:
            on_clip(report)
    if len(taken) == len(queue):
        _check_apart(node, names, run, level, report)
    else:
        report.remaining = max(0, report.total - report.checked)
    _end(node, run, report)
    return report


def _answering(node: Node, report: Report) -> list[str]:
    """Return the names of the vaults to check; what lies long unread in one that is away sets no order."""
    for store in node.stores:
        with _asking(store, report) as answers:
            if answers and store.name != MAIN:
                store.vault.versions(layout.clip_key(Digest.sha256(b"")))
    return [store.name for store in node.stores if store.name == MAIN or report.away is None]


def _begin(node: Node, level: Level) -> str:
    run = str(ULID())
    with node.register.write() as session:
        session.add(
            IntegrityRun(
                id=run,
                level=level.value,
                actor=node.actor.to_json(),
                started_at=node.clock.now(),
                checked=0,
                failed=0,
            )
        )
    return run


def _check_register(node: Node, run: str, report: Report) -> None:
    """Report clips that count as safe although the register names no version of them in the main vault.

    What the second vault lacks, and never had, is no fault: `vault copy` brings it.
    """
    with node.register.write() as session:
        for clip in integrity.without_version(session, node.vault_name):
            report.checked += 1
            report.failed.append(Failure(clip.id, clip.name, clip.sha256 or "", "not-stored"))
            _log_failure(session, node, run, clip, report.failed[-1])


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found of an object: in the versions of it, and for each clip that shares it."""

    digest: str
    found: list[tuple[StoredVersion, Finding]] = field(default_factory=list)
    clips: list[tuple[Clip, list[Failure]]] | None = None
    """None for an object that the register does not know."""
    everywhere: bool = True
    """Every vault that should have it was asked: only then is it known to be well."""


def _look(node: Node, level: Level, report: Report, digest: str) -> _Looked:
    """Check an object in every vault and, for every clip that shares it, its manifest and seal."""
    key = layout.clip_key(Digest.of_sha256(digest))
    with node.register.read() as session:
        noted = [(store, row) for store in node.stores for row in _newest(session, store, key)]
        stored = session.get(StoredObject, digest)
        sharing = integrity.safe_clips(session, digest)
    if stored is None:  # no write of ours leaves a version of an object that the register does not know
        return _Looked(digest)
    failed: dict[str, list[Failure]] = {clip.id: [] for clip in sharing}
    found: list[tuple[StoredVersion, Finding]] = []
    for store, row in noted:
        with _asking(store, report) as answers:
            if not answers:
                continue
            target = Target(key, row.version, row.size, row.lock_until, objects.chunks(stored), held=row.held)
            finding = check(store.vault, target, level)
            problems = [(clip, with_seal(node, store, clip, stored, finding, level)) for clip in sharing]
            found.append((row, finding))
            for clip, problem in problems:
                if problem is not None:
                    failure = Failure(clip.id, clip.name, digest, store.told(problem), store.name)
                    failed[clip.id].append(failure)
    shared = [(clip, failed[clip.id]) for clip in sharing]
    return _Looked(digest, found, shared, everywhere=len(found) == len(noted))


def _note(node: Node, run: str, looked: _Looked, level: Level, report: Report) -> None:
    """Write down what was found of an object."""
    if looked.clips is None:
        key = layout.clip_key(Digest.of_sha256(looked.digest))
        _note_unknown(node, run, Failure(None, key, looked.digest, "not-registered"), report)
        return
    at = node.clock.now()
    bytes_read = sum(finding.bytes_read for _, finding in looked.found)
    report.checked += len(looked.clips)
    report.bytes_read += bytes_read
    with node.register.write() as session:
        for clip, failures in looked.clips:
            if not failures and not looked.everywhere:
                continue
            session.add(
                IntegrityResult(
                    id=str(ULID()),
                    run_id=run,
                    clip_id=clip.id,
                    problem=failures[0].problem if failures else None,
                    bytes_read=bytes_read,
                    at=at,
                )
            )
            report.failed += failures
            for failure in failures:
                _log_failure(session, node, run, clip, failure)
        for row, finding in looked.found:
            _note_checked(session, row, level, at, read_whole=level is Level.FULL and finding.problem is None)


def _newest(session: Session, store: Store, key: str) -> list[StoredVersion]:
    return objects.versions_at(session, store.name, key)[-1:]


@contextmanager
def _asking(store: Store, report: Report) -> Iterator[bool]:
    """Tell whether to ask a vault: that the second one is away keeps nobody from checking the main one."""
    if store.name == MAIN:
        yield True
        return
    try:
        yield report.away is None
    except VaultUnavailableError as error:
        report.away = error


def _note_unknown(node: Node, run: str, failure: Failure, report: Report) -> None:
    report.failed.append(failure)
    facts = {"run": run, "problem": failure.problem, "key": failure.name}
    with node.register.write() as session:
        integrity.raise_alert(session, "integrity", node.clock.now(), facts=facts, once=True)


def _note_checked(
    session: Session, row: StoredVersion, level: Level, at: datetime, *, read_whole: bool = False
) -> None:
    kept = session.get_one(StoredVersion, row.id)
    if read_whole and kept.confirmed_at is not None:
        kept.confirmation = Confirmation.FULL.value
    kept.checked_at = at
    if level is not Level.LOCK:
        kept.verified_at = at


def _log_failure(session: Session, node: Node, run: str, clip: Clip, failure: Failure) -> None:
    at = node.clock.now()
    facts = {"run": run, "problem": failure.problem}
    attempt = run if failure.vault == MAIN else f"{run}/{failure.vault}"
    kind = EventKind.INTEGRITY_FAILED
    events.append(session, kind, node.actor, at, attempt=attempt, clip=clip.id, facts=facts)
    integrity.raise_alert(session, "integrity", at, clip=clip.id, facts=facts, once=True)


def _check_apart(node: Node, names: list[str], run: str, level: Level, report: Report) -> None:
    """Check inventories, close-outs and poster frames in the vault and, at level ``full``, docking seals."""
    with node.register.read() as session:
        rows = integrity.documents_apart(session, names)

    def look(row: StoredVersion) -> tuple[bool, str | None]:
        store = node.store(row.vault)
        problem, answered = None, False
        with _asking(store, report) as answers:
            if answers:
                problem, answered = _document_problem(node, store, row, level), True
        return answered, problem

    for row, (answered, found) in in_order(look, rows, hands=node.hands):
        if not answered:
            continue
        store = node.store(row.vault)
        at = node.clock.now()
        with node.register.write() as session:
            _note_checked(session, row, level, at)
            if found is not None:
                problem = store.told(found)
                report.failed.append(Failure(None, row.key, row.sha256, problem, store.name))
                facts = {"run": run, "problem": problem, "key": row.key}
                events.append(
                    session,
                    EventKind.INTEGRITY_FAILED,
                    node.actor,
                    at,
                    attempt=run,
                    subject=row.id,
                    facts=facts,
                )
                integrity.raise_alert(session, "integrity", at, facts=facts, once=True)


def _document_problem(node: Node, store: Store, row: StoredVersion, level: Level) -> str | None:
    """Return what is wrong with a document of a docking; at level ``full`` its seal is checked, too."""
    target = Target(row.key, row.version, row.size, row.lock_until, Digest.of_sha256(row.sha256))
    problem = check(store.vault, target, level).problem
    if problem is not None:
        return f"{row.kind}: {problem}"
    if level is not Level.FULL or row.kind not in {StoredKind.INVENTORY.value, StoredKind.CLOSE.value}:
        return None
    with node.register.read() as session:
        seals = objects.versions_at(session, store.name, layout.signature_key(row.key))
    if not seals:
        return None if store.name != MAIN else f"{row.kind}: not-sealed"
    try:
        with store.vault.open(row.key, row.version) as file:
            data = file.read()
        with store.vault.open(seals[-1].key, seals[-1].version) as file:
            signature = file.read(seal.MAX_SEAL_BYTES)
        seal.verify(data, signature, trust_roots=node.trust_roots, moment=row.created_at)
    except SealInvalidError as error:
        return f"{row.kind}: {seal_word(error)}"
    except (ObjectMissingError, OSError):
        return f"{row.kind}: missing"
    return None


def _end(node: Node, run: str, report: Report) -> None:
    at = node.clock.now()
    with node.register.write() as session:
        row = session.get_one(IntegrityRun, run)
        row.ended_at, row.checked, row.failed = at, report.checked, len(report.failed)
        events.append(
            session,
            EventKind.INTEGRITY_RUN,
            node.actor,
            at,
            attempt=run,
            subject=run,
            facts={
                "level": report.level.value,
                "checked": report.checked,
                "failed": len(report.failed),
                "remaining": report.remaining,
                "results": f"sha256:{integrity.results_root(session, run).hex()}",
            },
        )
