"""The vault in a bucket, on a real Ceph: the contract, with locks of a minute."""

import functools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storage.s3.vault import S3Vault
from storage.vault import ReadBack, Vault
from tests.storage.listing_contract import ListingContract
from tests.storage.vault_contract import VaultContract
from tests.support.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket(store: Store) -> str:
    return store.bucket(store.station)


class TestContract(ListingContract, VaultContract):
    lock_length = timedelta(seconds=60)

    @pytest.fixture
    def reopen(self, store: Store, bucket: str, tmp_path: Path) -> Callable[[], Vault]:
        return functools.partial(
            S3Vault,
            store.url(bucket, "vault/one"),
            state=tmp_path / "uploads",
            credentials=store.station.file(tmp_path),
        )

    @pytest.fixture
    def vault(self, reopen: Callable[[], Vault]) -> Iterator[Vault]:
        vault = reopen()
        yield vault
        vault.close()

    def test_the_read_back_says_so(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        assert stored.read_back is ReadBack.STORE
