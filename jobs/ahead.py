"""Working on a row of items a few ahead of the one whose result is wanted next."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def mapping(hands: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Give a ``map`` that works with so many threads at once; with none of its own if that is one."""
    if hands == 1:
        yield map
        return
    with ThreadPoolExecutor(hands, thread_name_prefix="sealdock-map") as pool:
        yield pool.map


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, hands: int
) -> Iterator[tuple[_Item, _Result]]:
    """Yield every item with what ``work`` makes of it, in order; ``hands`` threads work at the same time.

    Items are taken as late as possible: whoever ends them early gets the results of all that were taken. What
    ``work`` raises reaches the caller, and the rest is dropped.
    """
    running: deque[tuple[_Item, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(hands, thread_name_prefix="sealdock-ahead")
    try:
        for item in items:
            running.append((item, pool.submit(work, item)))
            if len(running) == hands:
                first, done = running.popleft()
                yield first, done.result()
        while running:
            first, done = running.popleft()
            yield first, done.result()
    finally:
        pool.shutdown(cancel_futures=True)
