import hashlib
import string
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from config.errors import ClipAmbiguousError, ClipNotFoundError
from metadata.models import Sighting
from metadata.register import Register
from metadata.repo import cases, clips
from metadata.repo.clips import ClipFilter
from metadata.states import ClipState
from tests.support.register import ACTOR, AT, DOCKING, RECORDER, add_clip, add_docking, add_officer

ONE = hashlib.sha256(b"1").hexdigest()
BY = ACTOR.to_json()
HOUR = timedelta(hours=1)


def names(session: Session, **wanted: object) -> list[str]:
    return [clip.name for clip in clips.find(session, ClipFilter(**wanted))]  # type: ignore[arg-type]


def test_no_filter_finds_all_by_time_then_arrival(session: Session) -> None:
    add_clip(session, "unknown-1")
    add_clip(session, "late", recorded_start=AT + HOUR)
    add_clip(session, "early", recorded_start=AT)
    add_clip(session, "unknown-2")
    assert names(session) == ["early", "late", "unknown-1", "unknown-2"]


def test_each_filter_restricts(session: Session) -> None:
    add_docking(session, "docking-2", "recorder-2")
    officer = add_officer(session, "o-1")
    case = cases.add(session, "罚字〔2026〕第1号", None, BY, AT)
    other = cases.add(session, "罚字〔2026〕第2号", None, BY, AT)
    plain = add_clip(session, "plain")
    owned = add_clip(session, "owned", officer_id=officer)
    away = add_clip(session, "away", recorder_id="recorder-2", docking_id="docking-2")
    linked = add_clip(session, "linked", state="waiting")
    tagged = add_clip(session, "tagged")
    moved = add_clip(session, "moved")
    cases.link(session, linked.id, case, "manual", BY, AT)
    cases.link(session, moved.id, case, "manual", BY, AT)
    cases.link(session, moved.id, other, "manual", BY, AT, move=True)
    cases.note_candidates(session, plain.id, [case.id, other.id], AT)
    clips.add_tag(session, tagged.id, "routine", BY, AT)
    session.add(
        Sighting(
            id="sighting",
            docking_id="docking-2",
            position=0,
            clip_id=away.id,
            size=1,
            mtime_ns=1,
            outcome="read",
        )
    )
    session.flush()
    assert names(session, officer="o-1") == [owned.name]
    assert names(session, recorder="recorder-2") == [away.name]
    assert names(session, docking="docking-2") == [away.name]
    assert names(session, docking=DOCKING, recorder="recorder-2") == []
    assert names(session, case=case.number) == [linked.name]
    assert names(session, case=other.number) == [moved.name]
    assert names(session, unlinked=True) == ["plain", "owned", "away", "tagged"]
    assert names(session, ambiguous=True) == [plain.name]
    assert names(session, category="routine") == [tagged.name]
    assert names(session, category="rout") == []
    assert names(session, state=ClipState.WAITING) == [linked.name]
    assert names(session, state=ClipState.WAITING, unlinked=True) == []


def test_the_end_of_a_span_is_exclusive_and_unknown_times_are_outside(session: Session) -> None:
    for hours in (0, 1, 2):
        add_clip(session, f"h{hours}", recorded_start=AT + hours * HOUR)
    add_clip(session, "unknown")
    assert names(session, since=AT + HOUR) == ["h1", "h2"]
    assert names(session, until=AT + HOUR) == ["h0"]
    assert names(session, since=AT, until=AT + 2 * HOUR) == ["h0", "h1"]


@pytest.mark.parametrize("wild", ["%", "_", "/", "\\", "'", '"', "[", "*", "?", "100%", "a_b", "%%", "--"])
def test_wildcards_are_letters(session: Session, wild: str) -> None:
    add_clip(session, f"x{wild}y.mp4")
    add_clip(session, "plain.mp4")
    add_clip(session, "100x a-b.mp4")
    assert names(session, text=wild) == [f"x{wild}y.mp4".rsplit("/", 1)[-1]]


def test_text_is_looked_for_in_path_id_and_digest(session: Session) -> None:
    by_path = add_clip(session, "DCIM/100MEDIA/现场 1.MP4")
    by_digest = add_clip(session, "second", sha256=ONE)
    assert names(session, text="100media") == [by_path.name]
    assert names(session, text="现场") == [by_path.name]
    assert names(session, text=by_path.id.lower()) == [by_path.name]
    assert names(session, text=by_path.id[:-1]) == []
    assert names(session, text=ONE[:6]) == [by_digest.name]
    assert names(session, text=ONE.upper()) == [by_digest.name]
    assert names(session, text=ONE[:2]) == []  # too short to be meant as a digest


ALPHABET = st.text(st.sampled_from("aB%_\\/'é."), min_size=1, max_size=4)


@settings(database=None, max_examples=50, deadline=None)
@given(paths=st.lists(ALPHABET, max_size=5), wanted=ALPHABET)
def test_text_against_python(shared_register: Register, paths: list[str], wanted: str) -> None:
    def fold(text: str) -> str:  # SQLite folds ASCII letters only
        return text.translate(str.maketrans(string.ascii_uppercase, string.ascii_lowercase))

    with pytest.raises(ZeroDivisionError), shared_register.write() as session:
        for path in paths:
            add_clip(session, path)
        found = [clip.path for clip in clips.find(session, ClipFilter(text=wanted))]
        assert found == [path for path in paths if fold(wanted) in fold(path)]
        raise ZeroDivisionError  # roll back


def test_resolve_by_id_and_digest(session: Session) -> None:
    clip = add_clip(session, sha256=ONE)
    for reference in (clip.id, clip.id.lower(), ONE, ONE.upper(), ONE[:1], ONE[:26], f"sha256:{ONE}"):
        assert clips.resolve(session, reference) is clip


@pytest.mark.parametrize(
    "reference", ["", "sha256:", "f", "%%%%%%", "______", "a" * 6, "x" * 26, "' OR 1=1 --", "/%/%/%/%"]
)
def test_resolve_what_is_not_there(session: Session, reference: str) -> None:
    add_clip(session, sha256=ONE)
    add_clip(session)
    with pytest.raises(ClipNotFoundError) as raised:
        clips.resolve(session, reference)
    assert raised.value.facts == {"clip": reference}


def test_resolve_refuses_to_choose(session: Session) -> None:
    twins = [add_clip(session, "a", sha256=ONE), add_clip(session, "b", sha256=ONE)]
    with pytest.raises(ClipAmbiguousError) as raised:
        clips.resolve(session, ONE)
    assert raised.value.facts["count"] == 2
    assert clips.resolve(session, twins[1].id) is twins[1]
    alike = ONE[:8] + ("0" if ONE[8] != "0" else "1") + ONE[9:]
    third = add_clip(session, "c", sha256=alike)
    with pytest.raises(ClipAmbiguousError):
        clips.resolve(session, ONE[:8])
    assert clips.resolve(session, alike[:9]) is third


def test_records_carry_case_and_categories(session: Session) -> None:
    case = cases.add(session, "罚字[2026]第1号", None, BY, AT)
    rows = [add_clip(session, f"clip-{n:04d}", recorded_start=AT) for n in range(1001)]  # several pages
    last = rows[-1]
    cases.link(session, last.id, case, "manual", BY, AT)
    clips.add_tag(session, last.id, "routine", BY, AT)
    clips.add_tag(session, last.id, "complaint", BY, AT)
    records = clips.records(session, rows)
    assert [record.id for record in records] == [row.id for row in rows]
    assert (records[-1].case, records[-1].categories) == ("罚字〔2026〕第1号", ("complaint", "routine"))
    assert {record.case for record in records[:-1]} == {None}
    plain = records[-1].to_json()
    assert list(plain)[:7] == ["id", "name", "sha256", "size", "state", "case", "reason"]
    assert plain["recorded_at"] == "2026-11-20T08:30:15.123456Z"
    assert plain["categories"] == ["complaint", "routine"]
    assert clips.records(session, []) == []


def test_a_category_is_given_once(session: Session) -> None:
    clip = add_clip(session)
    assert clips.add_tag(session, clip.id, "routine", BY, AT) is not None
    assert clips.add_tag(session, clip.id, "routine", BY, AT) is None
    assert clips.categories(session, clip.id) == ("routine",)


def test_known_clips_by_exact_path(session: Session) -> None:
    add_docking(session, "docking-2", "recorder-2")
    first = add_clip(session, "a")
    second = add_clip(session, "a", size=2)
    raw = add_clip(session, "\\xff", path_bytes=b"\xff")
    literal = add_clip(session, "\\xff")
    add_clip(session, "a", recorder_id="recorder-2", docking_id="docking-2")
    found = clips.known(session, RECORDER)
    assert found == {b"a": [first, second], b"\xff": [raw], b"\\xff": [literal]}


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"state": "lost"}, "state_known"),
        ({"state": "FOUND"}, "state_known"),
        ({"manifest_sha256": "A" * 64}, "manifest_sha256_hex"),
        ({"manifest_sha256": "a" * 63}, "manifest_sha256_hex"),
        ({"manifest_sha256": "a" * 63 + " "}, "manifest_sha256_hex"),
        ({"manifest_sha256": "a" * 63 + "g"}, "manifest_sha256_hex"),
        ({"officer_id": "nobody"}, "(?i)foreign key"),
        ({"docking_id": "none"}, "(?i)foreign key"),
        ({"recorder_id": "none"}, "(?i)foreign key"),
    ],
)
def test_the_database_checks_a_clip(session: Session, facts: dict[str, object], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), session.begin_nested():
        add_clip(session, **facts)  # type: ignore[arg-type]


def test_a_clip_needs_its_object(session: Session) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), session.begin_nested():
        add_clip(session).sha256 = ONE
        session.flush()


@pytest.mark.parametrize("digest", ["", "a" * 65, "g" * 64, "A" * 64])
def test_the_database_checks_digests_of_objects(session: Session, digest: str) -> None:
    statement = text(
        "INSERT INTO object (sha256, size, other_digests, chunk_size, chunk_root, chunk_leaves, created_at)"
        " VALUES (:sha256, 1, '[]', 1, :root, '', '2026-01-01 00:00:00')"
    )
    for sha256, root in ((digest, ONE), (ONE, digest)):
        # A text that is too long for its column does not get as far as the check.
        with pytest.raises((IntegrityError, DataError), match=r"_hex|too long"), session.begin_nested():
            session.execute(statement, {"sha256": sha256, "root": root})


def test_counting_and_safety(session: Session) -> None:
    rows = [add_clip(session, state=state) for state in ("found", "confirmed", "released", "confirmed")]
    assert clips.state_counts(session) == {"found": 1, "confirmed": 2, "released": 1}
    assert clips.all_safe(rows[1:])
    assert not clips.all_safe(rows)
    assert clips.sharing(session, ONE) == []
