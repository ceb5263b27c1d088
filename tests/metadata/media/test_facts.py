from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadata.media.facts import Probe, Stream, clean
from metadata.media.probe import Condition

FULL = Probe(
    tool="ffprobe",
    version="7.0",
    container="mp4",
    duration=timedelta(seconds=1, microseconds=5),
    streams=(
        Stream(0, "video", "h264", 1920, 1080, Fraction(30000, 1001), None, None, timedelta(seconds=1)),
        Stream(1, "audio", "aac", sample_rate=48000, channels=2),
    ),
    condition=Condition.INTACT,
    media_type="video/mp4",
    created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    make="Acme",
    model="型号 9",
    problem="none worth telling",
)


@pytest.mark.parametrize(
    "probe", [FULL, Probe.failed("gone"), Probe("x", None, None, None, (), Condition.EMPTY)]
)
def test_json_and_back(probe: Probe) -> None:
    assert Probe.from_json(probe.to_json()) == probe


def test_json_has_integers_and_utc_text() -> None:
    data = FULL.to_json()
    assert data["duration_us"] == 1_000_005
    assert data["created"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("condition", "splendid"),
        ("condition", None),
        ("streams", None),
        ("streams", [{}] * 65),
        ("streams", [7]),
        ("streams", [{"frame_rate": "1/0"}]),
        ("streams", [{"frame_rate": "1/2/3"}]),
        ("streams", [{"frame_rate": "-1"}]),
        ("streams", [{"width": -1}]),
        ("streams", [{"width": True}]),
        ("streams", [{"width": 2**40}]),
        ("duration_us", -1),
        ("duration_us", 1.5),
        ("duration_us", 10**18),
        ("created", "2026-01-02T03:04:05"),
        ("created", "yesterday"),
        ("make", "a\x1b[2Jb"),
        ("make", "x" * 300),
        ("make", 7),
    ],
)
def test_what_we_could_not_have_written_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any malformed field)
        Probe.from_json({**FULL.to_json(), name: value})


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
    )
)
def test_nonsense_raises_nothing_but_value_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any malformed field)
        Probe.from_json(value)


@settings(database=None)
@given(st.text())
def test_clean_is_stable_printable_and_short(text: str) -> None:
    line = clean(text)
    assert line is None or (line.isprintable() and len(line) <= 256 and clean(line) == line)
