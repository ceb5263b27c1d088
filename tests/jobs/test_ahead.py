"""Working a few items ahead."""

import threading
import time
from collections.abc import Iterator

import pytest

from jobs.ahead import in_order


def test_results_come_in_order_however_long_each_took() -> None:
    def work(item: int) -> int:
        time.sleep(0.05 if item % 2 == 0 else 0)
        return item * item

    assert list(in_order(work, range(7), hands=3)) == [(item, item * item) for item in range(7)]


def test_as_many_at_once_as_there_are_hands() -> None:
    together = threading.Barrier(3, timeout=10)
    assert [result for _, result in in_order(lambda _: together.wait() >= 0, range(6), hands=3)] == [True] * 6


def test_items_are_taken_late_and_what_was_taken_is_done() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            if len(seen) == 2:
                return
            taken.append(item)
            yield item

    seen: list[int] = []
    for item, _ in in_order(str, items(), hands=2):
        seen.append(item)
        assert len(taken) <= len(seen) + 1
    assert seen == taken


def test_what_fails_reaches_the_caller_and_nothing_runs_on() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ValueError(item)
        return item

    done = in_order(work, iter(range(100)), hands=2)
    assert next(done) == (0, 0)
    with pytest.raises(ValueError, match="1"):
        next(done)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sealdock-ahead")]
