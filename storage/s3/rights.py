"""What rights a credential has that a vault can do without, and who else has any on what is stored.

Whether the credential could change the bucket is asked by setting what is set already: who may do that may
also set something else. Only what has just been read is written back, so the bucket stays as it is; nobody
should change it in that very moment.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from config.errors import VaultRefusedError
from storage.checks import Outcome
from storage.s3.bucket import Bucket
from storage.s3.faults import AbsentError, RejectedError, translated
from storage.s3.trials import done

if TYPE_CHECKING:
    from storage.vault import StoredVersion

_REFUSED = (AbsentError, RejectedError, VaultRefusedError)


def owner_rights(bucket: Bucket, stored: "StoredVersion") -> Outcome:
    """Tell whether the bucket's owner has all rights on an object, and nobody else but its writer has any.

    On some stores an object belongs to who uploaded it, and its lists of rights (ACL) may name others.
    """
    client, key = bucket.client, bucket.full(stored.key)
    try:
        with translated(bucket.url):
            of_bucket = client.get_bucket_acl(Bucket=bucket.name)
            of_object = client.get_object_acl(Bucket=bucket.name, Key=key, VersionId=stored.version)
    except _REFUSED:
        return Outcome.UNTRIED
    owner, writer = of_bucket["Owner"].get("ID"), of_object["Owner"].get("ID")
    on_object = _grants(of_object)
    good = (
        owner is not None
        and _grants(of_bucket).keys() <= {owner}
        and on_object.keys() <= {owner, writer}
        and "FULL_CONTROL" in on_object.get(owner, ())
    )
    return Outcome.YES if good else Outcome.NO


def keeps_versioning(bucket: Bucket) -> Outcome:
    """Tell whether the store refuses this credential to set versioning, which is on."""
    return _refused(
        bucket,
        partial(
            bucket.client.put_bucket_versioning,
            Bucket=bucket.name,
            VersioningConfiguration={"Status": "Enabled"},
        ),
    )


def keeps_object_lock(bucket: Bucket) -> Outcome:
    """Tell whether the store refuses this credential to set object lock and the default retention."""
    try:
        with translated(bucket.url):
            found = bucket.client.get_object_lock_configuration(Bucket=bucket.name)
    except _REFUSED:
        return Outcome.UNTRIED
    same: Any = found["ObjectLockConfiguration"]
    return _refused(
        bucket,
        partial(
            bucket.client.put_object_lock_configuration, Bucket=bucket.name, ObjectLockConfiguration=same
        ),
    )


def keeps_policy(bucket: Bucket) -> Outcome:
    """Tell whether the store refuses this credential to set the bucket's policy; it needs one to set."""
    try:
        with translated(bucket.url):
            same = bucket.client.get_bucket_policy(Bucket=bucket.name)["Policy"]
    except _REFUSED:
        return Outcome.UNTRIED
    return _refused(bucket, partial(bucket.client.put_bucket_policy, Bucket=bucket.name, Policy=same))


def _refused(bucket: Bucket, act: Callable[[], object]) -> Outcome:
    return Outcome.NO if done(bucket, act) else Outcome.YES


def _grants(found: Mapping[str, Any]) -> dict[str | None, set[str]]:
    """Return the rights by who has them: the id of a user, or the address of a group."""
    rights: dict[str | None, set[str]] = {}
    for grant in found.get("Grants", []):
        grantee = grant["Grantee"]
        rights.setdefault(grantee.get("ID") or grantee.get("URI"), set()).add(grant["Permission"])
    return rights
