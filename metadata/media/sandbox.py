"""The parent's side of the sandboxed child: start, ask within limits, kill, start again."""

import base64
import contextlib
import importlib.util
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from metadata.media import frame

_START_SECONDS = 20.0
_GOODBYE_SECONDS = 1.0
_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("ffmpeg", "future", "cv2", "numpy")


class SandboxFailure(Exception):  # noqa: N818 (not an error of ours: what happened to the child)
    """The child gave no answer: it was killed at its limit, it died, or it said nonsense."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: wall-clock time, address space of each process (bytes), answer size (bytes)."""

    timeout: timedelta = timedelta(seconds=30)
    memory_bytes: int = 2 * 1024**3
    output_bytes: int = 1024**2


@dataclass(frozen=True, slots=True)
class SandboxFacts:
    """Which measures hold in the child; `problem` says why none is known."""

    network_isolated: bool = False
    user_namespace: bool = False
    no_new_privileges: bool = False
    no_capabilities: bool = False
    limits: bool = False
    dies_with_parent: bool = False
    problem: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the measures that the system did not allow."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is False)


@dataclass(frozen=True, slots=True)
class _Job:
    request: Mapping[str, object] | None
    seconds: float
    result: "Future[dict[str, object]]"


class Sandbox:
    """One child process behind a queue; any thread may call.

    A worker thread owns the child and starts it: the kernel ties the child's life to the *thread* that
    started it (PR_SET_PDEATHSIG), and a caller's thread may end long before the sandbox does.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._closed = False
        self._child: subprocess.Popen[bytes] | None = None
        self._facts = SandboxFacts(problem="the child was not started")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child. Later calls raise `ValueError`; closing twice is fine."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
            if worker is not None:
                self._jobs.put(None)
        if worker is not None:
            worker.join()

    def call(self, kind: str, path: Path, **options: object) -> dict[str, object]:
        """Ask the child about one file. Raises `SandboxFailure`, and `ValueError` after `close`."""
        name = base64.b64encode(os.fsencode(os.path.abspath(path))).decode()  # noqa: PTH100 (no symlink is resolved)
        seconds = self.limits.timeout.total_seconds()
        return self._submit({"kind": kind, "path": name, "seconds": seconds, **options})

    @property
    def facts(self) -> SandboxFacts:
        """Which measures hold; starts the child when none runs."""
        with contextlib.suppress(SandboxFailure):
            self._submit(None)
        return self._facts

    @property
    def pid(self) -> int | None:
        """The child's process id, None when none runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def _submit(self, request: Mapping[str, object] | None) -> dict[str, object]:
        job = _Job(request, self.limits.timeout.total_seconds(), Future())
        with self._lock:
            if self._closed:
                raise ValueError("the sandbox is closed")
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="media-sandbox", daemon=True)
                self._worker.start()
            self._jobs.put(job)
        return job.result.result()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.result.set_result(self._serve(job))
            except Exception as error:  # noqa: BLE001 (handed to the caller, whatever it is)
                job.result.set_exception(error)
        self._end()

    def _serve(self, job: _Job) -> dict[str, object]:
        child = self._running()
        if job.request is None or child.stdin is None:
            return {}
        try:
            frame.write(child.stdin.fileno(), job.request, limit=frame.MAX_REQUEST)
            return self._receive(child, job.seconds)
        except TimeoutError as error:
            self._kill()
            raise SandboxFailure(f"looking at the file took longer than {job.seconds:g} s") from error
        except (frame.FrameError, OSError) as error:
            code = self._kill()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            problem = str(error) if isinstance(error, frame.FrameError) else f"it died ({how})"
            raise SandboxFailure(f"the sandboxed parser gave no answer: {problem}") from error

    def _receive(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, object]:
        """Return one answer. Raises `TimeoutError`, `FrameError`, or `ConnectionError` at the pipe's end."""
        if child.stdout is None:
            raise ConnectionError
        fd = child.stdout.fileno()
        deadline = time.monotonic() + seconds
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)

        def receive(count: int) -> bytes:
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise TimeoutError
            return os.read(fd, count)

        answer = frame.read(receive, limit=self.limits.output_bytes)
        if answer is None:
            raise ConnectionError
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        """Return a living child that has greeted."""
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._kill()
        try:
            child = self._child = self._start()
            greeting = self._receive(child, _START_SECONDS).get("sandbox")
        except (TimeoutError, frame.FrameError, OSError) as error:
            self._kill()
            problem = f"the sandboxed parser does not start: {str(error) or type(error).__name__}"
            self._facts = SandboxFacts(problem=problem)
            raise SandboxFailure(problem) from error
        held = greeting if isinstance(greeting, dict) else {}
        self._facts = SandboxFacts(
            network_isolated=held.get("network_isolated") is True,
            user_namespace=held.get("user_namespace") is True,
            no_new_privileges=held.get("no_new_privileges") is True,
            no_capabilities=held.get("no_capabilities") is True,
            limits=held.get("limits") is True,
            dies_with_parent=held.get("dies_with_parent") is True,
        )
        return child

    def _start(self) -> subprocess.Popen[bytes]:
        numbers = (self.limits.memory_bytes, self.limits.output_bytes, os.getpid())
        return subprocess.Popen(
            # -P: neither the working folder nor a script's folder is searched for modules.
            [sys.executable, "-P", "-m", "metadata.media.child", *(str(number) for number in numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            umask=0o077,
        )

    def _kill(self) -> int:
        """Kill the child and everything in its process group; return its exit code (negative: a signal)."""
        child, self._child = self._child, None
        if child is None:
            return 0
        ended = child.poll()
        # Also when it has ended: what it started may still run in its group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return code if ended is None else ended

    def _end(self) -> None:
        child = self._child
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                child.stdin.close()
                child.wait(_GOODBYE_SECONDS)
        self._kill()


def _environment() -> dict[str, str]:
    """Return a clean environment: nothing of ours (passwords in URLs, proxies, loader settings) gets in."""
    places = [str(_ROOT)]
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            places.append(str(Path(spec.origin).parents[1]))
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        # Each malloc arena and each BLAS thread reserves address space, which is limited here.
        "MALLOC_ARENA_MAX": "2",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENCV_LOG_LEVEL": "SILENT",
        "OPENCV_OPENCL_RUNTIME": "disabled",
    }
