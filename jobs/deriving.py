"""What is made from clips once they are safe, in a queue of its own: poster frames, picture findings."""

import time
from dataclasses import dataclass

from ulid import ULID

from jobs.derive import derive
from jobs.engine import DERIVE, DOCKINGS, Executor
from jobs.node import Node
from metadata.repo import integrity

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Derived:
    """How many clips something was made from, and of how many it failed: those are tried again next time."""

    made: int
    failed: int


def derive_all(node: Node) -> Derived:
    """Enqueue a job for every clip that nothing was made from yet, and wait for them."""
    waiting = _underived(node)
    if not waiting:
        return Derived(0, 0)
    with Executor(node, queues=(DOCKINGS, DERIVE)) as executor:
        enqueue_underived(node)
        while executor.unfinished("derive"):
            time.sleep(_LOOK_SECONDS)
    failed = len(waiting & _underived(node))
    return Derived(made=len(waiting) - failed, failed=failed)


def enqueue_underived(node: Node) -> None:
    """Enqueue a job for every clip that nothing was made from and that none is enqueued for."""
    under_way = {arguments[0] for _, arguments in Executor.unfinished("derive")}
    for clip_id in sorted(_underived(node) - under_way):
        # A name of its own for each try: the engine would take the same name for the same, failed, job.
        Executor.enqueue(DERIVE, f"derive/{clip_id}/{ULID()}", derive, clip_id)


def _underived(node: Node) -> set[str]:
    with node.register.read() as session:
        return set(integrity.underived(session))
