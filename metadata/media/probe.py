"""Probing of recordings: what a file is, how long, when it was made, and whether it is whole."""

from pathlib import Path
from types import TracebackType
from typing import Self

from metadata.media.condition import Condition
from metadata.media.facts import Probe, Stream
from metadata.media.sandbox import Limits, Sandbox, SandboxFacts, SandboxFailure

__all__ = ["Condition", "Limits", "Probe", "Prober", "SandboxFacts", "Stream"]


class Prober:
    """A long-lived sandboxed child that probes one file after another; any thread may call.

    Use it as a context manager. The child starts with the first probe, and anew after a time-out or a crash.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._sandbox = Sandbox(limits if limits is not None else Limits())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child. A closed prober answers every later probe with `ValueError`."""
        self._sandbox.close()

    @property
    def sandbox(self) -> SandboxFacts:
        """Which measures of isolation hold here; starts the child when none runs."""
        return self._sandbox.facts

    def probe(self, path: Path) -> Probe:
        """Return what is known of one regular file (symbolic links are followed).

        Bad media never raises: a time-out, a crash of the parser or an unreadable file is told in `problem`.
        A condition is read from the structure; nothing is decoded (see `Condition`).
        """
        try:
            answer = self._sandbox.call("probe", path)
        except SandboxFailure as failure:
            return Probe.failed(str(failure))
        if "problem" in answer:
            return Probe.failed(str(answer["problem"]))
        try:
            return Probe.from_json(answer.get("probe"))
        except (ValueError, OverflowError):
            return Probe.failed("the sandboxed parser's answer was not understood")
