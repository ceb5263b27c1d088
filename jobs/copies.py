"""Copies in the spool of what a vault holds: to look at, or for another vault that lacks it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from config.errors import (
    DigestMismatchError,
    ObjectMissingError,
    RetrievalTargetError,
    SealdockError,
    SpoolFullError,
    SpoolUnavailableError,
)
from hashing.digest import Digest
from jobs.node import Node, Store
from metadata.models import Clip
from storage import layout
from storage.retrieval import fetch, part_name
from storage.vault import Vault

DERIVE, DOCK, COPY, MEND = "derive-", "dock-", "copy-", "mend-"
"""What such copies' names begin with, by who makes them: none takes another's away. The clip's id follows."""


def clip_of_copy(name: str) -> str | None:
    """Return the id of the clip that such a copy in the spool is of, whole or not; None of other files."""
    plain = name.removeprefix(".").removesuffix(".part")
    for purpose in (DERIVE, DOCK, COPY, MEND):
        if plain.startswith(purpose):
            return plain.removeprefix(purpose)
    return None


@contextmanager
def proved_copy(node: Node, vault: Vault, version: str, clip: Clip, purpose: str) -> Iterator[Path]:
    """Give a copy of a clip's original as a vault holds it; its digest is right. It goes afterwards.

    Raises DigestMismatchError, ObjectMissingError, SpoolFullError, SpoolUnavailableError, and what the vault
    raises where it is away.
    """
    digest = Digest.of_sha256(clip.sha256 or "")
    copy = node.spool / f"{purpose}{clip.id}"
    try:
        try:
            node.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in (copy, copy.with_name(part_name(copy.name))):  # by one that was killed
                left.unlink(missing_ok=True)
            free = shutil.disk_usage(node.spool).free
        except OSError as error:
            problem = os.strerror(error.errno or 0)
            raise SpoolUnavailableError(path=str(node.spool), problem=problem) from error
        needed = clip.size + node.settings.spool.min_free_bytes
        if free < needed:
            raise SpoolFullError(path=str(node.spool), needed=needed, free=free)
        try:
            fetch(vault, layout.clip_key(digest), version, digest, copy, lambda: None)
        except RetrievalTargetError as error:
            raise SpoolUnavailableError(path=str(node.spool), problem=error.facts["problem"]) from error
        yield copy
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def copy_from_others(node: Node, lacking: Store, clip: Clip, purpose: str) -> Iterator[tuple[Path, Store]]:
    """Give a proved copy of a clip's original from another vault than the one that lacks it, and which.

    Raises as ``proved_copy``, the last problem where no other vault has the right bytes.
    """
    key = layout.clip_key(Digest.of_sha256(clip.sha256 or ""))
    problem: SealdockError = ObjectMissingError(key=key)
    for store, version in versions_elsewhere(node, lacking, key):
        with ExitStack() as stack:
            try:
                copy = stack.enter_context(proved_copy(node, store.vault, version, clip, purpose))
            except (DigestMismatchError, ObjectMissingError) as error:
                problem = error
                continue
            yield copy, store
            return
    raise problem


def bring_back(node: Node, lacking: Store, clip: Clip, path: Path) -> None:
    """Put a proved copy from another vault where a clip's own copy rested in the spool.

    Raises FileNotFoundError if no other vault has these bytes, else as ``proved_copy``.
    """
    try:
        with copy_from_others(node, lacking, clip, DOCK) as (copy, _):
            copy.rename(path)
    except (DigestMismatchError, ObjectMissingError) as error:
        raise FileNotFoundError(str(path)) from error


def versions_elsewhere(node: Node, lacking: Store, key: str) -> Iterator[tuple[Store, str]]:
    """Yield every version at a key in the other vaults, the newest first."""
    for store in node.stores:
        if store.name != lacking.name:
            for found in store.vault.versions(key):
                if not found.marker:
                    yield store, found.version
