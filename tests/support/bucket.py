"""A home whose vault is in a bucket."""

from pathlib import Path

from tests.support.station import Station
from tests.support.store import Store, User


def bucket_home(store: Store, url: str, folder: Path, user: User | None = None) -> Station:
    """Return a home, not made yet, whose vault is at ``url``; by default the station's user stores."""
    credentials = (user or store.station).file(folder)
    settings = {"SEALDOCK_VAULT_URL": url, "SEALDOCK_VAULT_CREDENTIALS_FILE": str(credentials)}
    return Station(folder / "home", settings)
