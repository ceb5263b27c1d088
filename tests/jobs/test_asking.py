import threading
import time

from config.errors import VaultUnavailableError
from jobs.asking import Asker
from tests.support.station import until


def test_an_answer_is_kept_for_a_while() -> None:
    numbers = iter(range(100))
    asker = Asker("test", lambda: next(numbers), keep=2.0, patience=5)
    assert [asker.get().value for _ in range(5)] == [0] * 5
    until(lambda: asker.get().value == 1)


def test_an_error_is_an_answer_and_the_last_contact_stays() -> None:
    away = threading.Event()

    def ask() -> str:
        if away.is_set():
            raise VaultUnavailableError(vault="x", problem="y")
        return "here"

    asker = Asker("test", ask, keep=0.0, patience=5)
    first = asker.get()
    assert (first.value, first.problem) == ("here", None)
    away.set()
    second = until(lambda: (found := asker.get()).problem and found)
    assert (second.value, second.problem) == (None, "vault-unavailable")
    assert second.contact == first.contact
    away.clear()
    until(lambda: asker.get().value)


def test_nobody_waits_long_and_one_thread_asks() -> None:
    release, asked = threading.Event(), []

    def ask() -> str:
        asked.append(1)
        release.wait(30)
        return "late"

    asker = Asker("test", ask, keep=60, patience=0.2)
    started = time.monotonic()
    assert {asker.get().problem for _ in range(3)} == {"slow"}
    assert time.monotonic() - started < 5
    assert len(asked) == 1
    release.set()
    until(lambda: asker.get().value == "late")
    assert len(asked) == 1


def test_what_is_slow_to_answer_is_asked_less_often() -> None:
    def ask() -> int:
        time.sleep(0.1)
        return next(numbers)

    numbers = iter(range(100))
    asker = Asker("test", ask, keep=0.0, patience=5)
    assert asker.get().value == 0
    time.sleep(0.5)
    assert asker.get().value == 0  # 20 times as long as it took


def test_an_unforeseen_error_does_not_end_the_asking() -> None:
    asker: Asker[float] = Asker("test", lambda: 1 / 0, keep=0.0, patience=5)
    assert asker.get().problem == "error"
    assert asker.get().problem == "error"


def test_an_old_answer_may_do_while_a_new_one_is_slow() -> None:
    release = threading.Event()
    release.set()

    def ask() -> int:
        release.wait(30)
        return next(numbers)

    numbers = iter(range(100))
    asker = Asker("test", ask, keep=0.0, patience=0.2, stale=True)
    assert until(lambda: asker.get().value is not None)
    release.clear()
    answer = until(lambda: (found := asker.get()).value is not None and found)
    assert answer.problem is None
    release.set()
    until(lambda: (asker.get().value or 0) > 1)
