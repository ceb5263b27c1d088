from datetime import timedelta

import pytest

from ingest.source import Entry
from ingest.stillness import ABANDONED, UNFINISHED, Stillness, fingerprint

QUIET = timedelta(seconds=10)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def entry(path: bytes = b"clip.mp4", size: int = 1, mtime_ns: int = 1) -> Entry:
    return Entry(path=path, size=size, mtime_ns=mtime_ns, read_only=False)


def test_a_folder_is_at_rest_when_nothing_has_changed_for_a_while() -> None:
    clock = Clock()
    stillness = Stillness(QUIET, clock)
    assert stillness.look([entry()]) is None
    clock.now += 9.9
    assert stillness.look([entry()]) is None
    clock.now += 0.1
    assert stillness.look([entry()]) == fingerprint([entry()])


@pytest.mark.parametrize(
    "changed", [entry(size=2), entry(mtime_ns=2), entry(path=b"clip.mp5")], ids=["size", "time", "name"]
)
def test_every_change_begins_the_wait_anew(changed: Entry) -> None:
    clock = Clock()
    stillness = Stillness(QUIET, clock)
    stillness.look([entry()])
    clock.now += 10
    assert stillness.look([changed]) is None
    clock.now += 10
    assert stillness.look([changed]) is not None


def test_names_cannot_be_moved_into_each_other() -> None:
    assert fingerprint([entry(b"a"), entry(b"b")]) != fingerprint([entry(b"a\x001 1 1\x00b")])


@pytest.mark.parametrize("suffix", UNFINISHED)
def test_an_unfinished_name_holds_the_folder_back_but_not_for_ever(suffix: bytes) -> None:
    clock = Clock()
    stillness = Stillness(QUIET, clock)
    found = [entry(), entry(b"next.MP4" + suffix.upper())]
    stillness.look(found)
    clock.now += 100
    assert stillness.look(found) is None
    clock.now += ABANDONED.total_seconds()
    assert stillness.look(found) is not None


def test_an_empty_folder_is_never_ready() -> None:
    clock = Clock()
    stillness = Stillness(QUIET, clock)
    stillness.look([])
    clock.now += 1000
    assert stillness.look([]) is None


def test_without_a_quiet_period_one_look_is_enough() -> None:
    assert Stillness(timedelta(0), Clock()).look([entry()]) is not None


def test_it_says_when_to_look_again() -> None:
    clock = Clock()
    stillness = Stillness(QUIET, clock)
    assert stillness.due is None
    stillness.look([])
    assert stillness.due is None  # an empty folder waits for nobody
    stillness.look([entry()])
    assert stillness.due == clock.now + 10
    clock.now += 4
    stillness.look([entry()])
    assert stillness.due == clock.now + 6
    stillness.look([entry(size=2)])
    assert stillness.due == clock.now + 10
    clock.now += 10
    assert stillness.look([entry(size=2)])
    assert stillness.due is None
    stillness.look([entry(path=b"clip.mp4.part")])
    assert stillness.due == clock.now + ABANDONED.total_seconds()
