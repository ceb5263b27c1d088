"""What a witness remembers: its logs and every checkpoint it has cosigned, in one SQLite file.

One file rather than one a log, because the latest checkpoint and the history change in one transaction, and
because a log that is cosigned every few minutes would leave half a million files in five years. Nothing is
ever deleted; the notes stand there as text, as they are handed out. A rollback journal (not WAL), so that
the file alone is the state whenever nobody writes, and ``synchronous = EXTRA``, so that what was committed
is there after a power cut, too.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from config.errors import WitnessStateError
from config.times import spelled
from hashing.checkpoint import Checkpoint
from hashing.notes import Note, NoteError, Vkey, decode_base64, encode_base64

_APPLICATION_ID = 0x73646B77  # "sdkw"
_VERSION = 1
_BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE witness (
  one INTEGER PRIMARY KEY CHECK (one = 1), vkey TEXT NOT NULL, made_at TEXT NOT NULL
) STRICT;
CREATE TABLE log_key (
  origin TEXT NOT NULL, vkey TEXT NOT NULL, added_at TEXT NOT NULL, PRIMARY KEY (origin, vkey)
) STRICT;
CREATE TABLE cosigned (
  origin TEXT NOT NULL, size INTEGER NOT NULL CHECK (size >= 0), root TEXT NOT NULL CHECK (length(root) = 44),
  at TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (origin, size)
) STRICT;
CREATE TABLE stopped (
  origin TEXT PRIMARY KEY, at TEXT NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TRIGGER cosigned_only_grows BEFORE INSERT ON cosigned
WHEN EXISTS (SELECT 1 FROM cosigned WHERE origin = NEW.origin AND size >= NEW.size)
BEGIN SELECT RAISE(ABORT, 'a log does not shrink'); END;
CREATE TRIGGER cosigned_stays BEFORE UPDATE OF origin, size, root ON cosigned
BEGIN SELECT RAISE(ABORT, 'what was cosigned stays'); END;
CREATE TRIGGER cosigned_is_kept BEFORE DELETE ON cosigned
BEGIN SELECT RAISE(ABORT, 'what was cosigned is kept'); END;
"""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that was cosigned: size, root (32 bytes), its note as text, when (RFC 3339, UTC)."""

    size: int
    root: bytes
    at: str
    note: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """A log that the witness serves, its keys, and the latest checkpoint cosigned, if any."""

    origin: str
    vkeys: tuple[Vkey, ...]
    latest: Cosigned | None
    stopped: bool


class State:
    """The open state file; safe to use from several threads, one transaction at a time.

    Every method may raise sqlite3.Error when the file cannot be read or written; nothing was changed then.
    """

    def __init__(self, path: Path, *, thorough: bool = False) -> None:
        """Open a state file; read all of it if it has to be ``thorough``. Raises WitnessStateError.

        That is raised for a file that is no state, or damaged, or whose latest notes are not this witness's.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise WitnessStateError(path=path, problem=str(error)) from error
        try:
            self._prepare(thorough=thorough)
        except (sqlite3.Error, NoteError, WitnessStateError) as error:
            self._db.close()
            if isinstance(error, WitnessStateError):
                raise
            raise WitnessStateError(path=path, problem=str(error)) from error

    def _prepare(self, *, thorough: bool) -> None:
        self._db.execute("PRAGMA synchronous = EXTRA")
        self._db.execute("PRAGMA recursive_triggers = ON")
        found = [self._one(f"PRAGMA {name}") for name in ("application_id", "user_version")]
        if found != [_APPLICATION_ID, _VERSION]:
            raise WitnessStateError(path=self.path, problem="this is no state of a witness of this version")
        told = self._one("PRAGMA quick_check(1)") if thorough else "ok"
        if told != "ok":
            raise WitnessStateError(path=self.path, problem=str(told))
        self._check()

    def _check(self) -> None:
        """Check that the latest note of every log is what this witness has signed, as its columns say."""
        own = self.vkey
        for log in self.logs():
            if log.latest is None:
                continue
            note = Note.parse(log.latest.note.encode())
            checkpoint = Checkpoint.parse(note.text)
            note.verify([own])
            note.verify(log.vkeys)
            told = (log.origin, log.latest.size, log.latest.root)
            if (checkpoint.origin, checkpoint.size, checkpoint.root) != told:
                raise NoteError(f"the latest note of {log.origin} is another than its row says")

    @classmethod
    def create(cls, path: Path, vkey: Vkey, at: datetime) -> Self:
        """Make the state of a new witness. Raises FileExistsError, OSError."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = EXTRA")
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            db.execute("INSERT INTO witness VALUES (1, ?, ?)", (str(vkey), spelled(at)))
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")  # last: the mark of a whole one
        return cls(path)

    def close(self) -> None:
        """Close the file; a transaction under way ends first."""
        with self._lock:
            self._db.close()

    @property
    def vkey(self) -> Vkey:
        """The verifier key of the witness that the state belongs to."""
        return Vkey.parse(str(self._one("SELECT vkey FROM witness")))

    def add_key(self, origin: str, vkey: Vkey, at: datetime) -> bool:
        """Trust a key for a log; False if it was trusted already."""
        with self.change():
            done = self._db.execute(
                "INSERT INTO log_key VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (origin, str(vkey), spelled(at)),
            )
            return done.rowcount == 1

    def keys(self, origin: str) -> tuple[Vkey, ...]:
        """Return the keys of a log; none: it is not served here."""
        rows = self._all("SELECT vkey FROM log_key WHERE origin = ? ORDER BY added_at, vkey", origin)
        return tuple(Vkey.parse(row[0]) for row in rows)

    def logs(self) -> list[LogRow]:
        """Return all logs that are served here, by origin."""
        origins = [row[0] for row in self._all("SELECT DISTINCT origin FROM log_key ORDER BY origin")]
        return [
            LogRow(origin, self.keys(origin), self.latest(origin), self.stopped(origin)) for origin in origins
        ]

    def count(self) -> tuple[int, int]:
        """Return how many logs are served here, and for how many of them nothing is signed any more."""
        served, stopped = self._all(
            "SELECT (SELECT count(DISTINCT origin) FROM log_key), (SELECT count(*) FROM stopped)"
        )[0]
        return int(served), int(stopped)

    def stopped(self, origin: str) -> bool:
        """Return whether nothing is signed for a log any more, because this state had gone back."""
        return bool(self._all("SELECT 1 FROM stopped WHERE origin = ?", origin))

    def stop(self, origin: str, note: Note, at: datetime) -> None:
        """Sign nothing more for a log; ``note`` is what shows that this state had gone back."""
        self._db.execute(
            "INSERT INTO stopped VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (origin, spelled(at), note.spell().decode()),
        )

    def latest(self, origin: str) -> Cosigned | None:
        """Return the greatest checkpoint that was cosigned for a log."""
        return self._cosigned("WHERE origin = ? ORDER BY size DESC LIMIT 1", origin)

    def at_size(self, origin: str, size: int) -> Cosigned | None:
        """Return what was cosigned at a size."""
        return self._cosigned("WHERE origin = ? AND size = ?", origin, size)

    def keep(self, checkpoint: Checkpoint, note: Note, at: datetime) -> None:
        """Remember a checkpoint that was cosigned; within ``change``, where it was compared with the latest.

        A size that is known keeps its root and takes the newer note. Raises sqlite3.IntegrityError for one
        that is smaller than the latest, or another root.
        """
        root, text = encode_base64(checkpoint.root), note.spell().decode()
        done = self._db.execute(
            "UPDATE cosigned SET note = ?, at = ? WHERE origin = ? AND size = ? AND root = ?",
            (text, spelled(at), checkpoint.origin, checkpoint.size, root),
        )
        if done.rowcount == 0:
            self._db.execute(
                "INSERT INTO cosigned VALUES (?, ?, ?, ?, ?)",
                (checkpoint.origin, checkpoint.size, root, spelled(at), text),
            )

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the state alone, among all processes; when the block ends, what changed is on the medium."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._commit()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _commit(self) -> None:
        self._db.execute("COMMIT")

    def _cosigned(self, where: str, *values: object) -> Cosigned | None:
        rows = self._all(f"SELECT size, root, at, note FROM cosigned {where}", *values)  # noqa: S608 - our own
        if not rows:
            return None
        size, root, at, note = rows[0]
        return Cosigned(size, decode_base64(root), at, note)

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _one(self, statement: str) -> object:
        rows = self._all(statement)
        return rows[0][0] if rows else None
