"""Launches the durable engine, one executor per home (design, section 4; ADR 0002).

Whoever holds the home's executor lock runs the workflows. Two processes with one executor id would
run each other's steps twice, so everybody else hands work to the holder through the engine's
database and follows it in the register.
"""

import fcntl
import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, SetWorkflowID, _workflow_commands
from dbos import DBOSPortableJSONSerializer as JsonSerializer

from config import logs
from config.errors import EngineBusyError

# Workflow functions register themselves with the engine when they are imported: all must be known
# before it is launched, since unfinished ones go on at once.
from jobs import derive as _derive  # noqa: F401
from jobs import docking as _docking  # noqa: F401
from jobs import running
from jobs.engine_database import EngineDatabase
from jobs.node import Node
from jobs.proving import require_proved, require_station

APPLICATION = "sealdock"
APPLICATION_VERSION = "1"
"""Pinned: workflows of an older build must be recovered after an upgrade."""

DOCKINGS = "dockings"
DERIVE = "derive"

_READY = b"ready"
"""Stands in the lock file from when the engine's database has its schema."""

_POLL_SECONDS = 0.5
_SERVICE_POLL_SECONDS = 2.0
_SERVICE_DERIVE_SECONDS = 5.0
"""A look at a queue is most of what a service at rest does, and previews are not urgent."""
_BACKGROUND_SECONDS = 60.0
_STARTING_LOOKS = 60
_DOCKINGS_AT_ONCE = 16
_DERIVE_AT_ONCE = 2


class Executor:
    """The home's executor. Use as a context manager; raises EngineBusyError if another process is it.

    Raises VaultUntriedError or VaultAdvisoryError: work on an unproved vault must not begin, nor go on.
    """

    def __init__(self, node: Node, *, queues: tuple[str, ...] = (DOCKINGS,), service: bool = False) -> None:
        """``service``: for years, mostly at rest; what others enqueue may wait for two seconds."""
        self._node = node
        self._queues = queues
        self._service = service
        self._lock_fd: int | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        require_station(self._node)
        require_proved(self._node)
        self._lock_fd = _take_lock(self._node.home)
        logging.getLogger("dbos").setLevel(logging.ERROR)
        running.begin(self._node)
        database = EngineDatabase.of(self._node)
        config: DBOSConfig = {
            "name": APPLICATION,
            "application_version": APPLICATION_VERSION,
            "executor_id": database.executor_id,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "use_listen_notify": False,
            # We send no notifications; but the engine's thread for them sleeps this long before it ends.
            "notification_listener_polling_interval_sec": 1.0 if self._service else 0.02,
            **database.options(),  # type: ignore[typeddict-item]
        }
        try:
            with database.reached():
                self._launch(config)
        except BaseException:
            running.end()
            os.close(self._lock_fd)
            raise
        os.write(self._lock_fd, _READY)
        return self

    def _launch(self, config: DBOSConfig) -> None:
        if self._service:
            # For delayed and timed workflows, of which there are none here: each second it would cost as much
            # as all else that a service at rest does.
            _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _BACKGROUND_SECONDS  # noqa: SLF001
        engine = DBOS(config=config)
        if self._service:
            # For workflows that go on after a restart.
            engine._registry.get_internal_queue()._polling_interval_sec = _SERVICE_POLL_SECONDS  # noqa: SLF001
        DBOS.listen_queues(list(self._queues))
        log = logging.getLogger("dbos")
        log.disabled = True  # what keeps it from launching is an error of ours, not a stack trace
        try:
            DBOS.launch()
        finally:
            log.disabled = False
        logs.adopt("dbos")
        docking = _SERVICE_POLL_SECONDS if self._service else _POLL_SECONDS
        derive = _SERVICE_DERIVE_SECONDS if self._service else _POLL_SECONDS
        DBOS.register_queue(DOCKINGS, worker_concurrency=_DOCKINGS_AT_ONCE, polling_interval_sec=docking)
        DBOS.register_queue(DERIVE, worker_concurrency=_DERIVE_AT_ONCE, polling_interval_sec=derive)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Workflows that wait for something outside live on in threads until the process ends: until then
        # nobody else may be the executor, and they must not lose its database under their hands.
        if DBOS.list_workflows(status=["PENDING"], limit=1):
            running.running().hold()
            return
        DBOS.destroy()
        running.end()
        if self._lock_fd is not None:
            os.close(self._lock_fd)

    def start(self, workflow_id: str, function: Any, *arguments: Any) -> None:
        """Start a workflow in this process; the same id again is the same workflow."""
        with SetWorkflowID(workflow_id):
            handle = DBOS.start_workflow(function, *arguments)
        threading.Thread(target=self._await_end, args=(handle,), name="sealdock-end", daemon=True).start()

    def pause(self, seconds: float) -> None:
        """Wait, at most until a workflow that ``start`` started has ended."""
        if self._ended.wait(seconds):
            self._ended.clear()

    def _await_end(self, handle: Any) -> None:
        with suppress(Exception):  # how it ended is asked of ``outcome``
            handle.get_result()
        self._ended.set()

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
        database = EngineDatabase.of(node)
        with database.reached():
            self._client = DBOSClient(**database.options(), serializer=JsonSerializer())

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

    def unfinished(self, name: str) -> list[str]:
        """Return the ids of workflows of one kind that have not ended."""
        rows = self._client.list_workflows(status=["PENDING", "ENQUEUED"], name=name, load_input=False)
        return [row.workflow_id for row in rows]

    @staticmethod
    def pause(seconds: float) -> None:
        """Wait, but not long: what happens in the other process is not known here before it is looked up."""
        time.sleep(min(seconds, _POLL_SECONDS))

    def close(self) -> None:
        """Let go of the engine's database."""
        self._client.destroy()


def unfinished_dockings(node: Node) -> frozenset[str]:
    """Return the ids of dockings that the engine works on or will work on; it need not run."""
    if not _lock_file(node.home).exists() or EngineDatabase.of(node).is_missing:
        return frozenset()  # nothing was ever docked here
    for _ in range(_STARTING_LOOKS):
        if is_ready(node.home) or is_free(node.home):
            break
        time.sleep(_POLL_SECONDS)
    client = Client(node)
    try:
        return frozenset(client.unfinished("docking"))
    finally:
        client.close()


def _outcome(status: Any) -> tuple[str, Any]:
    if status is None:
        return "UNKNOWN", None
    return status.status, status.output if status.status == "SUCCESS" else status.error


def is_free(home: Path) -> bool:
    """Tell whether no process holds the home's executor at this moment."""
    try:
        os.close(_take_lock(home, keep=False))
    except EngineBusyError:
        return False
    return True


def is_ready(home: Path) -> bool:
    """Tell whether the holder of the executor has made the engine's database, so that it takes work."""
    return _lock_file(home).read_bytes() == _READY


def _lock_file(home: Path) -> Path:
    return home / "engine.lock"


def _take_lock(home: Path, *, keep: bool = True) -> int:
    fd = os.open(_lock_file(home), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise EngineBusyError(home=str(home)) from error
    if keep:
        os.ftruncate(fd, 0)
    return fd
