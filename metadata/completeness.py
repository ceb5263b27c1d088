"""Is what a recorder recorded complete? Its chain of inventories and close-outs, and what speaks against it.

Pure functions over frozen facts. What is held against what, for each docking in the order of the log:

1. Its documents: digest, seal, the log of events, the register's rows, and each other.
2. The chain: the dockings that it names as previous are known, with these digests; none is left out.
3. The clocks: no docking before the one it names; no time of a recording that its dockings do not allow.
4. The card: what the docking before saw and this one does not see any more was cleared by us, or is gone.
5. The clips: those that never became safe.
6. The numbers in the names of new files.

What is left to the caller: that the log of events is the one that was written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from metadata import numbering
from metadata.documents import Entry
from metadata.numbering import Numbered, StepKind
from metadata.states import SAFE
from metadata.stays import Noted, Paper, Row, Stay

NAMES = 20
"""As many names of files are in one finding; all are counted."""
GAPS = 50
"""As many gaps in numbers are told one by one for each docking."""
CLOCK_SLACK = timedelta(minutes=10)
"""A recorder's clock may be so far from the station's without a word."""


class Severity(StrEnum):
    """How much a finding weighs."""

    NOTE = "note"
    """Innocent as a rule; shown, and not counted for the exit code."""
    OPEN = "open"
    """Wants an explanation."""
    GRAVE = "grave"
    """Footage was lost, or somebody changed what was written down."""


class Kind(StrEnum):
    """What does not add up. Stable words."""

    DOCUMENT_DIGEST = "document-digest"
    DOCUMENT_SEAL = "document-seal"
    DOCUMENT_UNREADABLE = "document-unreadable"
    CONTRADICTION = "contradiction"
    DOCKING_LOST = "docking-lost"
    PREVIOUS_UNKNOWN = "previous-unknown"
    PREVIOUS_DIFFERS = "previous-differs"
    SUCCESSOR_MISSING = "successor-missing"
    UNNAMED = "unnamed"
    GONE_UNSAFE = "gone-unsafe"
    GONE_SAFE = "gone-safe"
    CARD_CHANGED = "card-changed"
    UNCONFIRMED = "unconfirmed"
    NUMBER_GAP = "number-gap"
    CHAPTER_GAP = "chapter-gap"
    COUNTER_RESTART = "counter-restart"
    NUMBER_LEAP = "number-leap"
    DOCKING_OPEN = "docking-open"
    DOCKING_UNDER_WAY = "docking-under-way"
    CLOCK_IMPLAUSIBLE = "clock-implausible"
    CLOCK_BACKWARDS = "clock-backwards"
    RECORDER_CLOCK = "recorder-clock"


_NOTES = {
    Kind.GONE_SAFE,
    Kind.CARD_CHANGED,
    Kind.COUNTER_RESTART,
    Kind.NUMBER_LEAP,
    Kind.DOCKING_UNDER_WAY,
    Kind.RECORDER_CLOCK,
}
_GRAVE = {
    Kind.DOCUMENT_DIGEST,
    Kind.DOCUMENT_SEAL,
    Kind.DOCUMENT_UNREADABLE,
    Kind.CONTRADICTION,
    Kind.DOCKING_LOST,
    Kind.PREVIOUS_UNKNOWN,
    Kind.PREVIOUS_DIFFERS,
    Kind.SUCCESSOR_MISSING,
    Kind.UNNAMED,
    Kind.GONE_UNSAFE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not add up, at which docking, and the facts of it as plain values."""

    kind: Kind
    docking: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """Return how much it weighs."""
        if self.kind in _NOTES:
            return Severity.NOTE
        return Severity.GRAVE if self.kind in _GRAVE else Severity.OPEN

    @property
    def open(self) -> bool:
        """Return whether it counts for the exit code."""
        return self.severity is not Severity.NOTE


def earlier(noted: Sequence[Noted], position: int) -> str | None:
    """Return the docking that a docking's card is compared with: this card's last one, else the last one.

    ``noted`` is in the order of the log. A card that does not say which it is could be any.
    """
    this = noted[position]
    before = noted[:position]
    if this.lasting:
        for one in reversed(before):
            if one.lasting and one.card == this.card:
                return one.id
    return before[-1].id if before else None


def of_docking(
    stay: Stay, before: Stay | None, known: Mapping[str, Noted], last: Numbered | None
) -> tuple[list[Finding], Numbered | None]:
    """Return what speaks against one docking, and the last number that was seen up to its end.

    ``before``: the docking that ``earlier`` names; ``known``: all dockings of the recorder; ``last``: the
    last number of the dockings before.
    """
    found = [*_papers(stay), *_contradictions(stay), *_chain(stay, known), *_clocks(stay, before, known)]
    found += _card(stay, before)
    found += _unconfirmed(stay)
    numbers, last = _numbers(stay, last)
    return found + numbers, last


def of_chain(noted: Sequence[Noted], named: Iterable[str], lost: Iterable[str]) -> list[Finding]:
    """Return what speaks against the chain as a whole: dockings that are missing in it.

    ``named``: the dockings that inventories name as previous; ``lost``: those that only the log of events
    knows.
    """
    found = [Finding(Kind.DOCKING_LOST, docking) for docking in lost]
    names = set(named)
    for position, one in enumerate(noted, 1):
        if one.id in names:
            continue
        if one.superseded:
            found.append(Finding(Kind.SUCCESSOR_MISSING, one.id))
        elif position < len(noted):
            found.append(Finding(Kind.UNNAMED, one.id))
    return found


def _papers(stay: Stay) -> Iterator[Finding]:
    """1. The documents, each by itself; and that there is a close-out."""
    yield from _paper(stay, "inventory", stay.inventory_paper)
    if stay.close_paper is not None:
        yield from _paper(stay, "close", stay.close_paper)
    elif stay.under_way:
        yield Finding(Kind.DOCKING_UNDER_WAY, stay.noted.id)
    else:
        yield Finding(Kind.DOCKING_OPEN, stay.noted.id)


def _paper(stay: Stay, name: str, paper: Paper) -> Iterator[Finding]:
    docking = stay.noted.id
    if paper.found != paper.noted:
        facts = {"document": name, "expected": paper.noted, "found": paper.found}
        yield Finding(Kind.DOCUMENT_DIGEST, docking, facts)
    if paper.seal is not None:
        yield Finding(Kind.DOCUMENT_SEAL, docking, {"document": name, "problem": paper.seal})
    if not paper.readable:
        yield Finding(Kind.DOCUMENT_UNREADABLE, docking, {"document": name})


def _contradictions(stay: Stay) -> Iterator[Finding]:
    """1. The documents against the register, the log, and each other."""
    for what, agrees in _agreements(stay):
        if not agrees:
            yield Finding(Kind.CONTRADICTION, stay.noted.id, {"what": what})


def _agreements(stay: Stay) -> Iterator[tuple[str, bool]]:
    noted, inventory, close, paper = stay.noted, stay.inventory, stay.close, stay.close_paper
    yield "log-inventory", stay.inventory_paper.logged == noted.inventory
    if paper is None:
        yield "log-close", not stay.close_logged
    else:
        yield "log-close", paper.logged == paper.noted
    if inventory is not None:
        said = (inventory.docking, inventory.station, inventory.recorder, inventory.at)
        yield "inventory-register", said == (noted.id, noted.station, noted.recorder, noted.at)
        paths = {position: entry.path for position, entry in enumerate(inventory.entries)}
        yield "inventory-clips", {position: row.path for position, row in stay.rows.items()} == paths
    if close is not None:
        yield "close-register", (close.docking, close.at) == (noted.id, noted.closed_at)
        yield "close-inventory", close.inventory == noted.inventory
        yield (
            "close-clips",
            all(
                outcome.state not in _SAFE or _still(stay.rows.get(position), outcome.clip, outcome.sha256)
                for position, outcome in enumerate(close.outcomes)
            ),
        )
        if inventory is not None:
            said_by_both = [entry.path for entry in inventory.entries]
            yield "close-files", [outcome.path for outcome in close.outcomes] == said_by_both


_SAFE = {state.value for state in SAFE}


def _still(row: Row | None, clip: str, sha256: str | None) -> bool:
    """Tell whether the register still says of a clip what the close-out signed as safe."""
    return row is not None and row.safe and (row.clip, row.sha256) == (clip, sha256)


def _chain(stay: Stay, known: Mapping[str, Noted]) -> Iterator[Finding]:
    """2. The dockings that this one names."""
    for name in () if stay.inventory is None else stay.inventory.previous:
        one = known.get(name.docking)
        if one is None:
            yield Finding(Kind.PREVIOUS_UNKNOWN, stay.noted.id, {"previous": name.docking})
            continue
        # A docking that was still open when it was named has been closed since.
        pairs: list[tuple[str, str, str | None]] = [("inventory", name.inventory, one.inventory)]
        pairs += [] if name.close is None else [("close", name.close, one.close)]
        for document, said, noted in pairs:
            if said != noted:
                facts = {"previous": one.id, "document": document, "expected": said, "found": noted}
                yield Finding(Kind.PREVIOUS_DIFFERS, stay.noted.id, facts)


def _clocks(stay: Stay, before: Stay | None, known: Mapping[str, Noted]) -> Iterator[Finding]:
    """3. The station's clock along the chain, and the recorder's within what dockings allow."""
    noted = stay.noted
    if not noted.plausible:
        yield Finding(Kind.CLOCK_IMPLAUSIBLE, noted.id, {"at": noted.at})
    for name in () if stay.inventory is None else stay.inventory.previous:
        one = known.get(name.docking)
        if one is not None and one.plausible and noted.plausible and one.at > noted.at:
            facts = {"previous": one.id, "previous_at": one.at, "at": noted.at}
            yield Finding(Kind.CLOCK_BACKWARDS, noted.id, facts)
    if stay.inventory is None or not noted.plausible:
        return
    since = None
    if before is not None and before.noted.plausible and same_card(stay, before):
        since = before.noted.at - CLOCK_SLACK
    until = noted.at + CLOCK_SLACK
    wrong = []
    for position, entry in enumerate(stay.inventory.entries):
        claim, row = stay.claims.get(entry.path), stay.rows.get(position)
        if claim is None or claim.start is None or row is None or not row.new:
            continue
        if claim.start > until or (since is not None and claim.start < since):
            wrong.append((entry, claim.start))
    if wrong:
        starts = [start for _, start in wrong]
        facts = {**_names(entry for entry, _ in wrong), "earliest": min(starts), "latest": max(starts)}
        yield Finding(Kind.RECORDER_CLOCK, noted.id, facts)


def same_card(stay: Stay, before: Stay) -> bool:
    """Tell whether two dockings saw the same card: it says so, or a file is on both."""
    one, other = stay.noted, before.noted
    if one.lasting and other.lasting and one.card == other.card:
        return True
    if stay.inventory is None or before.inventory is None:
        return False
    return not set(stay.inventory.entries).isdisjoint(before.inventory.entries)


def _card(stay: Stay, before: Stay | None) -> Iterator[Finding]:
    """4. What was on the card before, and is not any more."""
    if before is None or stay.inventory is None or before.inventory is None:
        return
    entries = set(stay.inventory.entries)
    clips = {row.clip for row in stay.rows.values()}
    lost: list[tuple[Entry, Row | None]] = []
    for position, entry in enumerate(before.inventory.entries):
        row = before.rows.get(position)
        if entry in entries or (row is not None and (row.cleared or row.clip in clips)):
            continue
        lost.append((entry, row))
    if not lost:
        return
    facts = {"previous": before.noted.id}
    if not same_card(stay, before):
        unsafe = sum(1 for _, row in lost if row is None or not row.safe)
        yield Finding(Kind.CARD_CHANGED, stay.noted.id, {**facts, "count": len(lost), "unsafe": unsafe})
        return
    for kind, of in (
        (Kind.GONE_UNSAFE, [entry for entry, row in lost if row is None or not row.safe]),
        (Kind.GONE_SAFE, [entry for entry, row in lost if row is not None and row.safe]),
    ):
        if of:
            yield Finding(kind, stay.noted.id, {**facts, **_names(of)})


def _unconfirmed(stay: Stay) -> Iterator[Finding]:
    """5. Clips that no docking after this one worked on, and that never became safe."""
    if stay.under_way:
        return
    left = [row for row in stay.rows.values() if row.latest and not row.safe]
    if left:
        states = dict(sorted(Counter(row.state for row in left).items()))
        facts = {"count": len(left), "names": [_text(row.path) for row in left[:NAMES]], "states": states}
        yield Finding(Kind.UNCONFIRMED, stay.noted.id, facts)


def _numbers(stay: Stay, last: Numbered | None) -> tuple[list[Finding], Numbered | None]:
    """6. The numbers of what this docking saw first."""
    if stay.inventory is None:
        return [], last
    new = []
    for position, entry in enumerate(stay.inventory.entries):
        claim, row = stay.claims.get(entry.path), stay.rows.get(position)
        if claim is not None and claim.numbered is not None and (row is None or row.new):
            new.append(claim.numbered)
    steps, last = numbering.steps(new, last)
    docking = stay.noted.id
    gaps = [
        Finding(Kind.NUMBER_GAP, docking, {"first": step.first, "last": step.last, **_between(step)})
        for step in steps
        if step.kind is StepKind.GAP
    ]
    gaps += [
        Finding(Kind.CHAPTER_GAP, docking, {"recording": item.recording.path, "chapters": item.chapters})
        for item in numbering.missing_chapters(new)
    ]
    found = gaps[:GAPS]
    if len(gaps) > GAPS:
        found.append(Finding(Kind.NUMBER_GAP, docking, {"more": len(gaps) - GAPS}))
    for kind, of in ((Kind.COUNTER_RESTART, StepKind.RESTART), (Kind.NUMBER_LEAP, StepKind.LEAP)):
        some = [step for step in steps if step.kind is of]
        if some:
            found.append(Finding(kind, docking, {"count": len(some), **_between(some[0])}))
    return found, last


def _between(step: numbering.Step) -> dict[str, str]:
    return {"after": step.after.path, "before": step.before.path}


def _names(entries: Iterable[Entry]) -> dict[str, Any]:
    every = list(entries)
    return {"count": len(every), "names": [_text(entry.path) for entry in every[:NAMES]]}


def _text(path: bytes) -> str:
    return path.decode("utf-8", errors="backslashreplace")
