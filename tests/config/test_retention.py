from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.errors import CategoryUnknownError, ScheduleInvalidError
from config.retention import Term, load_schedule

BASE = datetime(2026, 8, 31, 12, tzinfo=UTC)
HEAD = 'floor = 6\ncase_term = "permanent"\n'
CATEGORY = '[categories.patrol]\ntitle_zh = "巡查"\ntitle_en = "Patrol"\n'


def test_shipped_schedule() -> None:
    schedule = load_schedule(None)
    assert schedule.floor == Term(6)
    assert schedule.case_term == Term(None)
    for name in ("case-evidence", "obstruction", "major-incident", "complex-incident"):
        assert schedule.category(name).term.permanent
    assert schedule.category("archive-30").term == Term(360)
    assert schedule.category("inspection").title_zh == "行政检查"
    assert all(category.name == name for name, category in schedule.categories.items())


def test_term_ends_after_calendar_months_and_permanent_never() -> None:
    assert Term(6).after(BASE) == datetime(2027, 2, 28, 12, tzinfo=UTC)
    assert Term(None).after(BASE) is None
    late = datetime(2026, 2, 28, 20, tzinfo=UTC)
    assert Term(6).after(late, zone=ZoneInfo("Asia/Shanghai")) == datetime(2026, 8, 31, 20, tzinfo=UTC)


def test_terms_out_of_range_are_refused() -> None:
    for months in (-1, 1201):
        with pytest.raises(ValueError, match=str(months)):
            Term(months)


def test_longest_wins_and_permanent_beats_every_number() -> None:
    schedule = load_schedule(None)
    assert schedule.longest([]) == Term(6)
    assert schedule.longest([Term(1)]) == Term(6)  # never below the floor
    assert schedule.longest([Term(12), Term(120), Term(36)]) == Term(120)
    assert schedule.longest([Term(1200), Term(None), Term(12)]) == Term(None)
    assert schedule.longest(iter([Term(None)])) == Term(None)


def test_unknown_category_names_the_nearest() -> None:
    with pytest.raises(CategoryUnknownError) as caught:
        load_schedule(None).category("obstuction")
    facts = caught.value.facts
    assert (facts["category"], facts["nearest"]) == ("obstuction", "obstruction")
    assert facts["known"] == list(load_schedule(None).categories)
    assert "routine; inspection; " in caught.value.explain("en").todo


def test_schedule_cannot_be_changed() -> None:
    schedule = load_schedule(None)
    with pytest.raises(TypeError):
        schedule.categories["x"] = schedule.categories["routine"]  # type: ignore[index]


def test_own_schedule_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"floor = 3\ncase_term = 120\n{CATEGORY}term = 12\n", encoding="utf-8")
    schedule = load_schedule(path)
    assert schedule.floor == Term(3)
    assert schedule.case_term == Term(120)
    assert list(schedule.categories) == ["patrol"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "case_term"),
        ("floor = 6\n[categories]\n", "case_term"),
        (HEAD, "categories"),
        (f"{HEAD}categories = 3\n", "categories"),
        (f"{HEAD}flor = 3\n[categories]\n", "flor"),
        (f"{HEAD}{CATEGORY}", "categories.patrol.term"),
        (f"{HEAD}{CATEGORY}term = 12\nmonths = 3\n", "categories.patrol.months"),
        (f"{HEAD}{CATEGORY}term = 5\n", "categories.patrol.term"),
        (f"{HEAD}{CATEGORY}term = 0\n", "categories.patrol.term"),
        (f"{HEAD}{CATEGORY}term = -12\n", "categories.patrol.term"),
        (f"{HEAD}{CATEGORY}term = 1201\n", "categories.patrol.term"),
        (f"{HEAD}{CATEGORY}term = 12.0\n", "categories.patrol.term"),
        (f"{HEAD}{CATEGORY}term = true\n", "categories.patrol.term"),
        (f'{HEAD}{CATEGORY}term = "12"\n', "categories.patrol.term"),
        (f'{HEAD}{CATEGORY}term = "Permanent"\n', "categories.patrol.term"),
        (f'{HEAD}[categories."Pa trol"]\ntitle_zh="a"\ntitle_en="b"\nterm=12\n', "categories.Pa trol"),
        (f'{HEAD}[categories.patrol]\ntitle_zh=" "\ntitle_en="b"\nterm=12\n', "categories.patrol.title_zh"),
        (f"{HEAD}[categories]\npatrol = 12\n", "categories.patrol"),
        ('floor = "permanent"\ncase_term = 12\n[categories]\n', "case_term"),
        ("floor = 12\ncase_term = 6\n[categories]\n", "case_term"),
    ],
)
def test_schedule_that_cannot_be_used(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScheduleInvalidError) as caught:
        load_schedule(path)
    assert caught.value.facts["key"] == key
    assert caught.value.facts["path"] == path


def test_a_missing_schedule_is_never_replaced_by_another(tmp_path: Path) -> None:
    with pytest.raises(ScheduleInvalidError) as caught:
        load_schedule(tmp_path / "nothing.toml")
    assert caught.value.facts["key"] == "retention.schedule"
    assert "there is no such file" in str(caught.value)
    with pytest.raises(ScheduleInvalidError):
        load_schedule(tmp_path)
    (tmp_path / "list.txt").write_text("routine: 6 months\n")
    with pytest.raises(ScheduleInvalidError) as caught:
        load_schedule(tmp_path / "list.txt")
    assert caught.value.exit_code == 21
