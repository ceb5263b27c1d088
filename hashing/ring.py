"""A bounded ring of buffers: one producer fills them, several consumers work on each in threads."""

import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Protocol, Self

from hashing.direct import aligned_memory

SLOTS = 8
SLOT_SIZE = 2 * 1024 * 1024
"""Bytes a buffer. All of the ring together stays well inside a processor's last cache."""


class Consumer(Protocol):
    """Takes every filled buffer, in order, in a thread of its own."""

    def feed(self, data: memoryview) -> None:
        """Work on ``data``, which is valid until the method returns."""


class Slot:
    """One buffer of the ring, and how many consumers have still to see it."""

    def __init__(self) -> None:
        self.view = aligned_memory(SLOT_SIZE)
        self.length = 0
        self.pending = 0


class Ring:
    """Runs consumers in threads over the buffers that the caller fills.

    The first exception of a consumer ends the work: it is raised in the caller by :meth:`slot` or at
    the end of the ``with`` block. After any exception, the caller's own included, the consumers skip
    what is left and their threads have ended when the block is left.
    """

    def __init__(self, consumers: Sequence[Consumer]) -> None:
        self._consumers = consumers
        self._free: SimpleQueue[Slot] = SimpleQueue()
        self._made = 0
        self._queues: list[SimpleQueue[Slot | None]] = [SimpleQueue() for _ in consumers]
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, args=pair, name="sealdock-ring", daemon=True)
            for pair in zip(self._queues, self._consumers, strict=True)
        ]

    def __enter__(self) -> Self:
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:  # no more threads to be had: end those that run
            self._end()
            raise
        return self

    def __exit__(self, kind: object, value: BaseException | None, traceback: object) -> None:
        if value is not None:
            self._stopped = True
        self._end()
        if value is None:
            self._raise_failure()

    def slot(self) -> Slot:
        """Return a free buffer, waiting for one if all are in use; raise a consumer's failure."""
        self._raise_failure()
        if self._free.empty() and self._made < SLOTS:
            self._made += 1
            return Slot()
        slot = self._free.get()
        self._raise_failure()
        return slot

    def publish(self, slot: Slot, length: int) -> None:
        """Hand the first ``length`` bytes of a buffer to every consumer."""
        slot.length = length
        slot.pending = len(self._queues)
        for queue in self._queues:
            queue.put(slot)

    def _work(self, queue: "SimpleQueue[Slot | None]", consumer: Consumer) -> None:
        while (slot := queue.get()) is not None:
            if not self._stopped:
                try:
                    consumer.feed(slot.view[: slot.length])
                except BaseException as error:  # noqa: BLE001 - it is raised again in the caller
                    self._fail(error)
            # Also after a failure: the producer must never wait for a buffer that nobody returns.
            with self._lock:
                slot.pending -= 1
                unused = slot.pending == 0
            if unused:
                self._free.put(slot)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
            self._stopped = True

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _end(self) -> None:
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
