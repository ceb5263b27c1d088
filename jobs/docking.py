"""The docking workflow: it reads like the way of a clip, a stage a line (design, section 2).

Every stage is a durable step that may run twice: the register says what is done already. Kill the
process anywhere, and the next start goes on from the last recorded step.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeVar

from dbos import DBOS, SetWorkflowID

from config.errors import RegisterError, SealdockError
from ingest.names import from_uri
from ingest.source import FolderSource
from jobs import clearing, closing, offloading, probing, rechecking, sealing, storing
from jobs.acceptance import Unknown
from jobs.registration import DockingRequest, register_docking
from jobs.running import running
from jobs.verdict import Verdict
from metadata.actor import Actor, ActorKind
from metadata.repo import dockings

_log = logging.getLogger("sealdock.docking")
_Result = TypeVar("_Result")


@DBOS.workflow(name="docking", max_recovery_attempts=None)
def docking(
    docking_id: str, source: str, officer: str | None, reread: bool, operator: dict[str, str], unknown: str
) -> dict[str, Any] | None:
    """Bring in one card. Returns None, or the error that kept the inventory from being taken."""
    with running().card(source):
        problem = inventory(docking_id, source, officer, reread, operator, unknown)
        if problem is not None:
            return problem
        work = plan(docking_id)
        clips: deque[Any] = deque()
        for position in work["positions"][: work["parallel"]]:
            clips.append(_start(docking_id, position))
        # Signing waits until the first clips are under way: it needs nothing from the card.
        sign_inventory(docking_id)
        for position in work["positions"][work["parallel"] :]:
            _end(clips.popleft())
            clips.append(_start(docking_id, position))
        while clips:
            _end(clips.popleft())
        recheck(docking_id)
        close(docking_id)
        publish(docking_id)
        release(docking_id)
    return None


@DBOS.workflow(name="clip", max_recovery_attempts=None)
def clip(docking_id: str, position: int) -> None:
    """Bring in one clip, from the card to a confirmed version in the vault."""
    if not _done(offload, docking_id, position):
        return
    found = probe(docking_id, position)
    if _done(seal, docking_id, position, found) and _done(store, docking_id, position):
        confirm(docking_id, position)


def _start(docking_id: str, position: int) -> Any:
    with SetWorkflowID(f"{docking_id}/{position}"):
        return DBOS.start_workflow(clip, docking_id, position)


def _end(handle: Any) -> None:
    """Wait for a clip. One that failed for a reason nobody foresaw must not stop the others."""
    try:
        handle.get_result()
    except Exception:  # noqa: BLE001 - whatever it is: the clip's row still shows that it is not safe
        _log.exception("clip-failed", extra={"workflow": handle.workflow_id})


def _done(stage: Callable[..., str], *arguments: Any) -> bool:
    """Run a stage; tell whether the next one may follow."""
    return Verdict(stage(*arguments)) is Verdict.DONE


def _patient(act: Callable[[], Verdict]) -> str:
    """Try a stage until it is done or ended, with pauses.

    All tries are one step of the workflow: what is recorded is how it ended. Were each try recorded, the
    next start would go through all their pauses again before it tried for itself.
    """
    for tries in count():
        verdict = _try(act)
        if verdict is not Verdict.RETRY:
            return verdict.value
        running().pause(tries)
    raise AssertionError("numbers do not end")


def _try(act: Callable[[], Verdict]) -> Verdict:
    """Try once; a register that is busy with others, or whose disk is full, is a reason to try again."""
    try:
        with running().step():
            return act()
    except RegisterError as error:
        if not error.retriable:
            raise
        return Verdict.RETRY


def _persistent(act: Callable[[], _Result]) -> _Result:
    """Do what ends nothing but by being done, again and again while the register is away or busy."""
    tries = 0
    while True:
        try:
            with running().step():
                return act()
        except RegisterError as error:
            if not error.retriable:
                raise
        running().pause(tries)
        tries += 1


@DBOS.step()
def inventory(
    docking_id: str,
    source: str,
    officer: str | None,
    reread: bool,
    operator: Mapping[str, str],
    unknown: str,
) -> dict[str, Any] | None:
    """Take the inventory; returns the error as JSON if that cannot be done."""
    request = DockingRequest(
        id=docking_id,
        source=from_uri(source),
        claimed_officer=officer,
        reread=reread,
        operator=Actor(ActorKind(operator["kind"]), operator["id"], operator["authenticated"]),
        unknown=Unknown(unknown),
    )
    here = running()
    try:
        card = FolderSource(request.source)
        here.keep_source(docking_id, card)
        register_docking(here.node, card, request)
    except SealdockError as error:
        here.drop_source(docking_id)
        return error.to_json()
    return None


@DBOS.step()
def plan(docking_id: str) -> dict[str, Any]:
    """Return what to read, and how many clips to have under way at once."""
    node = running().node

    def positions() -> list[int]:
        with node.register.read() as session:
            return dockings.to_read(session, docking_id)

    return {"positions": _persistent(positions), "parallel": node.settings.docking.parallel}


@DBOS.step()
def sign_inventory(docking_id: str) -> None:
    """Sign the inventory."""
    _persistent(lambda: closing.seal_inventory(running().node, docking_id))


@DBOS.step()
def offload(docking_id: str, position: int) -> str:
    """Copy with proof: one read, fsync, read-back."""
    here = running()
    return _patient(
        lambda: offloading.run(
            here.node,
            _card(docking_id),
            docking_id,
            position,
            turn=here.turn(docking_id),
            on_bytes=here.counter(docking_id),
        )
    )


@DBOS.step()
def probe(docking_id: str, position: int) -> dict[str, Any]:
    """Look at container, duration and condition, in a sandboxed child process."""
    return _persistent(lambda: probing.run(running().node, docking_id, position))


@DBOS.step()
def seal(docking_id: str, position: int, found: Mapping[str, Any]) -> str:
    """Write and sign the manifest; ask for a trusted timestamp."""
    return _patient(lambda: sealing.run(running().node, docking_id, position, found))


@DBOS.step()
def store(docking_id: str, position: int) -> str:
    """Put original, manifest and seal into the vault, locked."""
    return _patient(lambda: storing.store(running().node, docking_id, position))


@DBOS.step()
def confirm(docking_id: str, position: int) -> str:
    """Ask the vault for the exact versions."""
    return _patient(lambda: storing.confirm_stored(running().node, docking_id, position))


@DBOS.step()
def recheck(docking_id: str) -> str:
    """Ask the vault for the clips that were not read again: being safe is not assumed of them either."""
    here = running()
    return _patient(
        lambda: rechecking.run(here.node, _card(docking_id), docking_id, turn=here.turn(docking_id))
    )


@DBOS.step()
def close(docking_id: str) -> None:
    """Write and sign the close-out."""
    _persistent(lambda: closing.close(running().node, docking_id))


@DBOS.step()
def publish(docking_id: str) -> str:
    """Put inventory and close-out into the vault."""
    return _patient(lambda: closing.publish(running().node, docking_id))


@DBOS.step()
def release(docking_id: str) -> None:
    """Let go of spool copies; clear the recorder where the policy says so."""
    here = running()
    _persistent(lambda: closing.release(here.node, docking_id))
    _persistent(lambda: clearing.clear_recorder(here.node, _card(docking_id), docking_id))
    here.drop_source(docking_id)


def _card(docking_id: str) -> FolderSource | None:
    """Return the card of a docking: open already, or opened again after a restart if it is still there."""
    here = running()
    card = here.source(docking_id)
    if card is not None:
        return card
    with here.node.register.read() as session:
        row = dockings.get(session, docking_id)
    try:
        card = FolderSource(from_uri(row.source))
    except SealdockError:
        return None
    if card.volume.identity != row.volume["identity"]:
        card.close()
        return None
    return here.keep_source(docking_id, card)
