"""The docking workflow: it reads like the way of a clip, a stage a line (design, section 2).

Each step of a docking is durable and may run twice. How far a clip has come stands in the register alone
(ADR 0013): kill the process anywhere, and the next start goes on with what has not ended.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeVar

from dbos import DBOS

from config.errors import RegisterError, SealdockError
from ingest.names import from_uri
from ingest.source import FolderSource
from jobs import clearing, closing, offloading, probing, rechecking, sealing, storing
from jobs.acceptance import Unknown
from jobs.ledger import publishing
from jobs.node import Node
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
        bring_in(docking_id)
        recheck(docking_id, reread)
        close(docking_id)
        publish(docking_id)
        release(docking_id)
        publish_ledger(docking_id)
    return None


def clip(docking_id: str, position: int) -> None:
    """Bring in one clip, from the card to a confirmed version in the vault."""
    if offload(docking_id, position) is not Verdict.DONE:
        return
    found = probe(docking_id, position)
    if seal(docking_id, position, found) is Verdict.DONE and store(docking_id, position) is Verdict.DONE:
        confirm(docking_id, position)


def _patient(act: Callable[[], Verdict]) -> Verdict:
    """Try a stage until it is done or ended, with pauses."""
    for tries in count():
        verdict = _try(act)
        if verdict is not Verdict.RETRY:
            return verdict
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
def bring_in(docking_id: str) -> None:
    """Bring in the clips that have not ended, several at once, and sign the inventory meanwhile."""
    node = running().node
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for position in _persistent(lambda: _left(node, docking_id)):
        waiting.put(position)
    # Threads that wait for something outside must not keep the process from ending: hence daemons.
    hands = [
        threading.Thread(target=_one_by_one, args=(docking_id, waiting), name="sealdock-clip", daemon=True)
        for _ in range(min(node.settings.docking.parallel, waiting.qsize()))
    ]
    for hand in hands:
        hand.start()
    # Signing waits until the first clips are under way: it needs nothing from the card.
    _persistent(lambda: closing.seal_inventory(node, docking_id))
    for hand in hands:
        hand.join()


def _left(node: Node, docking_id: str) -> list[int]:
    with node.register.read() as session:
        return dockings.to_read(session, docking_id)


def _one_by_one(docking_id: str, waiting: "queue.SimpleQueue[int]") -> None:
    while True:
        try:
            position = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            clip(docking_id, position)
        except Exception:  # noqa: BLE001 - whatever it is: it must not stop the others, and the row tells
            _log.exception("clip-failed", extra={"docking": docking_id, "position": position})


def offload(docking_id: str, position: int) -> Verdict:
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


def probe(docking_id: str, position: int) -> dict[str, Any]:
    """Look at container, duration and condition, in a sandboxed child process."""
    return _persistent(lambda: probing.run(running().node, docking_id, position))


def seal(docking_id: str, position: int, found: Mapping[str, Any]) -> Verdict:
    """Write and sign the manifest; ask for a trusted timestamp."""
    return _patient(lambda: sealing.run(running().node, docking_id, position, found))


def store(docking_id: str, position: int) -> Verdict:
    """Put original, manifest and seal into the vault, locked."""
    return _patient(lambda: storing.store(running().node, docking_id, position))


def confirm(docking_id: str, position: int) -> Verdict:
    """Ask the vault for the exact versions."""
    return _patient(lambda: storing.confirm_stored(running().node, docking_id, position))


@DBOS.step()
def recheck(docking_id: str, reread: bool) -> None:
    """Ask the vault for the clips that were safe already: it is not assumed of them either.

    With ``reread`` the vault's copies are read whole, as the card's were.
    """
    here = running()
    turn = here.turn(docking_id)
    _patient(lambda: rechecking.run(here.node, _card(docking_id), docking_id, turn=turn, whole=reread))


@DBOS.step()
def close(docking_id: str) -> None:
    """Write and sign the close-out."""
    _persistent(lambda: closing.close(running().node, docking_id))


@DBOS.step()
def publish(docking_id: str) -> None:
    """Put inventory and close-out into the vault."""
    _patient(lambda: closing.publish(running().node, docking_id))


@DBOS.step()
def release(docking_id: str) -> None:
    """Let go of spool copies; clear the recorder where the policy says so."""
    here = running()
    _persistent(lambda: closing.release(here.node, docking_id))
    _persistent(lambda: clearing.clear_recorder(here.node, _card(docking_id), docking_id))
    here.drop_source(docking_id)


@DBOS.step()
def publish_ledger(docking_id: str) -> None:
    """Bring the log to the vaults. What fails now is brought by the next docking, or on schedule."""
    try:
        publishing.publish(running().node)
    except SealdockError as error:
        _log.warning("ledger-not-published", extra={"docking": docking_id, "problem": error.code})


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
