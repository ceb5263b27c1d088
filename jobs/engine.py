"""Launches the durable engine, one executor per home (design, section 4; ADR 0002).

Whoever holds the home's executor lock runs the workflows. Two processes with one executor id would
run each other's steps twice, so everybody else hands work to the holder through the engine's
database and follows it in the register.
"""

import fcntl
import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, SetWorkflowID
from dbos import DBOSPortableJSONSerializer as JsonSerializer
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from config.errors import EngineBusyError
from ingest.progress import ByteCounter
from ingest.source import FolderSource
from jobs.node import Node

APPLICATION = "sealdock"
APPLICATION_VERSION = "1"
"""Pinned: workflows of an older build must be recovered after an upgrade."""

EXECUTOR_ID = "station"
DOCKINGS = "dockings"
DERIVE = "derive"

_POLL_SECONDS = 0.2
_DOCKINGS_AT_ONCE = 16
_DERIVE_AT_ONCE = 2
_PAUSE_FIRST, _PAUSE_LONGEST = 1.0, 30.0


class Running:
    """What workflows of this process reach for: the node, open cards, turns, and a way to pause."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._lock = threading.Lock()
        self._sources: dict[str, FolderSource] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._cards: dict[str, threading.Lock] = {}
        self._counters: dict[str, ByteCounter] = {}
        self._stop = threading.Event()

    def keep_source(self, docking_id: str, source: FolderSource) -> FolderSource:
        """Keep a card open for the length of its docking; the one that is open already wins."""
        with self._lock:
            kept = self._sources.setdefault(docking_id, source)
        if kept is not source:
            source.close()
        return kept

    def source(self, docking_id: str) -> FolderSource | None:
        """Return the card of a docking, if it is open."""
        with self._lock:
            return self._sources.get(docking_id)

    def drop_source(self, docking_id: str) -> None:
        """Close the card of a docking."""
        with self._lock:
            source = self._sources.pop(docking_id, None)
            self._turns.pop(docking_id, None)
            self._counters.pop(docking_id, None)
        if source is not None:
            source.close()

    def turn(self, docking_id: str) -> threading.Lock:
        """Return the lock that is held while a docking's card is read."""
        with self._lock:
            return self._turns.setdefault(docking_id, threading.Lock())

    def counter(self, docking_id: str) -> ByteCounter:
        """Return what counts a docking's bytes."""
        with self._lock:
            if docking_id not in self._counters:
                self._counters[docking_id] = ByteCounter(self.node.register, docking_id)
            return self._counters[docking_id]

    def card(self, path: str) -> threading.Lock:
        """Return the lock that keeps two dockings off one card at the same time."""
        with self._lock:
            return self._cards.setdefault(path, threading.Lock())

    def pause(self, tries: int) -> None:
        """Wait before the next try: one second at first, half a minute at most."""
        self._stop.wait(min(_PAUSE_FIRST * 2**tries, _PAUSE_LONGEST))


_running: Running | None = None
"""The engine calls plain functions with JSON arguments, so what they work with must be found from here."""


def running() -> Running:
    """Return what the workflows of this process work with."""
    if _running is None:
        raise RuntimeError("the engine has not been launched")
    return _running


class Executor:
    """The home's executor. Use as a context manager; raises EngineBusyError if another process is it."""

    def __init__(self, node: Node, *, queues: tuple[str, ...] = (DOCKINGS,)) -> None:
        self._node = node
        self._queues = queues
        self._lock_fd: int | None = None

    def __enter__(self) -> Self:
        global _running  # noqa: PLW0603 - see above
        self._lock_fd = _take_lock(self._node.home)
        # Workflow functions register themselves with the engine when they are imported.
        import jobs.derive  # noqa: PLC0415
        import jobs.docking  # noqa: F401, PLC0415

        logging.getLogger("dbos").setLevel(logging.ERROR)
        _running = Running(self._node)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._node.settings.engine_url,
            "system_database_engine": _sql_engine(self._node.settings.engine_url),
            "application_version": APPLICATION_VERSION,
            "executor_id": EXECUTOR_ID,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "notification_listener_polling_interval_sec": 0.1,
            "use_listen_notify": False,
        }
        DBOS(config=config)
        DBOS.listen_queues(list(self._queues))
        DBOS.launch()
        DBOS.register_queue(
            DOCKINGS, worker_concurrency=_DOCKINGS_AT_ONCE, polling_interval_sec=_POLL_SECONDS
        )
        DBOS.register_queue(DERIVE, worker_concurrency=_DERIVE_AT_ONCE, polling_interval_sec=_POLL_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _running  # noqa: PLW0603
        # Workflows that wait for something outside live on in threads until the process ends: until
        # then nobody else may be the executor.
        left = bool(self.unfinished("clip"))
        DBOS.destroy()
        _running = None
        if self._lock_fd is not None and not left:
            os.close(self._lock_fd)

    @staticmethod
    def start(workflow_id: str, function: Any, *arguments: Any) -> None:
        """Start a workflow in this process; the same id again is the same workflow."""
        with SetWorkflowID(workflow_id):
            DBOS.start_workflow(function, *arguments)

    @staticmethod
    def enqueue(queue: str, workflow_id: str, function: Any, *arguments: Any) -> None:
        """Enqueue a workflow; the same id again is the same workflow."""
        with SetWorkflowID(workflow_id):
            DBOS.enqueue_workflow(queue, function, *arguments)

    @staticmethod
    def unfinished(name: str) -> list[tuple[str, tuple[Any, ...]]]:
        """Return ids and arguments of workflows of one kind that have not ended, oldest first."""
        rows = DBOS.list_workflows(status=["PENDING", "ENQUEUED"], name=name)
        return [(row.workflow_id, tuple(row.input["args"]) if row.input else ()) for row in rows]

    @staticmethod
    def outcome(workflow_id: str) -> tuple[str, Any]:
        """Return a workflow's status and, once it ended, what it returned or raised."""
        return _outcome(DBOS.get_workflow_status(workflow_id))


class Client:
    """Hands work to the process that holds the executor."""

    def __init__(self, node: Node) -> None:
        url = node.settings.engine_url
        self._client = DBOSClient(
            system_database_url=url, system_database_engine=_sql_engine(url), serializer=JsonSerializer()
        )

    def enqueue(self, queue: str, workflow: str, workflow_id: str, *arguments: Any) -> None:
        """Enqueue a workflow by name."""
        options: EnqueueOptions = {
            "queue_name": queue,
            "workflow_name": workflow,
            "workflow_id": workflow_id,
            "app_version": APPLICATION_VERSION,
        }
        self._client.enqueue(options, *arguments)

    def outcome(self, workflow_id: str) -> tuple[str, Any]:
        """Return a workflow's status and, once it ended, what it returned or raised."""
        rows = self._client.list_workflows(workflow_ids=[workflow_id])
        return _outcome(rows[0] if rows else None)

    def close(self) -> None:
        """Let go of the engine's database."""
        self._client.destroy()


def _outcome(status: Any) -> tuple[str, Any]:
    if status is None:
        return "UNKNOWN", None
    return status.status, status.output if status.status == "SUCCESS" else status.error


def is_free(home: Path) -> bool:
    """Tell whether no process holds the home's executor at this moment."""
    try:
        os.close(_take_lock(home))
    except EngineBusyError:
        return False
    return True


def _take_lock(home: Path) -> int:
    fd = os.open(home / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise EngineBusyError(home=str(home)) from error
    return fd


def _sql_engine(url: str) -> SqlEngine:
    """Return an engine in WAL mode. A step record lost by power failure only repeats a safe step."""
    engine = create_engine(url, pool_size=20, max_overflow=20, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def configure(dbapi: Any, _entry: ConnectionPoolEntry) -> None:
        dbapi.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
            dbapi.execute(f"PRAGMA {pragma}")

    return engine
