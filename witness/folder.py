"""The folder of a witness: its key, its state, its evidence; no sealdock home.

witness.key   private key, PEM, for its owner alone (0600)
witness.db    state: logs and everything cosigned
evidence/     cases, once there are any
serve.lock    held by the process that serves
"""

import fcntl
import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from config.errors import (
    HomeForeignError,
    KeyFileInvalidError,
    WitnessBusyError,
    WitnessFolderError,
    WitnessStateError,
)
from config.messages import Phrase, mark
from hashing import durable
from hashing.keys import read_secret
from hashing.notes import KeyType, NoteError, NoteKey, Vkey
from witness.evidence import Evidence
from witness.state import State

KEY, STATE, EVIDENCE, LOCK = "witness.key", "witness.db", "evidence", "serve.lock"


def create(folder: Path, name: str) -> Vkey:
    """Make a witness in a new or empty folder, and return its verifier key.

    Raises NoteError for a name that no key can have, WitnessFolderError if the folder holds anything.
    """
    key = NoteKey.generate(name, KeyType.COSIGNATURE)
    try:
        durable.make_dirs(folder, mode=0o700)
        if any(folder.iterdir()):
            raise WitnessFolderError(folder=folder, problem=Phrase(mark("it is not empty")))
        durable.write_new(folder / KEY, key.pem(), mode=0o600)
        State.create(folder / STATE, key.vkey, datetime.now(UTC)).close()
        durable.fsync_dir(folder)
    except OSError as error:
        raise WitnessFolderError(folder=folder, problem=error.strerror or str(error)) from error
    return key.vkey


@contextmanager
def opened(folder: Path, *, thorough: bool = False) -> Iterator[tuple[State, Evidence]]:
    """Open state and evidence of a witness, also while another process serves it; see ``State``.

    Raises WitnessFolderError, HomeForeignError for another user's, and WitnessStateError.
    """
    _require(folder)
    state = State(folder / STATE, thorough=thorough)
    try:
        yield state, Evidence(folder / EVIDENCE)
    except sqlite3.Error as error:
        raise WitnessStateError(path=state.path, problem=str(error)) from error
    finally:
        state.close()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[NoteKey, State, Evidence]]:
    """Open a witness to serve it; only one process at a time can.

    Raises as ``opened``, KeyFileExposedError and KeyFileInvalidError for its key, WitnessBusyError.
    """
    _require(folder)
    with _locked(folder), opened(folder, thorough=True) as (state, evidence):
        yield _load_key(folder / KEY, state), state, evidence


def _load_key(path: Path, state: State) -> NoteKey:
    pem = read_secret(path)
    try:
        key = NoteKey.load(state.vkey.name, KeyType.COSIGNATURE, pem)
    except NoteError as error:
        raise KeyFileInvalidError(path=path, problem=str(error)) from error
    if key.vkey != state.vkey:
        raise WitnessStateError(
            path=state.path, problem=Phrase(mark("it belongs to another key than the one beside it"))
        )
    return key


def _require(folder: Path) -> None:
    try:
        owner = (folder / STATE).stat().st_uid
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WitnessFolderError(folder=folder, problem=Phrase(mark("there is no witness in it"))) from error
    except OSError as error:
        raise WitnessFolderError(folder=folder, problem=error.strerror or str(error)) from error
    if owner != os.geteuid():
        raise HomeForeignError(home=folder, owner=_user(owner), user=_user(os.geteuid()))


def _user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return str(number)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WitnessFolderError(folder=folder, problem=error.strerror or str(error)) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WitnessBusyError(folder=folder) from error
        yield
    finally:
        os.close(fd)
