"""What went wrong in a store, in our words: away, refusing, full, or without the thing asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.errors import VaultFullError, VaultRefusedError, VaultUnavailableError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_FULL = {"QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "InsufficientStorage", "507"}
_ABSENT = {"404", "NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
_FORBIDDEN = 403
_BAD_REQUEST = 400
_NOT_FOUND = 404
_NOT_IMPLEMENTED = 501


class AbsentError(Exception):
    """There is no such object, version or upload. Never leaves this package."""


class RejectedError(Exception):
    """The store understood the request and will never do it (400, 501). Never leaves this package."""


@contextmanager
def translated(vault: str) -> Iterator[None]:
    """Raise what a client raises inside as ours; ``vault`` is its URL.

    VaultUnavailableError for trouble on the way and in the store, VaultRefusedError for credentials, rights
    and buckets, VaultFullError, AbsentError, RejectedError.
    """
    from botocore.exceptions import (  # noqa: PLC0415 - see client
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        raise _of(error, vault) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise VaultRefusedError(vault=vault, problem=str(error)) from error
    except BotoCoreError as error:
        raise VaultUnavailableError(vault=vault, problem=str(error)) from error


def _of(error: "ClientError", vault: str) -> Exception:
    facts = error.response.get("Error", {})
    code = str(facts.get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    problem = ": ".join(filter(None, (code, facts.get("Message"))))
    if code in _FULL:
        return VaultFullError(vault=vault, problem=problem)
    if code in _ABSENT:
        return AbsentError(problem)
    if status == _FORBIDDEN or code == "NoSuchBucket":
        return VaultRefusedError(vault=vault, problem=problem)
    if status == _NOT_IMPLEMENTED:
        return RejectedError(problem)
    # BadDigest is a 400, too: bytes changed on the way, and sending them again is right.
    if status in {_BAD_REQUEST, _NOT_FOUND} and code not in {"BadDigest", "RequestTimeout", "IncompleteBody"}:
        return RejectedError(problem)
    return VaultUnavailableError(vault=vault, problem=problem)
