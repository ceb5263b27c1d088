"""A real S3 store for tests: the Ceph that deploy/dev/ceph.sh starts, named by TEST_S3_ variables."""

import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
from botocore.config import Config

_SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "dev" / "ceph.sh"

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class User:
    """A user of the store."""

    access_key: str
    secret_key: str

    def file(self, folder: Path) -> Path:
        """Write the user's credentials as sealdock wants them."""
        path = folder / f"{self.access_key}.credentials"
        path.touch(mode=0o600)
        path.write_text(
            f"[default]\naws_access_key_id = {self.access_key}\naws_secret_access_key = {self.secret_key}\n"
        )
        return path

    def variables(self) -> dict[str, str]:
        """Return the credentials as the AWS tools read them from the environment."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


@dataclass(frozen=True)
class Store:
    """Where the store is and who may use it."""

    endpoint: str
    station: User
    owner: User
    small: User
    """One with a quota of one MiB."""
    verifier: User
    custodian: User
    folder: Path | None = None
    """Where deploy/dev/ceph.sh made it: root may kill its daemons."""

    @classmethod
    def from_environment(cls) -> "Store | None":
        """Return the store that the environment names; None without one."""
        if "TEST_S3_ENDPOINT" not in os.environ:
            return None

        def user(infix: str) -> User:
            return User(os.environ[f"TEST_S3_{infix}ACCESS_KEY"], os.environ[f"TEST_S3_{infix}SECRET_KEY"])

        folder = os.environ.get("TEST_S3_FOLDER")
        return cls(
            os.environ["TEST_S3_ENDPOINT"],
            station=user(""),
            owner=user("OWNER_"),
            small=user("SMALL_"),
            verifier=user("VERIFIER_"),
            custodian=user("CUSTODIAN_"),
            folder=Path(folder) if folder else None,
        )

    def kill(self, daemon: str) -> None:
        """Kill ``gateway`` or ``osd``."""
        self._do("kill", daemon)

    def revive(self, daemon: str) -> None:
        """Start it again; the gateway answers then."""
        self._do("revive", daemon)

    def _do(self, action: str, daemon: str) -> None:
        assert self.folder is not None, "this store was not made by deploy/dev/ceph.sh"
        subprocess.run([_SCRIPT, action, self.folder, daemon], check=True, timeout=120)

    def url(self, bucket: str, prefix: str = "", endpoint: str | None = None) -> str:
        """Return the URL of a vault in a bucket."""
        where = quote(endpoint or self.endpoint, safe="")
        return f"s3://{bucket}{prefix and '/' + prefix}?endpoint_url={where}"

    def client(self, user: User) -> "S3Client":
        """Return a client that knows nothing of this project."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=user.access_key,
            aws_secret_access_key=user.secret_key,
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def bucket(self, user: User, **options: Any) -> str:
        """Make a bucket with object lock, unless the options say otherwise; return its name."""
        name = f"evidence-{secrets.token_hex(6)}"
        self.client(user).create_bucket(Bucket=name, **{"ObjectLockEnabledForBucket": True, **options})
        return name
