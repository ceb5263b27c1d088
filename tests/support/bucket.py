"""A home whose vault is in a bucket, and the policy that the manual has for such buckets."""

import re
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


def policy(bucket: str, user: str) -> str:
    """Return the policy that the manual shows, for this bucket and user."""
    text = (ROOT / "docs" / "operation.md").read_text("utf-8")
    (shown,) = re.findall(r"```json\n(\{.+?\n\})\n```", text, re.DOTALL)
    return str(shown).replace("evidence-north", bucket).replace("user/station", f"user/{user}")
