"""What preflight tries on a bucket: requests that a good store honours or refuses."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from config.errors import VaultRefusedError, VaultUnavailableError
from hashing.digest import Digest
from storage.s3.bucket import OWNER, Bucket, base64_md5, whole_seconds
from storage.s3.faults import AbsentError, RejectedError, translated

_DATA = b"preflight"
_LOCK = timedelta(seconds=20)


class Trials:
    """Tries things in a folder of a bucket. Only trouble with the network is raised."""

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket = bucket
        self.folder = folder

    def default_retention(self) -> bool:
        """Tell whether an object that is stored without a lock has one of the compliance kind then."""
        there = self._at("unlocked")
        there["VersionId"] = self._put(there)
        with translated(self._bucket.url):
            found = self._bucket.client.head_object(**there)
        return found.get("ObjectLockMode") == "COMPLIANCE"

    def may_delete(self) -> bool:
        """Tell whether this credential may delete a version that nothing locks.

        A delete marker is one, whatever default retention the bucket has.
        """
        client, there = self._bucket.client, self._at("marker")

        def lay_and_remove() -> None:
            laid = client.delete_object(**there).get("VersionId")
            if laid is None:
                raise RejectedError("no delete marker was laid")
            client.delete_object(**there, VersionId=laid)

        return self._done(lay_and_remove)

    def on(self, key: str, version: str, until: datetime) -> "OnVersion":
        """Return what can be tried on a locked version."""
        return OnVersion(self._bucket, {**self._at(key, full=True), "VersionId": version}, until)

    def multipart(self) -> bool:
        """Tell whether an upload in parts keeps the lock that it was begun with."""
        client, there = self._bucket.client, self._at("lock-arguments")
        with translated(self._bucket.url):
            begun = client.create_multipart_upload(
                **there, ACL=OWNER, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=_soon()
            )
            upload = {**there, "UploadId": begun["UploadId"]}
            part = client.upload_part(**upload, PartNumber=1, Body=_DATA, ContentMD5=base64_md5(_DATA))
            client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            )
            return client.head_object(**there).get("ObjectLockMode") == "COMPLIANCE"

    def hold(self) -> bool:
        """Tell whether a legal hold can be set, is read back, and is lifted."""
        client, there = self._bucket.client, self._at("hold")
        there["VersionId"] = self._put(there)

        def set_and_lift() -> None:
            client.put_object_legal_hold(**there, LegalHold={"Status": "ON"})
            found = client.get_object_legal_hold(**there)["LegalHold"].get("Status")
            client.put_object_legal_hold(**there, LegalHold={"Status": "OFF"})
            if found != "ON":
                raise RejectedError("the hold does not read back")

        return self._done(set_and_lift)

    def content_md5(self) -> bool:
        """Tell whether bytes that do not fit their Content-MD5 are refused."""
        return not self._done(lambda: self._put(self._at("md5"), ContentMD5=base64_md5(b"other")))

    def checksum(self) -> bool:
        """Tell whether bytes that do not fit their SHA-256 checksum are refused."""
        wrong = base64.b64encode(Digest.sha256(b"other").value).decode()
        return not self._done(lambda: self._put(self._at("checksum"), ChecksumSHA256=wrong))

    def conditional(self) -> bool:
        """Tell whether a second object under one key is refused where that was asked for."""
        self._put(self._at("once"))
        return not self._done(lambda: self._put(self._at("once"), IfNoneMatch="*"))

    def _at(self, name: str, *, full: bool = False) -> dict[str, Any]:
        return {
            "Bucket": self._bucket.name,
            "Key": self._bucket.full(name if full else f"{self.folder}/{name}"),
        }

    def _put(self, there: dict[str, Any], **more: Any) -> str:
        with translated(self._bucket.url):
            arguments = {"ContentMD5": base64_md5(_DATA), "ACL": OWNER, **more}
            answer = self._bucket.client.put_object(**there, Body=_DATA, **arguments)
        return answer["VersionId"]

    def _done(self, act: Callable[[], object]) -> bool:
        return done(self._bucket, act)


@dataclass(frozen=True)
class OnVersion:
    """Tries on a locked version what has to be refused; each method tells whether it was."""

    bucket: Bucket
    there: dict[str, Any]
    until: datetime

    def delete(self) -> bool:
        """Try to delete it."""
        return self._refused(lambda: self.bucket.client.delete_object(**self.there))

    def bypass(self) -> bool:
        """Try to delete it with the governance bypass."""
        return self._refused(
            lambda: self.bucket.client.delete_object(**self.there, BypassGovernanceRetention=True)
        )

    def shorten(self) -> bool:
        """Try to shorten its lock."""
        return self._refused(lambda: self._retain("COMPLIANCE", self.until - timedelta(seconds=5)))

    def weaken(self) -> bool:
        """Try to make its lock one that can be lifted."""
        return self._refused(lambda: self._retain("GOVERNANCE", self.until))

    def _retain(self, mode: Any, until: datetime) -> None:
        self.bucket.client.put_object_retention(
            **self.there, Retention={"Mode": mode, "RetainUntilDate": until}
        )

    def _refused(self, act: Callable[[], object]) -> bool:
        """Try it, and ask the store what it holds: some refuse in words only, some in deeds only."""
        if done(self.bucket, act):
            return False
        with translated(self.bucket.url):
            found = self.bucket.client.head_object(**self.there)
        return (found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")) == (
            "COMPLIANCE",
            self.until,
        )


def done(bucket: Bucket, act: Callable[[], object]) -> bool:
    """Do something; False if the store refused. Raises VaultUnavailableError for other trouble."""
    try:
        with translated(bucket.url):
            act()
    except (AbsentError, RejectedError, VaultRefusedError):
        return False
    except VaultUnavailableError as error:
        if "BadDigest" in str(error):  # sent so on purpose
            return False
        raise
    return True


def _soon() -> datetime:
    return whole_seconds(datetime.now(UTC) + _LOCK)
