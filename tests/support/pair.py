"""A home with two vaults."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.station import Station

KILLED = str(Path(__file__).with_name("killed.py"))


@dataclass(frozen=True)
class Pair(Station):
    """A home with two vaults in folders."""

    @property
    def second(self) -> Path:
        return self.home.parent / "second"

    @property
    def unplugged(self) -> Path:
        """Where the second vault is while it is away."""
        return self.home.parent / "unplugged"

    def keys_in_second(self) -> list[str]:
        paths = [path.relative_to(self.second) for path in self.second.rglob("*") if path.is_file()]
        return sorted(str(path) for path in paths if not path.parts[0].startswith("."))

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """Return the facts of all events of a kind, the oldest first."""
        rows = self.rows("SELECT body FROM custody_event WHERE kind = ? ORDER BY sequence", kind)
        return [json.loads(row[0])["facts"] for row in rows]

    def same_in_both(self) -> list[str]:
        """Check that both vaults hold the same, and that the register says so; return the keys."""
        keys = self.stored_keys()
        assert self.keys_in_second() == keys
        for key in keys:
            assert (self.second / key).read_bytes() == (self.vault / key).read_bytes()
            assert (self.second / ".locks" / f"{key}.json").exists()
        for name in ("main", "second"):
            query = "SELECT key FROM stored_version WHERE vault = ? AND confirmed_at IS NOT NULL ORDER BY key"
            assert [row[0] for row in self.rows(query, name)] == keys
        assert list(self.spool.glob("*")) == []
        return keys


def with_second(station: Station) -> Pair:
    """Return a home that has a second vault in a folder from now on; the folder is not made yet."""
    settings = {
        "SEALDOCK_SECOND_VAULT_URL": (station.home.parent / "second").as_uri(),
        "SEALDOCK_SECOND_VAULT_ALLOW_ADVISORY": "true",
        "SEALDOCK_SECOND_VAULT_IMMUTABLE": "off",
    }
    return Pair(station.home, {**station.environment, **settings}, station.wrapper)
