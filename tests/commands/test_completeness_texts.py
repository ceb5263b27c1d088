"""Every finding has words, in every language, that hold its facts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from commands.completeness_texts import TEXTS, WORDS, todo, told
from config.messages import LANGUAGES, use
from metadata.completeness import Finding, Kind

AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
NAMES = {"count": 2, "names": ["a.mp4", "b\x1b.mp4"]}
FACTS: dict[Kind, dict[str, Any]] = {
    Kind.DOCUMENT_DIGEST: {"document": "inventory", "expected": "1", "found": "2"},
    Kind.DOCUMENT_SEAL: {"document": "close", "problem": "seal"},
    Kind.DOCUMENT_UNREADABLE: {"document": "close"},
    Kind.CONTRADICTION: {"what": "log-close"},
    Kind.DOCKING_LOST: {},
    Kind.PREVIOUS_UNKNOWN: {"previous": "P"},
    Kind.PREVIOUS_DIFFERS: {"previous": "P", "document": "close", "expected": "1", "found": None},
    Kind.SUCCESSOR_MISSING: {},
    Kind.UNNAMED: {},
    Kind.GONE_UNSAFE: {"previous": "P", **NAMES},
    Kind.GONE_SAFE: {"previous": "P", **NAMES},
    Kind.CARD_CHANGED: {"previous": "P", "count": 3, "unsafe": 1},
    Kind.UNCONFIRMED: {"states": {"waiting": 2}, **NAMES},
    Kind.NUMBER_GAP: {"first": 3, "last": 4, "after": "a", "before": "b"},
    Kind.CHAPTER_GAP: {"recording": "a", "chapters": (2, 3)},
    Kind.COUNTER_RESTART: {"count": 1, "after": "a", "before": "b"},
    Kind.NUMBER_LEAP: {"count": 1, "after": "a", "before": "b"},
    Kind.DOCKING_OPEN: {},
    Kind.DOCKING_UNDER_WAY: {},
    Kind.CLOCK_IMPLAUSIBLE: {"at": AT},
    Kind.CLOCK_BACKWARDS: {"previous": "P", "previous_at": AT, "at": AT},
    Kind.RECORDER_CLOCK: {"earliest": AT, "latest": AT, **NAMES},
}


@pytest.fixture(params=LANGUAGES, autouse=True)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    use(request.param)
    yield request.param
    use("en")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_told(kind: Kind, language: str) -> None:
    assert FACTS.keys() == TEXTS.keys() == set(Kind)
    finding = Finding(kind, "D", FACTS[kind])
    text = told(finding, ZONE)
    assert text.isprintable()
    assert not set("{}") & set(text)
    for sentence in (text, todo(finding)):
        assert sentence.endswith("。" if language == "zh_CN" else ".")


def test_times_are_local_and_names_are_bounded() -> None:
    assert "2026-11-20 16:30" in told(Finding(Kind.CLOCK_IMPLAUSIBLE, "D", {"at": AT}), ZONE)
    many = {"previous": "P", "count": 500, "names": [str(number) for number in range(20)]}
    text = told(Finding(Kind.GONE_SAFE, "D", many), ZONE)
    assert "0, 1, 2" in text
    assert "497" in text


def test_numbers(language: str) -> None:
    one = Finding(Kind.NUMBER_GAP, "D", {"first": 7, "last": 7, "after": "a", "before": "b"})
    assert "7-7" not in told(one, ZONE)
    assert "12" in told(Finding(Kind.NUMBER_GAP, "D", {"more": 12}), ZONE)
    words = [told(Finding(Kind.CONTRADICTION, "D", {"what": word}), ZONE) for word in WORDS]
    assert len(set(words)) == len(WORDS)
    assert language != "zh_CN" or not any("inventory" in word for word in words)
