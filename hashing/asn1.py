"""One thread at a time in asn1crypto.

It makes the tables of its classes when they are first used, and a thread that meets another one there sees
half of a table: signing then fails with "invalid literal for int()".
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
_turn = threading.RLock()


def alone(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let one thread at a time into all functions that are decorated so. They wait for nothing outside."""

    @wraps(function)
    def inner(*arguments: _P.args, **named: _P.kwargs) -> _R:
        with _turn:
            return function(*arguments, **named)

    return inner
