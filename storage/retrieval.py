"""Give out a stored version: its bytes are hashed while they are written, and appear only when right."""

import fcntl
import os
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from config.errors import DigestMismatchError, ObjectMissingError, RetrievalTargetError
from hashing import durable
from hashing.digest import Digest
from hashing.reader import SinkError
from storage.reading import read_all
from storage.vault import Vault

MAX_NAME = 180
_MODE = 0o600
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


def safe_name(name: str, otherwise: str) -> str:
    """Return a file name that is safe on any system, made from a name that a card gave.

    Control characters and what other systems reserve become ``_``, hidden and option-like starts
    lose their dot or dash, overlong names are cut before their suffix. Nothing left: ``otherwise``.
    """
    clean = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" .").lstrip("-")
    clean = "".join(c if c.isprintable() else "_" for c in clean)
    stem, dot, suffix = clean.rpartition(".")
    if not dot:
        stem, suffix = clean, ""
    room = MAX_NAME - len(suffix.encode()) - 1
    while len(stem.encode()) > room:
        stem = stem[:-1]
    return f"{stem}{dot}{suffix}" if stem else otherwise


def part_name(name: str) -> str:
    """Return what a copy is called until all of it is there and proved."""
    return f".{name}.sealdock.part"


def sweep(folder: Path) -> list[Path]:
    """Remove what retrievals that were killed left in a folder; return what went.

    Only what is ours beyond doubt: our name, this user's, a plain file with no other name, and nobody has its
    lock, as who writes one has.
    """
    gone = []
    for path in sorted(folder.glob(part_name("*"))):
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                facts = os.fstat(fd)
                if not S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_nlink != 1:
                    continue
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                gone.append(path)
            finally:
                os.close(fd)
    return gone


def _new(path: Path) -> int:
    """Make a new file and lock it, so that no sweep takes it away."""
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with suppress(OSError):  # some file systems have no locks: there a sweep leaves everything alone
            fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return fd
        os.close(fd)  # a sweep was quicker than the lock


def fetch(
    vault: Vault,
    key: str,
    version: str,
    expected: Digest,
    target: Path,
    before_publishing: Callable[[], None],
) -> int:
    """Write one version to ``target`` and return its bytes; the file appears whole or not at all.

    ``before_publishing`` runs when the bytes have been proved and before the file has its name:
    the place to log the retrieval. Raises DigestMismatchError (nothing appears),
    ObjectMissingError, or RetrievalTargetError where the target cannot be written or exists.
    """
    temp = target.with_name(part_name(target.name))
    try:
        sink = _new(temp)
    except OSError as error:
        raise RetrievalTargetError(path=str(target), problem=os.strerror(error.errno or 0)) from error
    try:
        with vault.open(key, version) as stored:
            reading = read_all(stored, sink_fd=sink)
        os.fsync(sink)
        if not reading.sha256.matches(expected):
            raise DigestMismatchError(
                what=key, algorithm="sha256", expected=expected.hex, found=reading.sha256.hex
            )
        before_publishing()
        durable.publish(temp, target)
    except FileExistsError as error:
        raise RetrievalTargetError(path=str(target), problem="exists already") from error
    except SinkError as error:
        raise RetrievalTargetError(path=str(target), problem=os.strerror(error.errno or 0)) from error
    except OSError as error:
        raise ObjectMissingError(key=key) from error
    finally:
        os.close(sink)
        with suppress(FileNotFoundError):
            temp.unlink()
    return reading.size
