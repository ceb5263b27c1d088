"""Small documents go to every required vault and are asked for again before anything is written down."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from hashing.digest import Digest
from jobs.node import Node
from jobs.storing import Document
from metadata.repo import objects
from metadata.repo.objects import Stored
from storage.confirm import Expected, confirm, confirmation_of


def place(node: Node, document: Document, until: datetime) -> Mapping[str, Stored]:
    """Put a document into every required vault, locked until a date, and confirm it; by the vaults' names.

    Raises what ``Vault.put_bytes`` and ``confirm`` raise.
    """
    digest = Digest.sha256(document.data).hex
    placed = {}
    for store in node.required:
        put = store.vault.put_bytes(document.key, document.data, lock_until=until)
        found = confirm(store.vault, Expected(put.key, put.version, len(document.data), until))
        placed[store.name] = Stored(found, document.kind, digest, confirmation_of(put).value)
    return placed


def note_placed(session: Session, placed: Mapping[str, Stored], at: datetime) -> None:
    """Note what ``place`` returned."""
    for name, stored in placed.items():
        objects.note_stored(session, name, stored, at, confirmed=True)
