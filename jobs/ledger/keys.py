"""The log's key: made with a new register, and kept by the home that made it.

Every home of a register knows the log's verifier key. Only the one that has the private key signs
checkpoints; the others append, and need not be trusted with it.
"""

import os
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import KeyFileInvalidError
from config.settings import Settings
from hashing import canonical, durable
from hashing.keys import read_secret
from hashing.notes import KeyType, NoteError, NoteKey, Vkey
from metadata.events import EventKind
from metadata.models import CustodyEvent

KEY, VKEY = "ledger.key", "ledger.vkey"
"""Files in the keys folder: the private key (PEM, 0600) and the verifier key that others check with."""

_MAX_VKEY = 1024


@dataclass(frozen=True, slots=True)
class Log:
    """The log of a register: what its checkpoints are checked with, and signed with if this home may."""

    vkey: Vkey
    key: NoteKey | None = None

    @property
    def origin(self) -> str:
        """The log's name in the world (C2SP tlog-checkpoint)."""
        return self.vkey.name


def load(settings: Settings) -> Log:
    """Return the log of a home. Raises KeyFileInvalidError and KeyFileExposedError."""
    path = settings.keys_path / VKEY
    try:
        with path.open("rb") as file:
            vkey = Vkey.parse(file.read(_MAX_VKEY).decode("ascii").strip())
    except OSError as error:
        raise KeyFileInvalidError(path=str(path), problem=error.strerror) from error
    except (NoteError, UnicodeDecodeError) as error:
        raise KeyFileInvalidError(path=str(path), problem=str(error)) from error
    private = settings.keys_path / KEY
    if not private.exists():
        return Log(vkey)
    try:
        key = NoteKey.load(vkey.name, KeyType.ED25519, read_secret(private))
    except NoteError as error:
        raise KeyFileInvalidError(path=str(private), problem=str(error)) from error
    if key.vkey != vkey:
        raise KeyFileInvalidError(path=str(private), problem=f"it is not the key of {VKEY}")
    return Log(vkey, key)


def make(settings: Settings) -> Log:
    """Make the log of a new register, or return the one that an earlier try made."""
    folder = settings.keys_path
    private = folder / KEY
    if not (folder / VKEY).exists():
        durable.make_dirs(folder, mode=0o700)
        key = NoteKey.generate(f"sealdock/{str(ULID()).lower()}", KeyType.ED25519)
        durable.replace(private, key.pem(), mode=0o600)
        # The verifier key names the log: it comes last, and without it everything is made again.
        durable.replace(folder / VKEY, f"{key.vkey}\n".encode("ascii"), mode=0o644)
    return load(settings)


def follow(settings: Settings, vkey: str) -> Log:
    """Take over the log of a register that other stations use."""
    durable.make_dirs(settings.keys_path, mode=0o700)
    path = settings.keys_path / VKEY
    if not path.exists():
        durable.replace(path, f"{vkey}\n".encode("ascii"), mode=0o644)
    found = load(settings)
    if str(found.vkey) != vkey:
        raise KeyFileInvalidError(
            path=os.fspath(path), problem="the register's other stations have another log"
        )
    return found


def of_register(session: Session) -> str | None:
    """Return the verifier key that the register's first event names."""
    query = select(CustodyEvent.body).where(CustodyEvent.kind == EventKind.INITIALISED.value)
    body = session.scalar(query.order_by(CustodyEvent.sequence).limit(1))
    return None if body is None else str(canonical.decode(body)["facts"]["ledger"])
