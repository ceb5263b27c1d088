"""Each finding on facts made by hand: first a chain in which there is none, then one thing changed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from metadata.completeness import GAPS, NAMES, Finding, Kind, Severity, earlier, of_chain, of_docking
from metadata.documents import CloseOut, Entry, FileOutcome, Inventory, Named
from metadata.numbering import Numbered
from metadata.stays import Claim, Noted, Paper, Row, Stay

AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
FIRST, SECOND, THIRD = "D1", "D2", "D3"
DIGEST = {FIRST: "1" * 64, SECOND: "2" * 64, THIRD: "3" * 64}
CLOSED = {FIRST: "a" * 64, SECOND: "b" * 64, THIRD: "c" * 64}
BYTES = "f" * 64


def noted(docking: str, hours: int = 0, **facts: Any) -> Noted:
    at = AT + timedelta(hours=hours)
    return Noted(
        **{
            "id": docking,
            "station": "S",
            "recorder": "R",
            "at": at,
            "plausible": True,
            "closed_at": at + timedelta(minutes=5),
            "inventory": DIGEST[docking],
            "close": CLOSED[docking],
            "superseded": False,
            "card": "volume:A",
            "lasting": True,
        }
        | facts
    )


def stay(
    of: Noted,
    files: Mapping[str, bool],
    *,
    previous: tuple[Noted, ...] = (),
    new: tuple[str, ...] | None = None,
) -> Stay:
    """A docking in order that saw these files, each safe or not."""
    entries = tuple(Entry(name.encode(), 1, 0) for name in sorted(files))
    rows = {
        index: Row(
            clip=f"clip of {name}",
            path=name.encode(),
            state="released" if files[name] else "missing_at_unplug",
            safe=files[name],
            sha256=BYTES if files[name] else None,
            new=new is None or name in new,
            latest=True,
            cleared=False,
        )
        for index, name in enumerate(sorted(files))
    }
    return Stay(
        noted=of,
        inventory_paper=Paper(of.inventory, of.inventory, of.inventory),
        inventory=Inventory(
            docking=of.id,
            station=of.station,
            recorder=of.recorder,
            at=of.at,
            entries=entries,
            previous=tuple(Named(one.id, one.inventory, one.close) for one in previous),
        ),
        close_paper=Paper(of.close or "", of.close or "", of.close),
        close=CloseOut(
            docking=of.id,
            inventory=of.inventory,
            at=of.closed_at or of.at,
            outcomes=tuple(FileOutcome(row.path, row.clip, row.state, row.sha256) for row in rows.values()),
        ),
        rows=rows,
        close_logged=True,
    )


ONE, TWO = noted(FIRST), noted(SECOND, hours=24)
KNOWN = {one.id: one for one in (ONE, TWO)}


def held(
    this: Stay,
    before: Stay | None = None,
    known: Mapping[str, Noted] = KNOWN,
    last: Numbered | None = None,
) -> list[Finding]:
    return of_docking(this, before, known, last)[0]


def kinds(found: list[Finding]) -> list[Kind]:
    return [one.kind for one in found]


def what(found: list[Finding]) -> list[str]:
    return [one.facts["what"] for one in found if one.kind is Kind.CONTRADICTION]


def with_numbers(this: Stay, numbers: Mapping[str, int]) -> Stay:
    claims = {name.encode(): Claim(Numbered(name, number), None) for name, number in numbers.items()}
    return replace(this, claims=claims)


def test_a_chain_in_order_has_no_findings() -> None:
    before = stay(ONE, {"a": True, "b": True})
    this = stay(TWO, {"a": True, "b": True, "c": True}, previous=(ONE,), new=("c",))
    assert held(before) == []
    assert held(this, before) == []
    assert of_chain([ONE, TWO], [FIRST], []) == []
    assert of_chain([], [], []) == []


def test_every_kind_has_a_severity() -> None:
    weights = {kind: Finding(kind, FIRST).severity for kind in Kind}
    assert weights[Kind.GONE_SAFE] is Severity.NOTE
    assert weights[Kind.NUMBER_GAP] is Severity.OPEN
    assert weights[Kind.GONE_UNSAFE] is Severity.GRAVE
    assert {kind for kind in Kind if not Finding(kind, FIRST).open} == {
        kind for kind, weight in weights.items() if weight is Severity.NOTE
    }


def test_other_bytes_than_were_noted() -> None:
    this = stay(ONE, {})
    other = replace(this, inventory_paper=replace(this.inventory_paper, found="0" * 64))
    (found,) = held(other)
    assert found == Finding(
        Kind.DOCUMENT_DIGEST, FIRST, {"document": "inventory", "expected": DIGEST[FIRST], "found": "0" * 64}
    )
    assert this.close_paper is not None
    other = replace(this, close_paper=replace(this.close_paper, found="0" * 64))
    assert [one.facts["document"] for one in held(other)] == ["close"]


def test_a_seal_that_does_not_hold() -> None:
    this = stay(ONE, {})
    other = replace(this, inventory_paper=replace(this.inventory_paper, seal="seal-untrusted"))
    assert held(other) == [
        Finding(Kind.DOCUMENT_SEAL, FIRST, {"document": "inventory", "problem": "seal-untrusted"})
    ]


def test_documents_that_cannot_be_read() -> None:
    this = stay(ONE, {"a": True})
    assert this.close_paper is not None
    other = replace(
        this,
        inventory=None,
        inventory_paper=replace(this.inventory_paper, readable=False),
        close=None,
        close_paper=replace(this.close_paper, readable=False),
    )
    assert kinds(held(other)) == [Kind.DOCUMENT_UNREADABLE] * 2


def test_what_the_log_says_of_documents() -> None:
    this = stay(ONE, {})
    assert this.close_paper is not None
    for logged in ("0" * 64, None):
        paper = replace(this.inventory_paper, logged=logged)
        assert what(held(replace(this, inventory_paper=paper))) == ["log-inventory"]
        assert what(held(replace(this, close_paper=replace(this.close_paper, logged=logged)))) == [
            "log-close"
        ]
    lost = held(replace(this, close=None, close_paper=None))
    assert kinds(lost) == [Kind.DOCKING_OPEN, Kind.CONTRADICTION]
    assert what(lost) == ["log-close"]


def test_an_inventory_of_something_else() -> None:
    this = stay(ONE, {})
    assert this.inventory is not None
    for field, value in (("docking", "X"), ("station", "X"), ("recorder", "X"), ("at", AT + timedelta(1))):
        other = replace(this, inventory=replace(this.inventory, **{field: value}))
        assert what(held(other)) == ["inventory-register"]


def test_files_that_the_register_does_not_have() -> None:
    this = stay(ONE, {"a": True, "b": False})
    lacking = replace(this, rows={0: this.rows[0]})
    assert what(held(lacking)) == ["inventory-clips"]
    renamed = replace(this, rows={**this.rows, 1: replace(this.rows[1], path=b"x")})
    assert what(held(renamed)) == ["inventory-clips"]


def test_a_close_out_of_something_else() -> None:
    this = stay(ONE, {"a": True})
    assert this.close is not None
    cases: list[tuple[str, Any, str]] = [
        ("docking", "X", "close-register"),
        ("at", AT, "close-register"),
        ("inventory", "0" * 64, "close-inventory"),
        ("outcomes", (), "close-files"),
    ]
    for field, value, word in cases:
        assert what(held(replace(this, close=replace(this.close, **{field: value})))) == [word]


def test_a_clip_that_was_signed_as_safe_and_is_another_now() -> None:
    this = stay(ONE, {"a": True, "b": False})
    for changed in ({"sha256": "0" * 64}, {"clip": "X"}, {"safe": False, "latest": False}):
        row = replace(this.rows[0], **changed)  # type: ignore[arg-type] # one field at a time
        assert what(held(replace(this, rows={**this.rows, 0: row}))) == ["close-clips"]
    # What was not safe then may be so now.
    row = replace(this.rows[1], safe=True, state="released", sha256=BYTES)
    assert held(replace(this, rows={**this.rows, 1: row})) == []


def test_a_previous_docking_that_nobody_knows() -> None:
    this = stay(TWO, {}, previous=(ONE,))
    assert held(this, known={SECOND: TWO}) == [Finding(Kind.PREVIOUS_UNKNOWN, SECOND, {"previous": FIRST})]


def test_a_previous_docking_with_other_documents() -> None:
    this = stay(TWO, {}, previous=(ONE,))
    (found,) = held(this, known={**KNOWN, FIRST: replace(ONE, inventory="0" * 64)})
    assert found.facts == {
        "previous": FIRST, "document": "inventory", "expected": DIGEST[FIRST], "found": "0" * 64,
    }  # fmt: skip
    (found,) = held(this, known={**KNOWN, FIRST: replace(ONE, close=None)})
    assert (found.facts["document"], found.facts["found"]) == ("close", None)
    # It was open when it was named, and has been closed since.
    assert held(stay(TWO, {}, previous=(replace(ONE, close=None),))) == []


def test_dockings_that_are_missing_in_the_chain() -> None:
    third = noted(THIRD)
    assert of_chain([ONE, TWO, third], [SECOND], []) == [Finding(Kind.UNNAMED, FIRST)]
    assert of_chain([replace(ONE, superseded=True)], [], []) == [Finding(Kind.SUCCESSOR_MISSING, FIRST)]
    assert of_chain([ONE, TWO], [FIRST], [THIRD]) == [Finding(Kind.DOCKING_LOST, THIRD)]
    # The last one has nobody who could name it.
    assert of_chain([ONE], [], []) == []


def test_two_stations_that_did_not_know_of_each_other() -> None:
    """Both dockings are heads; the next one names both, which explains them."""
    third = noted(THIRD, hours=48)
    assert of_chain([ONE, TWO], [], []) == [Finding(Kind.UNNAMED, FIRST)]
    assert of_chain([ONE, TWO, third], [FIRST, SECOND], []) == []


def test_a_docking_that_was_never_closed() -> None:
    this = replace(stay(ONE, {"a": False}), close=None, close_paper=None, close_logged=False)
    assert kinds(held(this)) == [Kind.DOCKING_OPEN, Kind.UNCONFIRMED]
    assert kinds(held(replace(this, under_way=True))) == [Kind.DOCKING_UNDER_WAY]


def test_clocks_of_stations() -> None:
    wrong = noted(SECOND, hours=24, plausible=False)
    assert held(stay(wrong, {}, previous=(ONE,)), known={**KNOWN, SECOND: wrong}) == [
        Finding(Kind.CLOCK_IMPLAUSIBLE, SECOND, {"at": wrong.at})
    ]
    early = noted(SECOND, hours=-1)
    assert held(stay(early, {}, previous=(ONE,)), known={**KNOWN, SECOND: early}) == [
        Finding(Kind.CLOCK_BACKWARDS, SECOND, {"previous": FIRST, "previous_at": ONE.at, "at": early.at})
    ]


def test_the_recorders_clock() -> None:
    def claiming(this: Stay, **starts: datetime) -> Stay:
        return replace(this, claims={name.encode(): Claim(None, at) for name, at in starts.items()})

    hour = timedelta(hours=1)
    before = stay(ONE, {"a": True})
    (found,) = held(claiming(before, a=AT + hour))
    assert (found.kind, found.facts["names"], found.severity) == (Kind.RECORDER_CLOCK, ["a"], Severity.NOTE)
    assert held(claiming(before, a=AT - 1000 * hour)) == []
    this = stay(TWO, {"a": True, "b": True}, previous=(ONE,), new=("b",))
    assert held(claiming(this, a=AT - hour, b=AT + hour), before) == []
    (found,) = held(claiming(this, a=AT - hour, b=AT - hour), before)
    assert (found.facts["names"], found.facts["latest"]) == (["b"], AT - hour)


def test_what_is_gone_from_a_card() -> None:
    before = stay(ONE, {"a": True, "b": True, "c": False, "d": False})
    this = stay(TWO, {"a": True, "d": False}, previous=(ONE,), new=())
    unsafe, safe = [one for one in held(this, before) if one.kind is not Kind.UNCONFIRMED]
    assert unsafe == Finding(Kind.GONE_UNSAFE, SECOND, {"previous": FIRST, "count": 1, "names": ["c"]})
    assert safe == Finding(Kind.GONE_SAFE, SECOND, {"previous": FIRST, "count": 1, "names": ["b"]})


def test_what_we_cleared_is_not_gone() -> None:
    before = stay(ONE, {"a": True, "b": True})
    rows = {index: replace(row, cleared=True) for index, row in before.rows.items()}
    this = stay(TWO, {}, previous=(ONE,))
    assert held(this, replace(before, rows=rows)) == []
    assert kinds(held(this, before)) == [Kind.GONE_SAFE]


def test_a_clip_that_grew_is_not_gone() -> None:
    before = stay(ONE, {"a": False})
    this = stay(TWO, {"a": True}, previous=(ONE,))
    assert this.inventory is not None
    grown = replace(this, inventory=replace(this.inventory, entries=(Entry(b"a", 2, 1),)))
    assert held(grown, before) == []


def test_a_file_that_the_register_forgot_is_gone_unsafe() -> None:
    before = replace(stay(ONE, {"a": True}), rows={})
    assert kinds(held(stay(TWO, {}, previous=(ONE,)), before)) == [Kind.GONE_UNSAFE]


def test_names_are_counted_beyond_those_that_are_told() -> None:
    before = stay(ONE, {f"{number:03d}": True for number in range(NAMES + 5)})
    (found,) = held(stay(TWO, {}, previous=(ONE,)), before)
    assert found.facts["count"] == NAMES + 5
    assert len(found.facts["names"]) == NAMES


def test_another_card() -> None:
    before = stay(ONE, {"a": True, "b": False})
    other = stay(replace(TWO, card="volume:B"), {"c": True}, previous=(ONE,))
    (found,) = held(other, before)
    assert found == Finding(Kind.CARD_CHANGED, SECOND, {"previous": FIRST, "count": 2, "unsafe": 1})
    # The same files on another volume: it was copied, so what lacks is gone.
    same = stay(replace(TWO, card="volume:B"), {"a": True}, previous=(ONE,), new=())
    assert kinds(held(same, before)) == [Kind.GONE_UNSAFE]


def test_a_card_that_does_not_say_which_it_is() -> None:
    mute = {"card": "folder:1:2", "lasting": False}
    before = stay(noted(FIRST, **mute), {"a": True})
    this = stay(noted(SECOND, hours=24, **mute), {"b": True}, previous=(before.noted,))
    assert kinds(held(this, before)) == [Kind.CARD_CHANGED]


def test_a_card_is_compared_with_its_own_last_docking() -> None:
    chain = [ONE, noted(SECOND, card="volume:B"), noted(THIRD)]
    assert [earlier(chain, position) for position in range(3)] == [None, FIRST, FIRST]
    mute = [ONE, TWO, noted(THIRD, lasting=False)]
    assert earlier(mute, 2) == SECOND


def test_clips_that_never_became_safe() -> None:
    this = stay(ONE, {"a": True, "b": False, "c": False})
    assert held(this) == [
        Finding(
            Kind.UNCONFIRMED, FIRST, {"count": 2, "names": ["b", "c"], "states": {"missing_at_unplug": 2}}
        )
    ]
    # A later docking took them up.
    rows = {index: replace(row, latest=False) for index, row in this.rows.items()}
    assert held(replace(this, rows=rows)) == []


def test_numbers_over_dockings() -> None:
    before = with_numbers(stay(ONE, {"a": True, "b": True}), {"a": 1, "b": 2})
    found, last = of_docking(before, None, KNOWN, None)
    assert (found, last) == ([], Numbered("b", 2))
    this = stay(TWO, {"a": True, "b": True, "c": True}, previous=(ONE,), new=("c",))
    (gap,), last = of_docking(with_numbers(this, {"a": 1, "b": 2, "c": 5}), before, KNOWN, last)
    assert gap == Finding(Kind.NUMBER_GAP, SECOND, {"first": 3, "last": 4, "after": "b", "before": "c"})
    assert last == Numbered("c", 5)


def test_restarts_and_leaps_are_notes() -> None:
    this = with_numbers(stay(ONE, {"a": True, "b": True}), {"a": 3, "b": 9000})
    found = held(this, last=Numbered("z", 500))
    assert [(one.kind, one.facts["count"], one.open) for one in found] == [
        (Kind.COUNTER_RESTART, 1, False),
        (Kind.NUMBER_LEAP, 1, False),
    ]


def test_a_chapter_that_is_missing() -> None:
    this = stay(ONE, {"a": True, "b": True})
    claims = {b"a": Claim(Numbered("a", 7, 1), None), b"b": Claim(Numbered("b", 7, 3), None)}
    (found,) = held(replace(this, claims=claims))
    assert found == Finding(Kind.CHAPTER_GAP, FIRST, {"recording": "a", "chapters": (2,)})


def test_many_gaps_are_told_in_one() -> None:
    names = {f"{number:04d}": number for number in range(0, 2 * (GAPS + 11), 2)}
    found = held(with_numbers(stay(ONE, dict.fromkeys(names, True)), names))
    assert kinds(found) == [Kind.NUMBER_GAP] * (GAPS + 1)
    assert found[-1].facts == {"more": 10}
