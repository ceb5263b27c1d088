"""What happens to clips and dockings, told to the log and counted for the metrics.

Called after the transaction that wrote it down: what is told has happened. The register's custody events are
the evidence; this is for who watches the machine.
"""

import logging
from collections.abc import Mapping

from jobs import tally
from metadata.models import Clip, Docking

_log = logging.getLogger("sealdock.clip")
_dockings = logging.getLogger("sealdock.docking")

CLIPS, BYTES, FAILURES = "clips", "bytes", "failures"
"""What is counted: the first two by stage, the last by reason."""


def offloaded(clip: Clip, docking: Docking, size: int) -> None:
    """Tell that a proved copy is in the spool."""
    _stage("offload", size)
    _log.info("clip-offloaded", extra={"clip": clip.id, "docking": docking.id, "bytes": size})


def sealed(clip: Clip, docking: Docking) -> None:
    """Tell that a clip was sealed."""
    _stage("seal", clip.size)
    _log.info("clip-sealed", extra={"clip": clip.id, "docking": docking.id})


def stored(clip: Clip, docking: Docking, *, adopted: bool) -> None:
    """Tell that a clip and its documents are in the vault; ``adopted``: its bytes were there already."""
    _stage("store", clip.size)
    _log.info("clip-stored", extra={"clip": clip.id, "docking": docking.id, "adopted": adopted})


def confirmed(clip: Clip, docking: Docking, confirmation: str | None) -> None:
    """Tell that the vault has confirmed a clip: it is safe."""
    _stage("confirm", clip.size)
    _log.info(
        "clip-confirmed",
        extra={
            "clip": clip.id,
            "docking": docking.id,
            "recorder": clip.recorder_id,
            "bytes": clip.size,
            "confirmation": confirmation,
        },
    )


def waiting(clip: Clip, docking: Docking, reason: str) -> None:
    """Tell that a clip waits, the first time that it does."""
    tally.add(FAILURES, reason)
    _log.info("clip-waiting", extra={"clip": clip.id, "docking": docking.id, "reason": reason})


def ended(clip: Clip, docking: Docking, state: str, reason: str) -> None:
    """Tell that a docking can do no more for a clip, which is not safe."""
    tally.add(FAILURES, reason)
    _log.info(
        "clip-not-safe", extra={"clip": clip.id, "docking": docking.id, "state": state, "reason": reason}
    )


def docking_started(docking: str, recorder: str, entries: int) -> None:
    """Tell that the inventory of a card was taken; ``entries`` files are on it."""
    _dockings.info("docking-started", extra={"docking": docking, "recorder": recorder, "entries": entries})


def docking_closed(docking: Docking, states: Mapping[str, int], *, safe: bool) -> None:
    """Tell that the close-out of a docking was signed, and how many clips are in which state."""
    _dockings.info(
        "docking-closed",
        extra={
            "docking": docking.id,
            "recorder": docking.recorder_id,
            "safe": safe,
            "states": dict(states),
        },
    )


def _stage(stage: str, size: int) -> None:
    tally.add(CLIPS, stage)
    tally.add(BYTES, stage, size)
