"""Ask something that may be slow or away, without waiting long and without asking too often."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast

from config.errors import SealdockError, VaultUnavailableError
from config.messages import Phrase, mark
from hashing.digest import Digest
from metadata.clock import now_utc
from storage import layout
from storage.vault import Vault

_Value = TypeVar("_Value")

_PATIENCE_SECONDS = 10.0
_SHARE = 20
"""An answer that took long to get is kept for so many times as long: asking costs 5 % of the time at most."""


def in_time(vault: Vault, ask: Callable[[], _Value]) -> _Value:
    """Ask a vault in a thread: a line that is half open keeps no command waiting for its minutes.

    Raises what ``ask`` raises, and VaultUnavailableError if it has not ended after ten seconds.
    """
    answers: queue.SimpleQueue[tuple[_Value, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it
            answers.put((None, error))

    threading.Thread(target=run, name="sealdock-ask-vault", daemon=True).start()
    try:
        value, error = answers.get(timeout=_PATIENCE_SECONDS)
    except queue.Empty:
        problem = Phrase(mark("it does not answer in time"))
        raise VaultUnavailableError(vault=vault.url, problem=problem) from None
    if error is not None:
        raise error
    return cast("_Value", value)


def vault_problem(vault: Vault) -> VaultUnavailableError | None:
    """Ask a vault something small: one that is away should be known before the next recorder comes."""
    try:
        in_time(vault, lambda: vault.versions(layout.clip_key(Digest.sha256(b""))))
    except VaultUnavailableError as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class Answer(Generic[_Value]):
    """The latest answer. ``value`` is None while there is none: ``problem`` is the code of the error then."""

    value: _Value | None
    problem: str | None
    contact: datetime | None
    """When it last answered (UTC, the station's clock); None: never since this process started."""


class Asker(Generic[_Value]):
    """Keeps the latest answer of ``ask``; safe for threads.

    An answer is kept for ``keep`` seconds, or longer if it was slow to get. Whoever wants a fresher one waits
    for ``patience`` seconds at most, while one thread asks; with ``stale`` the old one is given out then.
    """

    def __init__(
        self, name: str, ask: Callable[[], _Value], *, keep: float, patience: float, stale: bool = False
    ) -> None:
        self._name = name
        self._ask = ask
        self._keep = keep
        self._patience = patience
        self._stale = stale
        self._changed = threading.Condition()
        self._asking = False
        self._fresh_until = float("-inf")
        self._latest: Answer[_Value] = Answer(None, "not-asked", None)

    def get(self) -> Answer[_Value]:
        """Return an answer; one that does not come in time counts as none, with the problem ``slow``.

        Unless an old one will do.
        """
        with self._changed:
            if time.monotonic() < self._fresh_until:
                return self._latest
            if not self._asking:
                self._asking = True
                threading.Thread(target=self._run, name=f"sealdock-ask-{self._name}", daemon=True).start()
            in_time = self._changed.wait_for(lambda: not self._asking, self._patience)
            if in_time or (self._stale and self._latest.value is not None):
                return self._latest
            return Answer(None, "slow", self._latest.contact)

    def _run(self) -> None:
        started = time.monotonic()
        problem: str | None = None
        value: _Value | None = None
        try:
            value = self._ask()
        except SealdockError as error:
            problem = error.code
        except Exception:  # noqa: BLE001 - a probe must not die of what it meets; the next one asks again
            problem = SealdockError.code
        took = time.monotonic() - started
        with self._changed:
            contact = now_utc() if problem is None else self._latest.contact
            self._latest = Answer(value, problem, contact)
            self._fresh_until = time.monotonic() + max(self._keep, _SHARE * took if problem is None else 0)
            self._asking = False
            self._changed.notify_all()
