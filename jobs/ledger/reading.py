"""Read the ledger as a vault holds it. What lies there is checked, not believed."""

from collections.abc import Iterator
from dataclasses import dataclass

from config.errors import LedgerForeignError, ObjectMissingError
from hashing.checkpoint import Checkpoint, open_note
from hashing.notes import NoteError
from jobs.ledger.keys import Log
from storage import layout
from storage.vault import StoredVersion, Vault

MAX_OBJECT = 64 << 20
"""Bytes; an event bundle is closed at 4 MiB, and one event of a large card may stand alone in it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint as a vault holds it."""

    key: str
    checkpoint: Checkpoint
    note: bytes


def read(vault: Vault, key: str, limit: int = MAX_OBJECT) -> bytes:
    """Return the bytes at a key, as ``fetch`` does."""
    return fetch(vault, key, limit)[1]


def fetch(vault: Vault, key: str, limit: int = MAX_OBJECT) -> tuple[StoredVersion, bytes]:
    """Return the oldest version at a key, which is the one that was locked first, and its bytes.

    Raises ObjectMissingError, also for more than ``limit`` bytes, and VaultUnavailableError.
    """
    found = [version for version in vault.versions(key) if not version.marker]
    if not found:
        raise ObjectMissingError(key=key)
    try:
        with vault.open(key, found[-1].version) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ObjectMissingError(key=key) from error
    if len(data) > limit:
        raise ObjectMissingError(key=key)
    return found[-1], data


def newest(vault: Vault, its_log: Log, known: int = 0) -> Kept | None:
    """Return the checkpoint of the largest size in a vault; ``known``: that of one that is there.

    Raises as ``read`` does, and LedgerForeignError for one that the log did not sign.
    """
    prefix = layout.checkpoints_prefix(its_log.origin)
    start = layout.checkpoint_key(its_log.origin, known - 1) if known > 0 else ""
    last = None
    for key in vault.keys(prefix, after=start):
        if layout.checkpoint_size(key) is not None:
            last = key
    return None if last is None else _opened(vault, its_log, last)


def checkpoints(vault: Vault, its_log: Log) -> Iterator[Kept | LedgerForeignError]:
    """Walk all checkpoints of a vault by size; those that the log did not sign come as errors."""
    for key in vault.keys(layout.checkpoints_prefix(its_log.origin)):
        if layout.checkpoint_size(key) is not None:
            try:
                yield _opened(vault, its_log, key)
            except LedgerForeignError as error:
                yield error


def origins(vault: Vault) -> list[str]:
    """Return the names of the logs of which a vault holds a checkpoint."""
    found: dict[str, None] = {}
    last = ""
    for key in vault.keys("ledger/"):
        origin, mark, _ = key.removeprefix("ledger/").rpartition("/checkpoints/")
        if mark and origin != last:
            found[origin] = None
            last = origin
    return list(found)


def _opened(vault: Vault, its_log: Log, key: str) -> Kept:
    note = read(vault, key, limit=1_000_000)
    try:
        opened = open_note(note, [its_log.vkey])
    except NoteError as error:
        raise LedgerForeignError(key=key, problem=str(error)) from error
    head = opened.checkpoint
    if head.origin != its_log.origin or head.size != layout.checkpoint_size(key):
        raise LedgerForeignError(key=key, problem="it speaks of another log or size")
    return Kept(key, head, note)
