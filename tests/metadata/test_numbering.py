from datetime import datetime, timedelta

from metadata.numbering import LEAP, MissingChapters, Numbered, StepKind, missing_chapters, steps

DAY = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 - a recorder's own clock names no zone


def plain(*numbers: int, folder: str = "DCIM/100ABCDE") -> list[Numbered]:
    return [Numbered(f"{folder}/IMG_{number:04d}.MP4", number) for number in numbers]


def dated(day: int, *numbers: int, hours: int = 0) -> list[Numbered]:
    begin = DAY + timedelta(days=day, hours=hours)
    return [
        Numbered(f"DCIM/R_{day}_{n:04d}.MP4", n, start=begin + timedelta(minutes=i))
        for i, n in enumerate(numbers)
    ]


def told(files: list[Numbered], last: Numbered | None = None) -> list[tuple[str, int, int]]:
    return [(step.kind.value, step.after.sequence, step.before.sequence) for step in steps(files, last)[0]]


def gaps(files: list[Numbered], last: Numbered | None = None) -> list[tuple[int, int]]:
    return [(step.first, step.last) for step in steps(files, last)[0] if step.kind is StepKind.GAP]


def test_numbers_without_a_hole_say_nothing() -> None:
    assert told(plain(7, 8, 9)) == []
    assert told([]) == []
    assert steps([], None) == ([], None)


def test_a_hole_is_between_two_files() -> None:
    (step,), last = steps(plain(11, 15, 16), None)
    assert (step.kind, step.first, step.last) == (StepKind.GAP, 12, 14)
    assert (step.after.path[-8:], step.before.path[-8:]) == ("0011.MP4", "0015.MP4")
    assert last == plain(16)[0]


def test_where_the_first_docking_begins_says_nothing() -> None:
    assert told(plain(4711, 4712)) == []


def test_a_hole_between_two_dockings() -> None:
    _, last = steps(plain(1, 2, 3), None)
    assert gaps(plain(6, 7), last) == [(4, 5)]
    assert told(plain(4), last) == []


def test_a_docking_without_numbers_forgets_none() -> None:
    _, last = steps(plain(3), None)
    _, same = steps([], last)
    assert same == last


def test_several_files_of_one_number() -> None:
    both = [Numbered("DCIM/A/0001A.MP4", 1), Numbered("DCIM/A/0001B.MP4", 1), Numbered("DCIM/A/0002A.MP4", 2)]
    assert told(both) == []


def test_a_counter_that_began_anew_after_formatting_leaves_no_gap() -> None:
    _, last = steps(plain(812, 813), None)
    assert told(plain(1, 2), last) == [("restart", 813, 1)]


def test_a_counter_that_wrapped_leaves_no_gap() -> None:
    assert told(plain(9998, 9999) + plain(1, 2, folder="DCIM/101ABCDE")) == [("restart", 9999, 1)]
    _, last = steps(plain(9999), None)
    assert told(plain(1), last) == [("restart", 9999, 1)]


def test_one_that_wrapped_with_times_in_the_names() -> None:
    found, last = steps(dated(0, 9998, 9999, 1, 3), None)
    assert [(step.kind.value, step.after.sequence, step.before.sequence) for step in found] == [
        ("restart", 9999, 1),
        ("gap", 1, 3),
    ]
    assert last is not None
    assert last.sequence == 3


def test_thousands_of_numbers_are_another_counter() -> None:
    assert told(plain(1, 2, LEAP + 3)) == [("gap", 2, LEAP + 3)]
    assert told(plain(1, 2, LEAP + 4)) == [("leap", 2, LEAP + 4)]


def test_a_counter_that_begins_every_day() -> None:
    assert told(dated(0, 1, 2, 3) + dated(1, 1, 2)) == [("restart", 3, 1)]
    assert gaps(dated(0, 1, 2, 3, 4) + dated(1, 1, 2, 4)) == [(3, 3)]


def test_a_counter_that_goes_on_over_days() -> None:
    assert told(dated(0, 1, 2, 3) + dated(1, 4, 5)) == []
    assert gaps(dated(0, 1, 2, 3) + dated(1, 5)) == [(4, 4)]


def test_a_clock_that_was_set_back_makes_no_gap() -> None:
    """Number 6 says that it is from the year before; it is there all the same."""
    assert told(dated(0, 1, 2, 3, 4, 5, 7) + dated(-400, 6)) == []


def test_front_and_rear_in_folders_of_their_own() -> None:
    def view(name: str, *numbers: int) -> list[Numbered]:
        return [
            Numbered(f"Movie/{name}/{n:03d}{name}.MP4", n, start=DAY + timedelta(minutes=n)) for n in numbers
        ]

    assert told(view("F", 1, 2, 3) + view("R", 1, 2, 3)) == []
    assert gaps(view("F", 1, 3) + view("R", 1, 3)) == [(2, 2)]


def test_chapters() -> None:
    def chapters(*numbers: int | None) -> list[Numbered]:
        return [Numbered(f"DCIM/100GOPRO/{number}", 12, number) for number in numbers]

    assert missing_chapters(chapters(1, 2, 3)) == []
    assert missing_chapters(chapters(None, 1, 2)) == []  # GOPR0012, GP010012, GP020012
    assert missing_chapters(chapters(None)) == []
    assert missing_chapters(chapters(1, 4)) == [MissingChapters(chapters(1)[0], (2, 3))]
    assert missing_chapters(chapters(2)) == [MissingChapters(chapters(2)[0], (1,))]
    assert missing_chapters(chapters(1, 10**9)) == []
