"""Publish the log on schedule, beside the station service, and compare it with what others hold."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from config.errors import SealdockError
from jobs.ledger import publishing, standing
from jobs.node import Node

_log = logging.getLogger("sealdock.ledger")
_SECONDS = 60


@contextmanager
def publishing_on_schedule(node: Node) -> Iterator[None]:
    """Do so every ``ledger.publish_minutes`` in a thread of its own, until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(node.settings.ledger.publish_minutes * _SECONDS):
            round_of(node)

    thread = threading.Thread(target=run, name="sealdock-ledger", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def round_of(node: Node) -> None:
    """Compare and publish once; what fails is logged, and tried again the next time."""
    try:
        standing.compare(node)
        done = publishing.publish(node)
    except SealdockError as error:
        _log.warning("ledger-round-failed", extra={"problem": error.code})
        return
    for holder, failed in ({} if done is None else done.failed).items():
        _log.warning("ledger-holder-lacks", extra={"holder": holder, "problem": failed.code})
