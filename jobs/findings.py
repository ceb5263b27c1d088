"""What a reconciliation finds, with what it means and what to do, for people."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from config.messages import _, mark


class Kind(StrEnum):
    """What does not agree. Stable words."""

    ORPHAN = "orphan"
    UNKNOWN_OBJECT = "unknown-object"
    NEWER_SAME = "newer-version-same"
    NEWER_OTHER = "newer-version"
    EXTRA = "extra-version"
    MARKER = "delete-marker"
    MISSING = "missing"
    MISSING_HERE = "missing-here"
    DOCUMENT_MISSING = "document-missing"
    VERSION_LOST = "version-lost"
    SIZE = "size"
    LOCK_MISSING = "lock-missing"
    LOCK_SHORT = "lock-short"
    NOT_STORED = "not-stored"
    UPLOAD = "upload"
    UPLOAD_OF_OTHERS = "upload-of-others"
    TEMP_FILE = "temp-file"
    SPOOL_SAFE = "spool-safe"
    SPOOL_KEPT = "spool-kept"
    SPOOL_UNKNOWN = "spool-unknown"
    DOCKING_OPEN = "docking-open"
    DOCKING_UNPUBLISHED = "docking-unpublished"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why something may be so and what to do; ``repair``: --repair can mend it; ``harmless``: leave it."""

    why: str
    todo: str
    repair: bool = False
    harmless: bool = False


_REPAIR = mark("--repair does it.")
_NOTHING = mark("Nothing has to be done.")

MEANINGS: dict[Kind, Meaning] = {
    Kind.ORPHAN: Meaning(
        mark("It is in the vault and the register does not say so, though it knows the digest: a process was "
             "ended in between, or the register is an older backup."),
        mark("Have its bytes hashed and written down: --repair does it."),
        repair=True,
    ),
    Kind.UNKNOWN_OBJECT: Meaning(
        mark("The register does not know these bytes: it is an older backup, or somebody else stored them."),
        mark("Leave it as it is. Find out who stored it; after a restore, dock the recorders again."),
    ),
    Kind.NEWER_SAME: Meaning(
        mark("The same bytes were stored once more, at the same moment by another station or by hand."),
        mark("Have the newer version hashed, locked and written down, too: --repair does it."),
        repair=True,
    ),
    Kind.NEWER_OTHER: Meaning(
        mark("Somebody wrote other bytes over it; the version that was stored is still there below."),
        mark("Find out whose credentials did it. `retrieve` gives out the version that was stored."),
    ),
    Kind.EXTRA: Meaning(
        mark("A version that the register does not name lies below the one it names; it hides nothing."),
        _NOTHING,
        harmless=True,
    ),
    Kind.MARKER: Meaning(
        mark("Somebody deleted it; the store kept the version and put a marker on top."),
        mark("Find out whose credentials did it, then have the store's administrator remove the marker."),
    ),
    Kind.MISSING: Meaning(
        mark("The register names a version that the vault does not hold."),
        mark("Run `sealdock verify`; restore the object from the copy, or dock its recorder again."),
    ),
    Kind.MISSING_HERE: Meaning(
        mark("The register names a version that this one of the vaults does not hold."),
        mark("Have it brought from the other vault, with proof: --repair does it. Find out how it was lost."),
        repair=True,
    ),
    Kind.DOCUMENT_MISSING: Meaning(
        mark("The register names a document that the vault does not hold, and has its signed bytes itself."),
        mark("Have it stored again from the register: --repair does it. Find out how it was lost."),
        repair=True,
    ),
    Kind.VERSION_LOST: Meaning(
        mark("The vault does not hold this version any more, but another one of the same bytes: it was "
             "stored again, or the vault has moved."),
        mark("Have it written down as lost: --repair does it. Find out how it was lost, if nobody moved the "
             "vault."),
        repair=True,
    ),
    Kind.SIZE: Meaning(
        mark("The stored version has another size than the register says."),
        mark("Leave it as it is, run `sealdock verify` and tell the evidence clerk."),
    ),
    Kind.LOCK_MISSING: Meaning(
        mark("The stored version is not locked: somebody took the lock away, or its record was lost."),
        mark("Have the lock set again: --repair does it. Find out who did it."),
        repair=True,
    ),
    Kind.LOCK_SHORT: Meaning(
        mark("The stored version is locked for a shorter time than was confirmed."),
        mark("Have the lock set again: --repair does it. Find out who did it."),
        repair=True,
    ),
    Kind.NOT_STORED: Meaning(
        mark("The clip counts as safe, and the register names no stored version of it."),
        mark("If its object is an orphan, --repair mends it; else dock the recorder again."),
    ),
    Kind.UPLOAD: Meaning(
        mark("An upload in parts was begun and never finished; the store keeps its parts for ever."),
        _REPAIR,
        repair=True,
    ),
    Kind.UPLOAD_OF_OTHERS: Meaning(
        mark("Another station that shares the bucket has an upload under way, or was ended in the middle."),
        _NOTHING,
        harmless=True,
    ),
    Kind.TEMP_FILE: Meaning(
        mark("A process was ended while it wrote into the vault; what it wrote is no object."),
        _REPAIR,
        repair=True,
    ),
    Kind.SPOOL_SAFE: Meaning(
        mark("A copy was left in the spool, and the vault holds its bytes."),
        mark("Have it compared with what the vault holds and removed: --repair does it."),
        repair=True,
    ),
    Kind.SPOOL_KEPT: Meaning(
        mark("The copy of a clip that could not be stored is kept: it may be the only one."),
        mark("See why with `sealdock clips`, then dock the recorder again; do not remove the file before."),
    ),
    Kind.SPOOL_UNKNOWN: Meaning(
        mark("A file in the spool belongs to no clip, and the vault does not hold its bytes."),
        mark("Look at it; move it elsewhere if it is not from here."),
    ),
    Kind.DOCKING_OPEN: Meaning(
        mark("The docking has no close-out, and no process will write one: its work was lost or cut off."),
        mark("Have it closed as it stands: --repair does it. Then dock the recorder again."),
        repair=True,
    ),
    Kind.DOCKING_UNPUBLISHED: Meaning(
        mark("The docking is closed, and its signed documents are not all in the vault."),
        mark("Have them stored: --repair does it."),
        repair=True,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree. ``what``: a key, file or docking; ``detail``: a version or upload."""

    kind: Kind
    what: str
    detail: str = ""
    clip: str | None = None
    repaired: bool = False
    vault: str | None = None
    """In which vault, by its name; None for what lies elsewhere."""
    problem: str | None = None
    """Why a repair was refused: the code of the error, or a short stable word."""

    @property
    def open(self) -> bool:
        """Return whether something has to be done."""
        return not self.repaired and not MEANINGS[self.kind].harmless

    def to_json(self) -> dict[str, Any]:
        """Return the facts and sentences as JSON values."""
        meaning = MEANINGS[self.kind]
        return {
            "kind": self.kind.value,
            "what": self.what,
            "detail": self.detail,
            "clip": self.clip,
            "vault": self.vault,
            "open": self.open,
            "repairable": meaning.repair,
            "repaired": self.repaired,
            "problem": self.problem,
            "why": _(meaning.why),
            "todo": _(meaning.todo),
        }
