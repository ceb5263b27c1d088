import json
import math
import os
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ManifestInvalidError
from hashing import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.datetimes(timezones=st.just(UTC)),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(TEXT, children, max_size=5),
    max_leaves=30,
)


def test_the_example_of_rfc_8785() -> None:
    given_value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical.encode(given_value) == expected.encode()


def test_keys_are_sorted_by_utf_16_units() -> None:
    # RFC 8785, 3.2.3: the grinning face comes before the Hebrew letter, unlike by code point.
    data = canonical.encode({"\ufb33": 1, "\U0001f600": 2, "1": 3})
    assert data.decode() == '{"1":3,"\U0001f600":2,"\ufb33":1}'


@given(VALUES)
def test_what_was_encoded_is_accepted_and_comes_out_the_same(value: Any) -> None:
    data = canonical.encode(value)
    assert canonical.encode(canonical.decode(data)) == data


@given(st.dictionaries(TEXT, st.integers(), min_size=2), st.randoms())
def test_order_does_not_matter(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical.encode(dict(items)) == canonical.encode(value)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 5, 1, 8, 0, tzinfo=timezone(timedelta(hours=8))), '"2026-05-01T00:00:00Z"'),
        (datetime(2026, 5, 1, 0, 0, 0, 120_000, tzinfo=UTC), '"2026-05-01T00:00:00.120000Z"'),
        (2**53 - 1, "9007199254740991"),
        (2**53, '"9007199254740992"'),
        (-(2**53), '"-9007199254740992"'),
        (True, "true"),
        (Colour.RED, '"red"'),
        ({"a": (1, None)}, '{"a":[1,null]}'),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
    ],
)
def test_spellings(value: Any, text: str) -> None:
    assert canonical.encode(value).decode() == text
    canonical.decode(text.encode())


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        datetime(2026, 5, 1),  # noqa: DTZ001 - the point: a naive time is refused
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {None: 1},
        b"bytes",
        {1, 2},
        timedelta(seconds=1),
        object(),
    ],
)
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical.encode([value])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b' {"a":1}',
        b'{"a":1}\n',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":9007199254740993}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b"[" * 100_000,
        b"[" * 66 + b"]" * 66,
        b"1" * 5000,
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalidError):
        canonical.decode(data)


def test_a_document_too_large_is_refused_unread() -> None:
    data = canonical.encode("x" * canonical.MAX_BYTES)
    with pytest.raises(ManifestInvalidError) as caught:
        canonical.decode(data)
    assert str(canonical.MAX_BYTES) in str(caught.value.facts["problem"])
    assert canonical.decode(data, limit=len(data)) == "x" * canonical.MAX_BYTES


@given(st.binary())
def test_every_name_survives(raw: bytes) -> None:
    encoded = canonical.name(raw)
    decoded = canonical.decode(canonical.encode(encoded))
    assert canonical.name_bytes(decoded) == raw
    assert isinstance(encoded, str) == (raw.decode("utf-8", errors="ignore").encode() == raw)


def test_names() -> None:
    assert canonical.name(os.fsencode("执法记录.MP4")) == "执法记录.MP4"
    assert canonical.name("录像.mp4".encode("gbk")) == {"text": "¼��.mp4", "bytes_b64": "wrzP8S5tcDQ="}


@pytest.mark.parametrize(
    "encoded", [{}, {"text": "a"}, {"text": "a", "bytes_b64": "/w=="}, {"text": "\ufffd", "bytes_b64": "*"}]
)
def test_names_that_nobody_made(encoded: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical.name_bytes(encoded)


@given(VALUES)
def test_both_ways_of_writing_spell_alike(value: Any) -> None:
    """Values without fractions take a quicker way; the reference implementation says what is right."""
    odd: list[object] = []
    assert canonical.encode(value) == bytes(rfc8785.dumps(canonical._plain(value, 0, odd)))
