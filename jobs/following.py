"""Start a docking, or hand it to the process that holds the executor, and follow it to its end."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ulid import ULID

from config.errors import (
    EngineBusyError,
    EngineFailedError,
    RegisterError,
    SealdockError,
    SourceForbiddenError,
)
from ingest.names import to_uri
from ingest.source import FolderSource
from jobs.acceptance import Unknown
from jobs.asking import vault_problem
from jobs.docking import docking
from jobs.engine import DOCKINGS, Client, Executor, is_free, is_ready
from jobs.node import Node
from metadata.models import Docking, Outcome, Progress, Recorder
from metadata.repo import clips, dockings, doubts
from metadata.repo.clips import ClipRecord
from metadata.states import ENDED, SAFE, ClipState

ShowProgress = Callable[[str, int, int, dict[str, int]], None]
"""Called with the docking's id, bytes done, bytes in all, and the number of clips in each state."""

_LOOK_SECONDS = 1.0
_SHOW_SECONDS = 0.25
_LOOKS_APART = 20
"""How many times as long as a look took is waited until the next."""
_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_WAITING_OR_ENDED = ENDED | {ClipState.WAITING}


@dataclass(frozen=True, slots=True)
class Request:
    """What to bring in, and who says so."""

    source: Path
    officer: str | None = None
    reread: bool = False
    unknown: Unknown = Unknown.ACCEPT


class Known(NamedTuple):
    """Clips that were safe from an earlier docking and needed nothing, by what this one did with them."""

    not_read: frozenset[str] = frozenset()
    reread: frozenset[str] = frozenset()
    """Read again on the card: the same bytes."""
    not_reread: frozenset[str] = frozenset()
    """They were to be read again on the card, and could not be."""
    vault_read: bool = False
    """The vault's copies of all of them were read whole."""


@dataclass(frozen=True, slots=True)
class Followed:
    """How a docking stands at the end of following it."""

    docking: str
    recorder: str
    identity: str
    started_at: datetime
    clips: list[ClipRecord]
    unsafe: dict[str, str | None]
    """Clips that are not safe by their ids, with what the vault was found to lack of those it should have."""
    unfinished: bool
    """Following ended before the docking did: it waits for something outside."""
    skipped: list[dict[str, Any]]
    restored: dict[str, str]
    """Clips that were safe already and had to be put right in the vault, with what it was found to lack."""
    known: Known
    clock_plausible: bool
    close_digest: str | None
    ok: bool
    held_up: str | None = None
    """Why the clips wait that were begun: those that were not wait for them."""
    vault_problem: SealdockError | None = None
    """Why a vault that has to hold the clips does not answer, where the docking waits."""


class _Standing(NamedTuple):
    states: dict[str, int]
    bytes_done: int
    bytes_total: int
    closed: bool


def follow(node: Node, request: Request, on_progress: ShowProgress | None = None) -> Followed:
    """Bring in a card; return when all is safe, or when nothing has moved for a while.

    Dockings that an earlier process left unfinished go on in this one. If one of them is of this
    very card, and the card still shows exactly what its inventory says, it *is* this docking.
    Raises the error that kept the inventory from being taken.
    """
    FolderSource(request.source).close()  # what is not there is an error before anything is started
    refuse_own(node, request.source)
    docking_id: str | None = None
    while True:
        try:
            with Executor(node) as executor:
                docking_id = docking_id or _resumed(node, executor, request, on_progress)
                docking_id = docking_id or start(node, executor, request)
                result = _wait(node, docking_id, executor, on_progress)
                _drain(node, executor, docking_id, on_progress)
                break
        except EngineBusyError:
            if not is_ready(node.home):
                time.sleep(_SHOW_SECONDS)
                continue
            client = Client(node)
            try:
                docking_id = docking_id or _enqueued(node, client, request)
                result = _wait(node, docking_id, client, on_progress, until=lambda: is_free(node.home))
            finally:
                client.close()
            if result is not _HOLDER_GONE:
                break
    if isinstance(result, SealdockError):
        raise result
    return standing(node, docking_id, unfinished=result is _STANDS_STILL, reread=request.reread)


def refuse_own(node: Node, source: Path) -> None:
    """Raise SourceForbiddenError for a source that holds keys, register, spool or vault, or lies in them.

    A mistyped path must not put the station's private keys under a lock that nobody can lift.
    """
    where = source.resolve()
    for own in (node.home, node.settings.keys_path, node.spool, *node.vault_folders):
        place = own.resolve()
        if place.is_relative_to(where) or where.is_relative_to(place):
            raise SourceForbiddenError(source=str(source), own=str(own))


_HOLDER_GONE = object()
_STANDS_STILL = object()


def _resumed(
    node: Node, executor: Executor, request: Request, on_progress: ShowProgress | None
) -> str | None:
    """Let unfinished dockings of this card end first; return the one that is as good as a new one."""
    same: str | None = None
    for workflow_id, arguments in executor.unfinished("docking"):
        if arguments[1] != to_uri(request.source):
            continue
        _wait(node, workflow_id, executor, on_progress)
        if not request.reread and _still_shows(node, workflow_id, request.source):
            same = workflow_id
    return same


def _still_shows(node: Node, docking_id: str, source: Path) -> bool:
    """Tell whether the card shows exactly the files of a docking's inventory, and is the same volume."""
    limits = node.settings.docking
    try:
        with FolderSource(source) as card:
            listing = card.walk(max_entries=limits.max_entries, max_depth=limits.max_depth)
    except SealdockError:
        return False
    with node.register.read() as session:
        docking = session.get(Docking, docking_id)
        if docking is None or docking.volume["identity"] != card.volume.identity:
            return False
        seen = {
            (clip.path_bytes, sighting.size, sighting.mtime_ns)
            for sighting, clip in dockings.sightings(session, docking_id)
        }
    return seen == {(entry.path, entry.size, entry.mtime_ns) for entry in listing.entries}


def arguments(node: Node, docking_id: str, request: Request) -> tuple[Any, ...]:
    """Return what the docking workflow is called with, in JSON values."""
    return (
        docking_id,
        to_uri(request.source),
        request.officer,
        request.reread,
        node.actor.to_json(),
        request.unknown.value,
    )


def start(node: Node, executor: Executor, request: Request) -> str:
    """Start a docking in this process and return its id."""
    docking_id = str(ULID())
    executor.start(docking_id, docking, *arguments(node, docking_id, request))
    return docking_id


def _enqueued(node: Node, client: Client, request: Request) -> str:
    docking_id = str(ULID())
    client.enqueue(DOCKINGS, "docking", docking_id, *arguments(node, docking_id, request))
    return docking_id


def _wait(
    node: Node,
    docking_id: str,
    engine: Executor | Client,
    on_progress: ShowProgress | None,
    until: Callable[[], bool] | None = None,
) -> object:
    """Wait for a docking to end; returns its error, None, _HOLDER_GONE, or _STANDS_STILL if it does.

    Raises a RegisterError when the register is away for longer than ``docking.patience_seconds``.
    """
    patience = node.settings.docking.patience_seconds
    last: object = None
    moved = time.monotonic()
    looked = 0.0
    while True:
        # Counting the clips of a very full card takes a while: it must not take much of what brings them in.
        engine.pause(max(_LOOK_SECONDS if on_progress is None else _SHOW_SECONDS, looked * _LOOKS_APART))
        status, value = engine.outcome(docking_id)
        if status in _OVER:
            return _error(status, value)
        if until is not None and until():
            return _HOLDER_GONE
        now = time.monotonic()
        try:
            current = _look(node, docking_id)
        except RegisterError as error:
            # The docking itself waits for a register that is away; so does whoever follows it, for a while.
            if not error.retriable or now - moved > patience:
                raise
            continue
        looked = time.monotonic() - now
        if on_progress is not None and current is not None:
            on_progress(docking_id, current.bytes_done, current.bytes_total, current.states)
        if (current, status) != last:
            last, moved = (current, status), now
        elif current is not None and now - moved > patience:
            if _stands_still(node, current):
                return _STANDS_STILL
            _require_writable(node, docking_id)


def outcome_of(executor: Executor, docking_id: str) -> tuple[bool, SealdockError | None]:
    """Tell whether a docking has ended, and the error that kept it from taking its inventory."""
    status, value = executor.outcome(docking_id)
    return (True, _error(status, value)) if status in _OVER else (False, None)


def _error(status: str, value: Any) -> SealdockError | None:
    if status == "SUCCESS":
        return None if value is None else SealdockError.from_json(value)
    return EngineFailedError(problem=str(value)[:500])


def _look(node: Node, docking_id: str) -> _Standing | None:
    with node.register.read() as session:
        progress = session.get(Progress, docking_id)
        if progress is None:
            return None
        closed = dockings.get(session, docking_id).closed_at is not None
        states = dockings.state_counts(session, docking_id)
    return _Standing(states, progress.bytes_done, progress.bytes_total, closed)


def _stands_still(node: Node, current: _Standing) -> bool:
    """Tell whether every clip that is under way waits for something outside.

    One that is on its way to a vault that no longer says a word does so, too: requests take minutes to fail.
    """
    waiting = current.states.get(ClipState.WAITING.value, 0)
    rest = sum(n for state, n in current.states.items() if ClipState(state) not in _WAITING_OR_ENDED)
    return rest == 0 or waiting >= node.settings.docking.parallel or _vault_problem(node) is not None


def _drain(node: Node, executor: Executor, own: str, on_progress: ShowProgress | None) -> None:
    """Finish dockings that other commands handed to this process, as long as they move."""
    for workflow_id, _ in executor.unfinished("docking"):
        if workflow_id != own:
            _wait(node, workflow_id, executor, on_progress)


def _require_writable(node: Node, docking_id: str) -> None:
    """Raise a RegisterError if the register cannot be written: then no clip can even be noted as waiting."""
    with node.register.write() as session:
        dockings.touch_progress(session, docking_id, node.clock.now())


def standing(node: Node, docking_id: str, *, unfinished: bool, reread: bool) -> Followed:
    """Return how a docking stands in the register."""
    with node.register.read() as session:
        docking = session.get_one(Docking, docking_id)
        recorder = session.get_one(Recorder, docking.recorder_id)
        rows = dockings.sightings(session, docking_id)
        records = clips.records(session, [clip for _, clip in rows])
        restored = doubts.restored(session, docking_id)
    unsafe = {
        clip.id: seen.problem for seen, clip in rows if seen.problem or ClipState(clip.state) not in SAFE
    }
    waiting = Counter(
        clip.reason for _, clip in rows if clip.state == ClipState.WAITING.value and clip.reason
    )
    known: dict[str, set[str]] = {outcome.value: set() for outcome in Outcome}
    for seen, clip in rows:
        if clip.id not in restored:
            known[seen.outcome].add(clip.id)
    return Followed(
        docking=docking_id,
        recorder=recorder.id,
        identity=recorder.identity,
        started_at=docking.started_at,
        clips=records,
        unsafe=unsafe,
        unfinished=unfinished,
        skipped=json.loads(docking.inventory)["skipped"],
        restored=restored,
        known=Known(
            frozenset(known[Outcome.NOT_READ_AGAIN]),
            frozenset(known[Outcome.REREAD_SAME]),
            frozenset(known[Outcome.TO_REREAD]),
            vault_read=reread,
        ),
        clock_plausible=docking.clock_plausible,
        close_digest=docking.close_digest,
        ok=not unsafe and not unfinished and docking.closed_at is not None,
        held_up=waiting.most_common(1)[0][0] if unfinished and waiting else None,
        vault_problem=_vault_problem(node) if unfinished else None,
    )


def _vault_problem(node: Node) -> SealdockError | None:
    """Return why a vault that has to hold the clips does not answer."""
    problems = (vault_problem(store.vault) for store in node.required)
    return next((problem for problem in problems if problem is not None), None)
