import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import CaseNumberInvalidError
from metadata.casenumber import MAX_LENGTH, normalise, require

NORMAL = "苏吴城管罚字〔2026〕第25号"


@pytest.mark.parametrize(
    "written",
    [
        NORMAL,
        "苏吴城管罚字[2026]第25号",
        "苏吴城管罚字【2026】第25号",
        "苏吴城管罚字(2026)第25号",
        "苏吴城管罚字（2026）第25号",
        "苏吴城管罚字［２０２６］第２５号",
        "苏吴城管罚字{2026}第25号",
        "苏吴城管罚字｛2026｝第25号",
        "苏吴城管罚字﹝2026﹞第25号",
        " 苏吴城管 罚字 〔 2026 〕 第 25 号\n",
        "　苏吴城管罚字〔2026〕　第25号\t",
        "苏吴城管罚字〔2026〕第025号",
        "苏吴城管罚字[2026]第００２５号",
    ],
)
def test_one_form_for_many_spellings(written: str) -> None:
    assert normalise(written) == NORMAL


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("ABC-1/2026", "ABC-1/2026"),
        ("abc-1", "abc-1"),
        ("case (7)", "case(7)"),
        ("ＡＢＣ－１", "ABC-1"),
        ("1", "1"),
        ("ABC-001", "ABC-001"),
        ("罚字〔2026〕第0号", "罚字〔2026〕第0号"),
        ("罚字〔2026〕第100号", "罚字〔2026〕第100号"),
        ("第025号", "第025号"),
    ],
)
def test_other_numbers_keep_what_they_have(written: str, normal: str) -> None:
    assert normalise(written) == normal


def test_years_and_numbers_stay_apart() -> None:
    assert len({normalise(f"罚字〔{year}〕第{n}号") for year in (2025, 2026) for n in (1, 11, 111)}) == 6


@pytest.mark.parametrize(
    "written",
    ["", "   ", "\u3000\n\t", "1\x002", "1\x1b[31m", "1\u202e2", "1\u200b2", "\ufeff1", "\udcff", "x" * 101],
)
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(CaseNumberInvalidError):
        normalise(written)


@pytest.mark.parametrize("written", ["x y z", "ab", "-5", "－5", "1\t2", "1\n2", "罚字第号"])
def test_no_case_is_added_under_what_does_not_look_like_a_number(written: str) -> None:
    with pytest.raises(CaseNumberInvalidError):
        require(written)


@pytest.mark.parametrize("written", [" 2026-26 \n", "第二十五号", "case (7)", "苏吴城管罚字[2026]第025号"])
def test_what_looks_like_a_number(written: str) -> None:
    assert require(written) == normalise(written)


def test_length_counts_after_folding() -> None:
    assert normalise("9" * MAX_LENGTH) == "9" * MAX_LENGTH
    with pytest.raises(CaseNumberInvalidError) as raised:
        normalise("\ufdfa" * 20)  # one character that folds into 18
    assert len(str(raised.value.facts["number"])) <= MAX_LENGTH


def test_a_space_does_not_make_two_cases_of_one() -> None:
    # e, space, combining acute: without the space it is the letter é
    assert normalise("cafe \u0301 1") == normalise("café 1")


@settings(database=None, max_examples=300)
@given(st.text(max_size=30))
def test_a_normal_form_is_its_own(written: str) -> None:
    try:
        number = normalise(written)
    except CaseNumberInvalidError:
        return
    assert normalise(number) == number
    assert number.isprintable()
    assert not any(character.isspace() for character in number)
    assert 0 < len(number) <= MAX_LENGTH
    assert unicodedata.is_normalized("NFC", number)


@settings(database=None, max_examples=200)
@given(
    year=st.integers(1000, 9999),
    number=st.integers(1, 99999),
    pair=st.sampled_from(["[]", "【】", "{}", "（）", "()", "〔〕"]),
)
def test_every_bracket(year: int, number: int, pair: str) -> None:
    assert normalise(f"罚字{pair[0]}{year}{pair[1]}第{number}号") == f"罚字〔{year}〕第{number}号"
