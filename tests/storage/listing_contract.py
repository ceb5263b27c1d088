"""What every vault must do when it lists: a vault's own test class inherits this beside ``VaultContract``."""

import os
from datetime import datetime
from pathlib import Path

from storage.vault import Vault
from tests.storage.vault_contract import put


class ListingContract:
    def test_a_listing_names_what_is_there(self, vault: Vault, name: str, until: datetime) -> None:
        # "-" and "." sort before "/", which a walk through folders would get wrong
        keys = [f"{name}/{key}" for key in ("a-b/x", "a.json", "a/x", "a/x.json", "a/y", "B")]
        stored = {key: vault.put_bytes(key, key.encode(), lock_until=until) for key in keys}
        found = list(vault.listing(f"{name}/"))
        assert [group[0].key for group in found] == sorted(keys) == list(vault.keys(f"{name}/"))
        for (item,) in found:
            assert (item.version, item.size, item.marker) == (
                stored[item.key].version, len(item.key), False
            )  # fmt: skip
        assert list(vault.listing(f"{name}/nothing")) == []

    def test_nothing_is_left_unfinished(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        (spool / "clip").write_bytes(os.urandom(20 << 20))
        put(vault, f"{name}/clip", spool / "clip", until)
        assert [item for item in vault.unfinished() if item.key in {None, f"{name}/clip"}] == []
