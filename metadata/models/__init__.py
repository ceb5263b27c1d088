"""Tables of the register."""

from metadata.models.base import Base
from metadata.models.case import Case, CaseWindow, Link, LinkCandidate
from metadata.models.clip import LEDGER_KINDS, Clip, StoredKind, StoredObject, StoredVersion, Tag
from metadata.models.docking import Docking, Outcome, Progress, Sighting
from metadata.models.event import CustodyEvent
from metadata.models.hold import Hold
from metadata.models.integrity import Alert, AlertAcknowledgement, Derivative, IntegrityResult, IntegrityRun
from metadata.models.ledger import LedgerCheckpoint, LedgerCosignature, LedgerNode, LedgerStanding
from metadata.models.people import Assignment, Officer, Recorder, Station
from metadata.models.seal import Seal, SealTimestamp, SigningKey

__all__ = [
    "LEDGER_KINDS",
    "Alert",
    "AlertAcknowledgement",
    "Assignment",
    "Base",
    "Case",
    "CaseWindow",
    "Clip",
    "CustodyEvent",
    "Derivative",
    "Docking",
    "Hold",
    "IntegrityResult",
    "IntegrityRun",
    "LedgerCheckpoint",
    "LedgerCosignature",
    "LedgerNode",
    "LedgerStanding",
    "Link",
    "LinkCandidate",
    "Officer",
    "Outcome",
    "Progress",
    "Recorder",
    "Seal",
    "SealTimestamp",
    "Sighting",
    "SigningKey",
    "Station",
    "StoredKind",
    "StoredObject",
    "StoredVersion",
    "Tag",
]
