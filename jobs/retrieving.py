"""Retrieval: copies of clips with their seals, each one an event that is logged before the file appears."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path

from ulid import ULID

from config.errors import (
    DigestMismatchError,
    ObjectMissingError,
    RetrievalTargetError,
    SealdockError,
    VaultUnavailableError,
)
from config.messages import Phrase, mark
from hashing import durable
from hashing.digest import Digest
from ingest.names import readable
from jobs.node import MAIN, Node, Store
from jobs.storing import Document, documents
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip
from metadata.repo import cases, clips, integrity, objects
from metadata.repo.clips import ClipFilter
from metadata.states import SAFE, ClipState
from storage import layout
from storage.retrieval import fetch, part_name, safe_name, sweep

_log = logging.getLogger("sealdock.retrieve")

_ENDINGS = ("", ".manifest.json", ".manifest.json.p7s", ".manifest.json.t.p7s")
"""What lies beside a copy, and the copy itself."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A copy that was given out: the clip and the file it was written to."""

    clip: Clip
    file: Path
    bytes: int
    vault: str = MAIN
    """Which vault its bytes came from."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What a retrieval gave out, and which clips it could not, each with the reason."""

    given: list[Retrieved]
    refused: list[tuple[Clip, str]]


def wanted(node: Node, references: Sequence[str], case: str | None) -> list[Clip]:
    """Return the clips that references name, each once, or those of a case."""
    with node.register.read() as session:
        if case is not None:
            return clips.find(session, ClipFilter(case=cases.get(session, case).number))
        found = {clip.id: clip for clip in (clips.resolve(session, reference) for reference in references)}
    return list(found.values())


def retrieve(
    node: Node,
    wanted_clips: Sequence[Clip],
    purpose: str,
    folder: Path,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Handed:
    """Write copies of clips, each with its manifest and seal beside it, into ``folder``.

    Names that collide get the clip's id in front; nothing that is there is touched, but for the unfinished
    copies of a retrieval that was killed, which go. A clip that is not stored yet, is gone from the vault, or
    whose stored bytes are wrong (that raises an alert, too) is refused, and the others go on; nothing of it
    appears. Raises RetrievalTargetError, and for a single clip the DigestMismatchError or ObjectMissingError
    itself.
    ``on_progress`` is told how many of how many are done, and the last one's file name.
    """
    for own in (node.home, *node.vault_folders):
        if folder.resolve().is_relative_to(own.resolve()):
            raise RetrievalTargetError(
                path=str(folder), problem=Phrase(mark("it lies in sealdock's own folders"))
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RetrievalTargetError(path=str(folder), problem=error.strerror or "cannot be made") from error
    for left in sweep(folder):
        _log.info("part-removed", extra={"path": left})
    taken: set[str] = set()
    handed = Handed([], [])
    for number, clip in enumerate(wanted_clips, start=1):
        name = _free_name(folder, clip, taken)
        if ClipState(clip.state) not in SAFE:
            handed.refused.append((clip, clip.state))
            continue
        try:
            handed.given.append(_one(node, clip, purpose, folder / name))
        except (DigestMismatchError, ObjectMissingError) as error:
            if len(wanted_clips) == 1:
                raise
            handed.refused.append((clip, error.code))
        if on_progress is not None:
            on_progress(number, len(wanted_clips), name)
    return handed


def _free_name(folder: Path, clip: Clip, taken: set[str]) -> str:
    """Return a name under which a copy *and all that lies beside it* have room, and take it.

    A card may hold a clip that is called like another one's manifest.
    """
    plain = safe_name(clip.name, clip.id)
    numbered = (f"{clip.id}-{number}_{plain}" for number in count(2))
    for name in chain((plain, f"{clip.id}_{plain}"), numbered):
        names = [part_name(name), *(f"{name}{ending}" for ending in _ENDINGS)]
        folded = {item.casefold() for item in names}  # some systems take upper and lower case for one
        if taken.isdisjoint(folded) and not any(os.path.lexists(folder / item) for item in names):
            taken |= folded
            return name
    raise AssertionError("numbers do not end")


def _one(node: Node, clip: Clip, purpose: str, target: Path) -> Retrieved:
    expected = Digest.of_sha256(clip.sha256 or "")
    key = layout.clip_key(expected)
    with node.register.read() as session:
        beside = list(documents(session, clip))
        noted = {store.name: objects.versions_at(session, store.name, key) for store in node.stores}
    problem: SealdockError | None = None
    for store in node.stores:
        if not noted[store.name]:
            continue
        version = noted[store.name][-1].version
        log = partial(_log_retrieved, node, store, clip, purpose, version, target)
        try:
            size = fetch(store.vault, key, version, expected, target, log)
        except (DigestMismatchError, ObjectMissingError, VaultUnavailableError) as error:
            _note_problem(node, store, clip, key, error)
            problem = problem or error
            continue
        for document in beside:
            _write_beside(target, document)
        return Retrieved(clip=clip, file=target, bytes=size, vault=store.name)
    raise problem or ObjectMissingError(key=key)


def _note_problem(node: Node, store: Store, clip: Clip, key: str, error: SealdockError) -> None:
    """Raise an alert for bytes that are wrong or, where another vault is asked for them now, gone."""
    _log.info("vault-not-read", extra={"clip": clip.id, "vault": store.name, "problem": error.code})
    if isinstance(error, VaultUnavailableError):
        return
    facts = {"during": "retrieval", "key": key} | store.fact()
    with node.register.write() as session:
        if isinstance(error, DigestMismatchError):
            told = {"run": str(ULID()), "problem": store.told("digest")}
            events.append(
                session,
                EventKind.INTEGRITY_FAILED,
                node.actor,
                node.clock.now(),
                attempt=told["run"],
                clip=clip.id,
                facts=told,
            )
            integrity.raise_alert(session, "digest", node.clock.now(), clip=clip.id, facts=facts, once=True)
        elif isinstance(error, ObjectMissingError) and len(node.stores) > 1:
            facts["problem"] = store.told("missing")
            integrity.raise_alert(
                session, "integrity", node.clock.now(), clip=clip.id, facts=facts, once=True
            )


def _write_beside(target: Path, document: Document) -> None:
    """Put a manifest or seal next to its clip: ``NAME.manifest.json``, ``NAME.manifest.json.p7s``."""
    _, _, ending = document.key.rpartition("/")
    suffix = ending.partition(".")[2]
    try:
        durable.write_new(target.with_name(f"{target.name}.manifest.{suffix}"), document.data, mode=0o600)
    except OSError as error:
        raise RetrievalTargetError(path=str(target), problem=error.strerror or "not written") from error


def _log_retrieved(node: Node, store: Store, clip: Clip, purpose: str, version: str, target: Path) -> None:
    with node.register.write() as session:
        events.append(
            session,
            EventKind.RETRIEVED,
            node.actor,
            node.clock.now(),
            attempt=str(ULID()),
            clip=clip.id,
            facts={"purpose": purpose, "version": version, "to": readable(os.fsencode(target.absolute()))}
            | store.fact(),
        )
