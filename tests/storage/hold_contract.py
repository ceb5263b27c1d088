"""What every vault must do with legal holds; a part of ``VaultContract``, which has the fixtures."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from config.errors import ObjectMissingError
from hashing.digest import Digest
from storage.integrity import Level, Target, check
from storage.vault import Vault


class HoldContract:
    """Holds are set, read back and lifted, and bind on their own."""

    def test_a_hold_is_set_read_back_and_lifted(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        assert not stored.held
        for _ in range(2):  # what it is already is no error
            held = vault.hold(stored.key, stored.version, held=True)
            assert (held.held, held.lock_until, held.lock_mode) == (True, stored.lock_until, stored.lock_mode)
            assert vault.head(stored.key, stored.version) == held
        for _ in range(2):
            free = vault.hold(stored.key, stored.version, held=False)
            assert (free.held, free.lock_until) == (False, stored.lock_until)
            assert not vault.head(stored.key, stored.version).held

    def test_a_hold_stays_when_the_lock_changes(
        self, vault: Vault, reopen: Callable[[], Vault], name: str, until: datetime
    ) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        vault.hold(stored.key, stored.version, held=True)
        later = until + timedelta(seconds=5)
        vault.extend_lock(stored.key, stored.version, later)
        assert vault.put_bytes(stored.key, b"footage", lock_until=until).adopted
        found = reopen().head(stored.key, stored.version)
        assert (found.held, found.lock_until) == (True, later)
        vault.hold(stored.key, stored.version, held=False)
        assert vault.head(stored.key, stored.version).lock_until == later

    def test_a_hold_on_what_is_not_there(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        for key, version in [(f"{name}/none", stored.version), (stored.key, Digest.sha256(b"other").hex)]:
            with pytest.raises(ObjectMissingError):
                vault.hold(key, version, held=True)

    def test_a_hold_that_is_gone_is_found(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        target = Target(stored.key, stored.version, 7, until, Digest.sha256(b"footage"), held=True)
        assert check(vault, target, Level.LOCK).problem == "hold-missing"
        vault.hold(stored.key, stored.version, held=True)
        assert check(vault, target, Level.LOCK).problem is None
