"""What a store honours, tried with throw-away objects on short locks; nothing is taken from its manual.

Judged by the way the vault itself stores: the objects are put by ``S3Vault``, which sets the lock afterwards
and reads it back. Then everything that must be refused is tried on them. A refusal proves something only if
the same credential may delete what is *not* locked; where it may not, the outcome is ``UNTRIED``.
"""

import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from config.errors import (
    LockMissingError,
    ObjectMissingError,
    VaultError,
    VaultRefusedError,
    VaultWithoutLockError,
)
from config.messages import mark
from hashing.digest import Digest
from storage.checks import Check, Outcome, check
from storage.s3 import rights
from storage.s3.multipart import PART
from storage.s3.trials import Trials, done
from storage.s3.vault import S3Vault
from storage.vault import StoredVersion

LOCK = timedelta(seconds=20)
FOLDER = "preflight"
TRIALS = 1
"""Raised when more is required than before: what passed an earlier number has to pass again."""


_OURS = re.compile(rf"{FOLDER}/[0-9a-f]{{16}}/[a-z0-9-]+")


def preflight(vault: S3Vault) -> Iterator[Check]:
    """Try a store and yield what it honours, check by check.

    Raises VaultUnavailableError or VaultRefusedError if it cannot be tried at all.
    """
    bucket = vault.bucket
    try:
        bucket.check()
        lockable = True
    except VaultWithoutLockError:
        lockable = False
    yield check("object-lock", mark("the bucket keeps versions and can lock them for good"), lockable)
    if not lockable:
        return
    trials = Trials(bucket, f"{FOLDER}/{secrets.token_hex(8)}")
    yield check(
        "default-retention",
        mark("a default retention locks what is not locked yet"),
        trials.default_retention(),
        required=False,
    )
    may_delete = trials.may_delete()
    for kind, put in (("single", _put_single), ("multipart", _put_multipart)):
        yield from _locked(vault, trials, kind, put, may_delete=may_delete)
    yield from _extras(trials)
    yield from _rights(vault, trials)


def remove_leftovers(vault: S3Vault) -> int:
    """Remove what earlier runs left behind and nothing locks any more; return how many versions went.

    Nothing else is ever removed: the names are those that ``preflight`` makes, a version that is locked or
    held is left alone, and the store refuses it besides.
    """
    bucket, removed = vault.bucket, 0
    for key, entry in bucket.everything(f"{FOLDER}/"):
        if not _OURS.fullmatch(key) or not (entry.marker or _is_free(vault, key, entry.version)):
            continue
        there: dict[str, Any] = {
            "Bucket": bucket.name,
            "Key": bucket.full(key),
            "VersionId": entry.version,
        }
        if not done(bucket, partial(bucket.client.delete_object, **there)):
            break  # this credential may not delete
        removed += 1
    return removed


def _is_free(vault: S3Vault, key: str, version: str) -> bool:
    try:
        found = vault.head(key, version)
    except (ObjectMissingError, VaultRefusedError):  # refused: another user's, who lets nobody see it
        return False
    return not found.held and (found.lock_until is None or found.lock_until < datetime.now(UTC))


def _locked(
    vault: S3Vault,
    trials: Trials,
    kind: str,
    put: Callable[[S3Vault, str, datetime], StoredVersion],
    *,
    may_delete: bool,
) -> Iterator[Check]:
    """Store one object as the vault does, and try everything on it that a lock has to refuse."""
    key = f"{trials.folder}/{kind}"
    try:
        stored: StoredVersion | None = put(vault, key, datetime.now(UTC) + LOCK)
    except (LockMissingError, VaultWithoutLockError):
        stored = None
    title = (
        mark("an object sent in one request is locked and reads back")
        if kind == "single"
        else mark("an object sent in parts is locked and reads back")
    )
    yield check(f"lock-{kind}", title, stored is not None)
    if stored is None or stored.lock_until is None:
        return
    tried = trials.on(key, stored.version, stored.lock_until)
    for name, title, refused, proves in (
        ("delete", mark("deleting a locked version is refused"), tried.delete, may_delete),
        ("bypass", mark("deleting it with a governance bypass is refused"), tried.bypass, may_delete),
        ("shorten", mark("shortening its lock is refused"), tried.shorten, True),
        ("weaken", mark("making its lock a governance lock is refused"), tried.weaken, True),
    ):
        outcome = Outcome.NO if not refused() else Outcome.YES if proves else Outcome.UNTRIED
        yield Check(f"refuses-{name}-{kind}", title, required=True, outcome=outcome)
    try:
        later = stored.lock_until + timedelta(seconds=5)
        until = vault.extend_lock(key, stored.version, later).lock_until
        # Later than asked for: a default retention has fractions of a second, which are rounded up.
        extended = until is not None and until >= later
    except VaultError:
        extended = False
    yield check(f"extends-{kind}", mark("its lock is extended"), extended)


def _extras(trials: Trials) -> Iterator[Check]:
    for name, title, honoured in (
        (
            "multipart-lock-arguments",
            mark("a lock asked for with an upload in parts is kept"),
            trials.multipart,
        ),
        ("legal-hold", mark("a legal hold is set and lifted"), trials.hold),
        ("content-md5", mark("bytes that do not fit their Content-MD5 are refused"), trials.content_md5),
        ("checksums", mark("bytes that do not fit their SHA-256 checksum are refused"), trials.checksum),
        ("conditional-writes", mark("writing only what is not there yet is honoured"), trials.conditional),
    ):
        yield check(name, title, honoured(), required=False)


def _rights(vault: S3Vault, trials: Trials) -> Iterator[Check]:
    """Tell what this credential and others may do that nobody needs for storing."""
    bucket = vault.bucket
    stored = vault.versions(f"{trials.folder}/single")
    if stored:
        title = mark("the bucket's owner has all rights on an object, and only its writer has any besides")
        yield Check("owner-rights", title, required=False, outcome=rights.owner_rights(bucket, stored[0]))
    for name, title, ask in (
        ("versioning", mark("this credential cannot set the bucket's versioning"), rights.keeps_versioning),
        (
            "object-lock",
            mark("this credential cannot set object lock and default retention"),
            rights.keeps_object_lock,
        ),
        ("policy", mark("this credential cannot set the bucket's policy"), rights.keeps_policy),
    ):
        yield Check(f"keeps-{name}", title, required=False, outcome=ask(bucket))


def _put_single(vault: S3Vault, key: str, until: datetime) -> StoredVersion:
    return vault.put_bytes(key, b"preflight", lock_until=until)


def _put_multipart(vault: S3Vault, key: str, until: datetime) -> StoredVersion:
    with tempfile.NamedTemporaryFile() as file:
        data = bytes(PART + 1)
        file.write(data)
        file.flush()
        digest = Digest.sha256(data)
        return vault.put_file(key, Path(file.name), digest=digest, size=len(data), lock_until=until)
