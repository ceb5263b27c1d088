"""What speaks against the chain of a recorder, in words: what was found, and what to do."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from commands.common import local, shown
from config.messages import _, mark
from metadata.completeness import Finding, Kind

_MORE = 3
"""So many names are in a sentence; all that a finding has are in the JSON document."""

_CHANGED = mark(
    "Somebody changed what was written down, or the disk fails. Keep the register as it is, and compare it "
    "with the last backup, and with the vault's copy: `sealdock verify --level full`."
)
_WITHHELD = mark(
    "A docking was taken out of the register, or it is an older backup. Its inventory and close-out are in "
    "the vault, under dockings/; find out who could write to the register."
)
_ASK = mark("Ask whoever carried the recorder, and write down the answer.")
_NOTHING = mark("Nothing has to be done.")

TEXTS: dict[Kind, tuple[str, str]] = {
    Kind.DOCUMENT_DIGEST: (
        mark("The {document} is not the one that was noted: sha256:{found} instead of sha256:{expected}."),
        _CHANGED,
    ),
    Kind.DOCUMENT_SEAL: (
        mark("The seal of the {document} does not hold: {problem}."),
        mark("not-sealed: its docking was cut off, see `sealdock reconcile`. seal-untrusted: another "
             "station's, see `sealdock keys list`. Else somebody changed the document or the seal: keep both "
             "as they are."),
    ),
    Kind.DOCUMENT_UNREADABLE: (mark("The {document} cannot be read."), _CHANGED),
    Kind.CONTRADICTION: (mark("Register, log and signed documents contradict each other: {what}."), _CHANGED),
    Kind.DOCKING_LOST: (
        mark("The log of events has this docking, and the register does not."),
        _WITHHELD,
    ),
    Kind.PREVIOUS_UNKNOWN: (
        mark("The inventory names an earlier docking that the register does not have: {previous}."),
        _WITHHELD,
    ),
    Kind.PREVIOUS_DIFFERS: (
        mark("The inventory names docking {previous} with another {document}: sha256:{expected}; the "
             "register has {found}."),
        _CHANGED,
    ),
    Kind.SUCCESSOR_MISSING: (
        mark("A later docking named this one, and no inventory does any more."),
        _WITHHELD,
    ),
    Kind.UNNAMED: (
        mark("There are later dockings, and no inventory names this one."),
        mark("Find out whether the recorder was docked at a station that did not know of this docking."),
    ),
    Kind.GONE_UNSAFE: (
        mark("Gone from the card since docking {previous}, not cleared by us and never made safe: {names}."),
        _ASK,
    ),
    Kind.GONE_SAFE: (
        mark("Gone from the card since docking {previous}, not cleared by us; the vault has them: {names}."),
        _NOTHING,
    ),
    Kind.CARD_CHANGED: (
        mark("Another card, or an emptied one: none of the {count} files of docking {previous} is on it; of "
             "them {unsafe} are not safe."),
        mark("Nothing has to be done if all are safe; else find the other card and dock it."),
    ),
    Kind.UNCONFIRMED: (
        mark("Seen and never made safe: {names} ({states})."),
        mark("Dock the recorder again while it still has them; `sealdock clips` says why they are not safe."),
    ),
    Kind.NUMBER_GAP: (
        mark("Numbers that were never seen: {numbers}, between {after} and {before}."),
        _ASK,
    ),
    Kind.CHAPTER_GAP: (
        mark("Chapters that were never seen: {chapters}, of the recording of {recording}."),
        _ASK,
    ),
    Kind.COUNTER_RESTART: (
        mark("The recorder's counter began anew ({count}), first at {before} after {after}."),
        _NOTHING,
    ),
    Kind.NUMBER_LEAP: (
        mark("The numbers leap ({count}), first from {after} to {before}: another counter, or another card."),
        _NOTHING,
    ),
    Kind.DOCKING_OPEN: (
        mark("The docking was never closed."),
        mark("`sealdock reconcile --repair` closes it as it stands. Then dock the recorder again."),
    ),
    Kind.DOCKING_UNDER_WAY: (mark("The docking is under way."), _NOTHING),
    Kind.CLOCK_IMPLAUSIBLE: (
        mark("The station's clock said {at}, which cannot be right."),
        mark("Do not rely on the times of this docking; its place in the chain stands."),
    ),
    Kind.CLOCK_BACKWARDS: (
        mark("The docking before it, {previous}, began later by the clock, {previous_at}; this one {at}."),
        mark("Find out which of the two clocks was wrong; do not rely on the times of either docking."),
    ),
    Kind.RECORDER_CLOCK: (
        mark("Names tell of times ({earliest} to {latest}) that do not fit the dockings: {names}."),
        mark("Set the recorder's clock, and keep in mind that it was wrong."),
    ),
}  # fmt: skip
"""By kind: what was found, with its facts in braces, and what to do."""

_MORE_GAPS = mark("Further gaps in the numbers: {more}.")

WORDS = {
    "inventory": mark("inventory"),
    "close": mark("close-out"),
    "log-inventory": mark("the log has another inventory, or none"),
    "log-close": mark("the log has another close-out, or the register has lost it"),
    "inventory-register": mark("the inventory is of another docking, station, recorder or time"),
    "inventory-clips": mark("the register's clips are not the files of the inventory"),
    "close-register": mark("the close-out is of another docking or time"),
    "close-inventory": mark("the close-out names another inventory"),
    "close-clips": mark("the register does not have the clips that the close-out calls safe"),
    "close-files": mark("the files of the close-out are not those of the inventory"),
}
"""Words for what facts name by stable ones."""


def told(finding: Finding, zone: tzinfo) -> str:
    """Return what was found as one sentence, times in ``zone``."""
    facts = dict(finding.facts)
    text = TEXTS[finding.kind][0]
    if "more" in facts:
        text = _MORE_GAPS
    elif "first" in facts:
        first, last = facts["first"], facts["last"]
        facts["numbers"] = str(first) if first == last else f"{first}-{last}"
    return _(text).format(**{name: _word(name, value, facts, zone) for name, value in facts.items()})


def todo(finding: Finding) -> str:
    """Return what to do."""
    return _(TEXTS[finding.kind][1])


def _word(name: str, value: Any, facts: Mapping[str, Any], zone: tzinfo) -> str:
    if name == "names":
        return _names(value, int(facts["count"]))
    if name == "states":
        return ", ".join(f"{state} {count}" for state, count in value.items())
    if name in {"document", "what"}:
        return _(WORDS[value])
    if hasattr(value, "astimezone"):
        return local(value, zone)
    if isinstance(value, list | tuple):
        return shown(", ".join(str(item) for item in value))
    return "-" if value is None else shown(value)


def _names(names: list[str], count: int) -> str:
    some = ", ".join(shown(name) for name in names[:_MORE])
    left = count - len(names[:_MORE])
    return some if not left else _("{names} and {count} more").format(names=some, count=left)
