"""Whether what a recorder recorded is complete: its chain, docking by docking. Nothing is changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from config.errors import SealInvalidError
from config.pattern import Kind as FileKind
from config.pattern import NameFacts
from config.profiles import Profile
from hashing import seal
from hashing.digest import Digest
from ingest.names import readable
from ingest.recognition import recognise
from ingest.source import Entry
from jobs.engine import unfinished_dockings
from jobs.node import MAIN, Node
from jobs.sealed import seal_word
from metadata import completeness
from metadata.clock import sensible
from metadata.completeness import Finding
from metadata.documents import CloseOut, Inventory, read_close, read_inventory
from metadata.documents import Entry as Seen
from metadata.events import EventKind
from metadata.models import Recorder
from metadata.numbering import Numbered
from metadata.repo import chains
from metadata.stays import Claim, Noted, Paper, Row, Stay
from storage import layout

_ELSEWHERE = timedelta(days=1)
"""A docking of another station may be under way so long: this one cannot ask that station's engine."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One docking that was looked at, with what speaks against it."""

    noted: Noted
    files: int
    new: int
    previous: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass
class Walk:
    """The way along a recorder's chain: ``dockings``, then ``chain``, what is missing in it as a whole.

    Of all dockings a few hundred bytes are held, and of two what their cards had on them.
    """

    node: Node
    recorder: Recorder
    seals: bool = True
    """Whether signatures are checked, which is most of the time."""
    _named: set[str] = field(default_factory=set)
    _profiles: list[Profile] = field(default_factory=list)

    @cached_property
    def noted(self) -> Sequence[Noted]:
        """Return the recorder's dockings in the order of the log."""
        with self.node.register.read() as session:
            return chains.noted(session, self.recorder.id)

    def dockings(self) -> Iterator[Looked]:
        """Walk the chain, the oldest docking first."""
        if self.seals and self.noted:
            seal.load_ahead()
        known = {one.id: one for one in self.noted}
        last: Numbered | None = None
        kept: Stay | None = None
        for position, one in enumerate(self.noted):
            earlier = completeness.earlier(self.noted, position)
            before = kept
            if earlier is not None and (before is None or before.noted.id != earlier):
                before = self._stay(known[earlier], seals=False)
            stay = self._stay(one, seals=self.seals)
            findings, last = completeness.of_docking(stay, before, known, last)
            kept = stay
            inventory = stay.inventory
            names = () if inventory is None else tuple(name.docking for name in inventory.previous)
            self._named.update(names)
            yield Looked(
                noted=one,
                files=0 if inventory is None else len(inventory.entries),
                new=sum(row.new for row in stay.rows.values()),
                previous=names,
                findings=tuple(findings),
            )

    def chain(self, lost: Sequence[str] | None = None) -> list[Finding]:
        """Return what speaks against the chain as a whole, once all dockings were walked."""
        if lost is None:
            with self.node.register.read() as session:
                lost = chains.lost(session, self.recorder.id).get(self.recorder.id, [])
        return completeness.of_chain(self.noted, self._named, lost)

    def _stay(self, one: Noted, *, seals: bool) -> Stay:
        with self.node.register.read() as session:
            documents = chains.documents(session, one.id)
            rows = chains.rows(session, one)
            inventoried = chains.logged(session, EventKind.INVENTORIED, one.id)
            closed = chains.logged(session, EventKind.CLOSED, one.id)
            moments = _moments(session, one)
        under_way = documents.close is None and self._under_way(one)
        inventory, close = _inventory(documents.inventory), _close(documents.close)
        problems: list[str | None] = [None, None]
        # An inventory is signed while its docking is under way.
        if seals and not under_way:
            problems[0] = self._seal(documents.inventory, documents.inventory_seal, moments[0])
            if documents.close is not None:
                problems[1] = self._seal(documents.close, documents.close_seal or b"", moments[1])
        close_paper = None
        if documents.close is not None:
            close_paper = Paper(
                noted=one.close or "",
                found=Digest.sha256(documents.close).hex,
                logged=_logged(closed, "close"),
                seal=problems[1],
                readable=close is not None,
            )
        return Stay(
            noted=one,
            inventory_paper=Paper(
                noted=one.inventory,
                found=Digest.sha256(documents.inventory).hex,
                logged=_logged(inventoried, "inventory"),
                seal=problems[0],
                readable=inventory is not None,
            ),
            inventory=inventory,
            close_paper=close_paper,
            close=close,
            rows=rows,
            claims={} if inventory is None else self._claims(inventory, rows),
            under_way=under_way,
            close_logged=closed is not None,
        )

    def _seal(self, data: bytes, signature: bytes, moment: datetime | None) -> str | None:
        """Return the word for a seal that does not hold, as ``verify`` has it; None if it does."""
        if not signature:
            return "not-sealed"
        try:
            seal.verify(data, signature, trust_roots=self.node.trust_roots, moment=moment)
        except SealInvalidError as error:
            return seal_word(error)
        return None

    def _under_way(self, one: Noted) -> bool:
        if one.station != self.node.station_id:
            return self.node.clock.now() - one.at < _ELSEWHERE
        return one.id in self._unfinished

    @cached_property
    def _unfinished(self) -> frozenset[str]:
        return unfinished_dockings(self.node)

    def _claims(self, inventory: Inventory, rows: Mapping[int, Row]) -> dict[bytes, Claim]:
        """Return what the names of the files say that a docking saw first, as the docking would read them.

        The profile of the docking before is taken where it explains all of them: to try every profile on
        every file again would be most of the time.
        """
        new = [
            entry
            for position, entry in enumerate(inventory.entries)
            if position not in rows or rows[position].new
        ]
        profile = self._profiles[-1] if self._profiles else None
        facts = {} if profile is None else _matched(profile, new)
        if profile is None or len(facts) < len(new):
            every = [
                Entry(item.path, item.size, item.mtime_ns, read_only=False) for item in inventory.entries
            ]
            recognition = recognise(every, self.node.profiles)
            profile = recognition.profile
            facts = {
                item.path: recognition.facts[item.path] for item in new if item.path in recognition.facts
            }
            self._profiles[:] = [profile]
        zone = _zone(profile, self.node)
        return {path: _claim(path, found, zone) for path, found in facts.items()}


def _matched(profile: Profile, entries: Iterable[Seen]) -> dict[bytes, NameFacts]:
    found = ((entry.path, profile.match(readable(entry.path))) for entry in entries)
    return {path: facts for path, facts in found if facts is not None}


def _zone(profile: Profile, node: Node) -> ZoneInfo:
    return ZoneInfo(profile.time_zone) if profile.time_zone else node.settings.time_zone


def _claim(path: bytes, facts: NameFacts, zone: ZoneInfo) -> Claim:
    numbered = None
    # A side file tells of a clip that may be gone.
    if facts.sequence is not None and facts.kind is not FileKind.SIDE:
        numbered = Numbered(readable(path), facts.sequence, facts.chapter, facts.start)
    return Claim(numbered, None if facts.start is None else _in_utc(facts.start, zone))


def _in_utc(local: datetime, zone: ZoneInfo) -> datetime | None:
    try:
        return sensible(local).replace(tzinfo=zone).astimezone(UTC)
    except ValueError:  # digits that are a date, and no time of footage
        return None


def _inventory(data: bytes) -> Inventory | None:
    try:
        return read_inventory(data)
    except ValueError:
        return None


def _close(data: bytes | None) -> CloseOut | None:
    try:
        return None if data is None else read_close(data)
    except ValueError:
        return None


def _logged(facts: Mapping[str, object] | None, name: str) -> str | None:
    return None if facts is None else str(facts.get(name)).removeprefix("sha256:")


def _moments(session: Session, one: Noted) -> tuple[datetime | None, datetime | None]:
    """Return the times at which the seals of inventory and close-out are checked, as ``verify`` does.

    That is when they were stored: a clock that was wrong then must not put them outside their certificate's
    validity. What was never stored is checked at its own time if the clock was plausible, else now.
    """
    inventory, _, close, _ = layout.docking_keys(one.station, one.id, one.at)
    stored = [chains.stored_at(session, MAIN, key) for key in (inventory, close)]
    own = (one.at, one.closed_at) if one.plausible else (None, None)
    moments = [at if row is None else row.created_at for row, at in zip(stored, own, strict=True)]
    return moments[0], moments[1]
