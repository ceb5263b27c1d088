import re
import time

import pytest

from config.messages import catalogue
from config.pattern import MAX_PATH, Kind, Pattern, compile_expression
from config.profiles import load_profiles


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+",
        "(a|a)*b",
        "(?:a*)*",
        "(?:ab){2}",
        "(a*)(?#x)*",
        "(?x)(a*) *",
        "(?i)a",
        ".*.*.*",
        ".{0,9999}.{0,9999}",
        "[^/]{1,64}" * 5,
        "(?P<user>a)(?P=user)",
        r"(?P<user>a)\1",
        "(?P<colour>a)",
        "(?P<start",
        "a" * 501,
        "(?(1)a|b)",
        "(?<=a)b",
        "a{2,1}",
    ],
)
def test_expression_that_may_not_be_used(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        compile_expression(text)
    assert catalogue("zh_CN").gettext(str(caught.value)) != str(caught.value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (r"(?:.*/)?(?P<sequence>\d{4})\.mp4", "A/B/0001.MP4"),
        (r"[()*+]x\(\*\)", "*x(*)"),
        (r"[]a]+?b??", "]a]"),
        (r"(?!0000)\d{4}", "0001"),
        (r"a{,3}", "aaa"),
    ],
)
def test_expression_that_may(text: str, path: str) -> None:
    assert compile_expression(text).fullmatch(path)


def test_the_whole_path_has_to_match_without_regard_to_case() -> None:
    pattern = Pattern(compile_expression(r"IMG\d{4}\.JPG"))
    assert pattern.match("img0001.jpg", Kind.STILL) is not None
    assert pattern.match("img0001.jpg\n", Kind.STILL) is None
    assert pattern.match("a/img0001.jpg", Kind.STILL) is None


def test_digits_are_ascii_only() -> None:
    assert Pattern(compile_expression(r"(?P<sequence>\d{4})")).match("١٢٣٤", Kind.OTHER) is None


def test_a_path_beyond_the_limit_matches_nothing() -> None:
    pattern = Pattern(compile_expression("a*"))
    assert pattern.match("a" * MAX_PATH, Kind.OTHER) is not None
    assert pattern.match("a" * (MAX_PATH + 1), Kind.OTHER) is None


@pytest.mark.parametrize("text", ["20260230", "20261301", "00000000", "99999999"])
def test_digits_that_are_no_date_say_nothing(text: str) -> None:
    pattern = Pattern(compile_expression(r"(?P<start>\d{8})"), start_format="%Y%m%d")
    facts = pattern.match(text, Kind.OTHER)
    assert facts is not None
    assert facts.start is None


@pytest.mark.parametrize(
    "path",
    [
        "/" * MAX_PATH,
        "DCAM_" + "a_" * 500,
        ("a" * 32 + "_") * 30,
        "DCAM_" + ("1" * 8 + "_" + "1" * 6 + "_") * 60,
        "0" * MAX_PATH,
        "DCIM/" * 200,
    ],
)
def test_shipped_patterns_are_quick_on_hostile_names(path: str) -> None:
    start = time.process_time()
    for profile in load_profiles(None):
        profile.match(path[:MAX_PATH])
    assert time.process_time() - start < 0.5


def test_the_worst_allowed_pattern_ends() -> None:
    worst = compile_expression(".*.*[0-9]x")  # two free repeats: quadratic, not exponential
    start = time.process_time()
    assert worst.fullmatch("1" * MAX_PATH) is None
    assert time.process_time() - start < 5


def test_flags_are_those_the_documentation_names() -> None:
    assert compile_expression("a").flags & (re.IGNORECASE | re.ASCII) == re.IGNORECASE | re.ASCII
