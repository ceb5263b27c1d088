"""A home whose vault is in a bucket, and buckets made as the manual says."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.support.station import ROOT, Station
from tests.support.store import Store, User


class BucketStation(Station):
    """A home with its vault in a bucket, which nobody uses before preflight has passed."""

    def init(self) -> "Station":
        super().init()
        self.ok("vault", "preflight")
        return self


def bucket_home(store: Store, url: str, folder: Path, user: User | None = None) -> Station:
    """Return a home, not made yet, whose vault is at ``url``; by default the station's user stores."""
    credentials = (user or store.station).file(folder)
    settings = {"SEALDOCK_VAULT_URL": url, "SEALDOCK_VAULT_CREDENTIALS_FILE": str(credentials)}
    return BucketStation(folder / "home", settings)


def guarded_bucket(store: Store, days: int = 1) -> str:
    """Have the project's program make a bucket of the owner's, with the policy for all users; its name."""
    name = f"evidence-{secrets.token_hex(6)}"
    _bucket(name, "--endpoint-url", store.endpoint, "--days", str(days), **store.owner.variables())
    return name


def policy(bucket: str) -> str:
    """Return the policy of a bucket as the project's program prints it."""
    return _bucket(bucket, "--print")


def _bucket(*arguments: str, **variables: str) -> str:
    users = ["--station", "station", "--verifier", "verifier", "--custodian", "custodian"]
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "s3" / "bucket.py", *arguments, *users],
        check=True, stdout=subprocess.PIPE, timeout=60, text=True,
        env={"PATH": os.environ["PATH"], **variables},
    )  # fmt: skip
    return done.stdout
