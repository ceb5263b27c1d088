from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import IllegalTransitionError
from metadata.models import Clip
from metadata.repo import clips
from metadata.states import ENDED, SAFE, ClipState, allowed, check, reached

S = ClipState
WAY = [S.FOUND, S.OFFLOADED, S.SEALED, S.STORED, S.CONFIRMED, S.RELEASED]
WORKING = WAY[:4]

# The order of the design, written out once more: a step forward, or aside, or back from aside.
LEGAL = (
    {(state, WAY[WAY.index(state) + 1]) for state in WAY[:-1]}
    | {(state, aside) for state in WORKING for aside in (S.WAITING, S.QUARANTINED)}
    | {(S.WAITING, state) for state in [*WORKING, S.QUARANTINED, S.MISSING_AT_UNPLUG]}
    | {(S.FOUND, S.MISSING_AT_UNPLUG), (S.MISSING_AT_UNPLUG, S.FOUND), (S.QUARANTINED, S.FOUND)}
)


@pytest.mark.parametrize(("current", "asked"), list(product(S, S)))
def test_every_pair(current: ClipState, asked: ClipState) -> None:
    assert allowed(current, asked) == ((current, asked) in LEGAL)
    if (current, asked) in LEGAL:
        check("clip", current, asked)
    else:
        with pytest.raises(IllegalTransitionError) as raised:
            check("clip", current, asked)
        assert raised.value.facts == {"clip": "clip", "current": current.value, "asked": asked.value}


def test_safe_is_confirmed_and_released_and_never_left() -> None:
    assert {S.CONFIRMED, S.RELEASED} == SAFE
    assert {S.MISSING_AT_UNPLUG, S.QUARANTINED} | SAFE == ENDED
    assert not [pair for pair in product(SAFE, set(S) - SAFE) if allowed(*pair)]


@pytest.mark.parametrize(("current", "goal"), list(product(S, WAY)))
def test_reached(current: ClipState, goal: ClipState) -> None:
    assert reached(current, goal) == (current in WAY and WAY.index(current) >= WAY.index(goal))


@settings(database=None, max_examples=200)
@given(walk=st.lists(st.sampled_from(S), max_size=40))
def test_random_walks(walk: list[ClipState]) -> None:
    """Whatever is asked for: nobody is confirmed who was not stored, sealed and offloaded before."""
    clip = Clip(id="clip", state=S.FOUND.value)
    been = [S.FOUND]
    for asked in walk:
        before = (clip.state, clip.reason, clip.resume_state)
        try:
            clips.move(clip, asked, reason="because")
        except IllegalTransitionError:
            assert (clip.state, clip.reason, clip.resume_state) == before
            continue
        been.append(asked)
        assert clip.state == asked.value
        assert (clip.resume_state is not None) == (asked is S.WAITING)
        if asked is S.WAITING:
            assert clip.resume_state == before[0]
    if S.CONFIRMED in been:
        assert been[been.index(S.CONFIRMED) - 1] is S.STORED
    if S.RELEASED in been:
        assert been[-2:] == [S.CONFIRMED, S.RELEASED]


def test_a_move_clears_the_reason_of_the_last() -> None:
    clip = Clip(id="clip", state=S.FOUND.value)
    clips.move(clip, S.WAITING, reason="spool-full")
    assert (clip.reason, clip.resume_state) == ("spool-full", "found")
    clips.move(clip, S.FOUND)
    assert (clip.reason, clip.resume_state) == (None, None)
