"""What is made from clips once they are safe, in a queue of its own: poster frames, picture findings."""

import time

from jobs.derive import derive
from jobs.engine import DERIVE, DOCKINGS, Executor
from jobs.node import Node
from metadata.repo import integrity

_LOOK_SECONDS = 0.2


def derive_all(node: Node) -> int:
    """Enqueue a job for every clip that nothing was made from yet, and wait for them; return how many."""
    with node.register.read() as session:
        waiting = integrity.underived(session)
    if not waiting:
        return 0
    with Executor(node, queues=(DOCKINGS, DERIVE)) as executor:
        for clip_id in waiting:
            executor.enqueue(DERIVE, f"derive/{clip_id}", derive, clip_id)
        while executor.unfinished("derive"):
            time.sleep(_LOOK_SECONDS)
    return len(waiting)
