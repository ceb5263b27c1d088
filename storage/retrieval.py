"""Give out a stored version: its bytes are hashed while they are written, and appear only when right."""

import os
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from config.errors import DigestMismatchError, ObjectMissingError, RetrievalTargetError
from hashing import durable
from hashing.digest import Digest
from hashing.reader import SinkError
from storage.reading import read_all
from storage.vault import Vault

MAX_NAME = 180
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
    return f".{name}.part"


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
        sink = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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
