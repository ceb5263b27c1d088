"""The command line, killed on the way: SIGKILL before or after the n-th call of a function.

    python tests/support/killed.py before:jobs.sealing:run:2 dock /card

The name may go into a class (``storage.publisher:Publisher._protect``); ``commit`` stands for the
register's commits. Nothing is replaced: the function is called as ever, or the process is gone.
"""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

COMMIT = "commit"


class Trap:
    """Counts what passes, in whatever thread, and kills the process at its number."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()

    def passed(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left == 0


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # until the signal arrives


def around(function: Callable[..., Any], moment: str, trap: Trap) -> Callable[..., Any]:
    def trapped(*arguments: Any, **named: Any) -> Any:
        caught = trap.passed()
        if caught and moment == "before":
            kill()
        result = function(*arguments, **named)
        if caught:
            kill()
        return result

    return trapped


def set_trap(moment: str, module: str, name: str, trap: Trap) -> None:
    owner: Any = importlib.import_module(module)
    *parents, last = name.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, last, around(getattr(owner, last), moment, trap))


def trap_commits(moment: str, trap: Trap) -> None:
    from metadata.register import Register  # noqa: PLC0415 - the register is not always what is trapped

    write = Register.write

    @contextmanager
    def trapped(self: Register) -> Iterator[Any]:
        with write(self) as session:
            yield session
            session.flush()
            caught = trap.passed()
            if caught and moment == "before":
                kill()
        if caught:
            kill()

    Register.write = trapped  # type: ignore[method-assign]


def main() -> None:
    moment, module, *rest = sys.argv.pop(1).split(":")
    trap = Trap(int(rest[-1]))
    if module == COMMIT:
        trap_commits(moment, trap)
    else:
        set_trap(moment, module, rest[0], trap)
    importlib.import_module("cli").main()


main()
