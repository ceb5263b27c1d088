"""Alerts in words: each kind has a sentence, with what the alert knows in it."""

from collections.abc import Mapping
from string import Formatter
from typing import Any

from config.masking import printable
from config.messages import _, mark

TEXTS = {
    "clearing-refused": mark("A clip was not removed from its recorder: {problem}."),
    "clock-implausible": mark("The clock said {clock}, which cannot be right; docking {docking}."),
    "copy-failed": mark("Versions that could not be brought to the second vault: {failed} ({problem})."),
    "digest": mark("The vault gave other bytes than were stored, during {during}."),
    "docking-documents": mark("Inventory or close-out of docking {docking} is not in the vault: {problem}."),
    "integrity": mark("An integrity check found something wrong: {problem}."),
    "key-expires": mark("The station's key expires at {not_after}; run `sealdock keys rotate`."),
    "ledger": mark("The log of events and what {holder} holds of it do not agree: {problem}."),
    "lock-set-again": mark("A stored version had lost its lock, which was set again: {key}."),
    "locks-behind": mark("Locks are behind: {behind}; see `sealdock locks list --behind`."),
    "quarantined": mark("A clip was put into quarantine: {reason}."),
    "reread-different": mark("The card gave other bytes than before; they are kept as clip {new_clip}."),
    "spool-high": mark("The spool is {share} % full: cards wait until it has drained."),
    "timestamp-invalid": mark("The timestamp authority {url} answers wrongly: {problem}."),
    "unknown-volume": mark("A recorder that nobody has accepted was docked: {identity}."),
}
"""By kind. What is in braces are the alert's facts."""

_LONGEST = 300


def told(kind: str, facts: Mapping[str, Any]) -> str:
    """Return an alert of a kind as a sentence; one of an unknown kind shows what it is made of."""
    template = TEXTS.get(kind)
    if template is None:
        return printable(
            ", ".join([kind, *(f"{name} {value}" for name, value in facts.items())]), limit=_LONGEST
        )
    names = {name for _text, name, _spec, _conversion in Formatter().parse(template) if name}
    known = {name: printable(str(facts.get(name, "?")), limit=_LONGEST) for name in names}
    return _(template).format(**known)
