"""The records of advisory locks, kept beside a local vault's objects (schema ``sealdock.lock/1``)."""

import io
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from config.errors import LockShorteningError
from hashing import canonical
from hashing.digest import Digest
from storage.layout import split_key
from storage.temps import Temps
from storage.tree import LOCKS, Folder, NotAnObjectError, Tree
from storage.vault import LockMode, as_utc

SCHEMA = "sealdock.lock/1"

MAX_BYTES = 64 * 1024
"""No record is near as long; a longer file is not one."""


@dataclass(frozen=True, slots=True)
class LockRecord:
    """What is locked, and until when (UTC)."""

    key: str
    digest: Digest
    """SHA-256 of the object."""
    size: int
    """Bytes."""
    until: datetime
    held: bool = False
    """A legal hold lies on it."""

    @property
    def version(self) -> str:
        """Version id of the object the lock is for."""
        return version_of(self.digest)

    def encode(self) -> bytes:
        """Return the record as canonical JSON (RFC 8785)."""
        return canonical.encode(
            {
                "schema": SCHEMA,
                "key": self.key,
                "version": self.version,
                "size": self.size,
                "sha256": self.digest.hex,
                "mode": LockMode.ADVISORY.value,
                "until": self.until,
                "held": self.held,
            },
        )

    @classmethod
    def decode(cls, data: bytes, *, key: str) -> "LockRecord | None":
        """Read a record that must be that of ``key``; None for anything else.

        A damaged record is no lock: whoever relies on it finds ``LockMode.NONE`` and repairs it or raises the
        alarm.
        """
        try:
            value: Any = orjson.loads(data)
            record = cls(
                key=value["key"],
                digest=Digest.parse(f"sha256:{value['sha256']}"),
                size=int(value["size"]),
                until=as_utc(datetime.fromisoformat(value["until"])),
                held=value["held"] is True,
            )
        except (ValueError, TypeError, KeyError):
            return None
        # Encoding again compares the spelling and every field, schema and mode among them: nothing was added.
        sound = record.key == key and record.size >= 0 and record.encode() == data
        return record if sound else None


def version_of(digest: Digest) -> str:
    """Version id of the bytes with this digest: their SHA-256 in hex (see ``storage.local``)."""
    return digest.hex


class LockRecords:
    """The lock records of one vault, at ``.locks/<key>.json``."""

    def __init__(self, tree: Tree, temps: Temps) -> None:
        self._tree = tree
        self._temps = temps

    def read(self, key: str) -> LockRecord | None:
        """Return the record of ``key``; None if it is missing or damaged."""
        parents, name = split_key(key)
        try:
            with self._tree.folder((LOCKS, *parents)) as folder:
                return _read(folder, name, key)
        except FileNotFoundError:
            return None

    def write_first(self, wanted: LockRecord) -> LockRecord:
        """Record the lock of an object that is about to get its name; durable on return.

        The caller holds the lock of the object's folder and has seen that there is no object. An earlier try
        may have left a record; a later date in it is kept.
        """
        with self._folder(wanted) as folder:
            return self._write(folder, wanted, first=True)

    def extend(self, home: Folder, wanted: LockRecord, *, refuse_shorter: bool) -> LockRecord:
        """Record that the object in ``home`` is locked until ``wanted.until`` or later; durable on return.

        Compares and replaces under the lock of the object's folder, which it takes, so that no two writers
        shorten each other's.

        Raises:
            LockShorteningError: ``refuse_shorter``, and it is locked for longer.

        """
        home.lock()
        with self._folder(wanted) as folder:
            present = _read(folder, split_key(wanted.key)[1], wanted.key)
            if present is not None and refuse_shorter and wanted.until < present.until:
                raise LockShorteningError(key=wanted.key, current=present.until, asked=wanted.until)
            if present is None or present.digest != wanted.digest or present.until < wanted.until:
                return self._write(folder, wanted, first=False)
            folder.sync()  # whoever wrote it may have died before it came to this
            return present

    def hold(self, home: Folder, wanted: LockRecord) -> LockRecord:
        """Record whether ``wanted`` is held; its date only if there is no record. Durable on return."""
        home.lock()
        with self._folder(wanted) as folder:
            present = _read(folder, split_key(wanted.key)[1], wanted.key)
            if present is not None and present.digest == wanted.digest and present.held == wanted.held:
                folder.sync()
                return present
            return self._write(folder, wanted, first=False, held=wanted.held)

    def _folder(self, wanted: LockRecord) -> AbstractContextManager[Folder]:
        return self._tree.folder((LOCKS, *split_key(wanted.key)[0]), create=True)

    def _write(
        self, folder: Folder, wanted: LockRecord, *, first: bool, held: bool | None = None
    ) -> LockRecord:
        """Write a record: its date is never earlier than that there, its hold as there unless given."""
        name = split_key(wanted.key)[1]
        present = _read(folder, name, wanted.key)
        record = wanted
        if present is not None:
            until = max(wanted.until, present.until)
            record = replace(wanted, until=until, held=present.held if held is None else held)
        with self._temps.new() as temp:
            temp.write(record.encode())
            if not first:
                os.fsync(temp.fd)  # a torn record must never take the place of a good one
            temp.move(folder, f"{name}.json")
            if first:
                os.fsync(temp.fd)  # one wait for the journal: see ``storage.publisher``, step 3
            folder.sync()
        return record


def _read(folder: Folder, name: str, key: str) -> LockRecord | None:
    try:
        fd = folder.open_file(f"{name}.json")
    except NotAnObjectError:
        return None  # a link in its place is no record, and the next writer's rename replaces it
    if fd is None:
        return None
    with io.FileIO(fd) as file:
        data = file.read(MAX_BYTES + 1) or b""
    return LockRecord.decode(data, key=key) if len(data) <= MAX_BYTES else None
