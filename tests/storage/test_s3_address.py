"""URLs and credentials of vaults in buckets; no store is asked."""

from pathlib import Path

import pytest

from config.credentials import AccessKeys
from config.errors import InvalidSettingError, KeyFileExposedError
from storage.confirm import Confirmation
from storage.local import LocalVault
from storage.opening import open_vault
from storage.s3.address import Address
from storage.s3.client import open_client, read_credentials
from storage.s3.vault import S3Vault

FILE = "[default]\naws_access_key_id = station\naws_secret_access_key = hidden-key\n"


def test_an_address_is_read() -> None:
    assert Address.parse("s3://evidence").prefix == ""
    url = "s3://evidence/north/one?endpoint_url=https%3A%2F%2Fstore.example%3A7443&region=cn-north-1"
    found = Address.parse(url)
    assert (found.url, found.bucket, found.prefix) == (url, "evidence", "north/one/")
    assert (found.endpoint, found.region) == ("https://store.example:7443", "cn-north-1")
    assert Address.parse("s3://evidence?endpoint_url=http://127.0.0.1:80").endpoint == "http://127.0.0.1:80"


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://ev",
        "s3://Evidence",
        "s3://station:hidden-key@evidence",
        "s3://evidence/../other",
        "s3://evidence/a//b",
        "s3://evidence?secret_key=hidden-key",
        "s3://evidence?region=a&region=b",
        "s3://evidence#part",
        "s3://evidence?endpoint_url=",
        "s3://evidence?endpoint_url=store.example",
        "s3://evidence?endpoint_url=http://store.example",
        "s3://evidence?endpoint_url=http://10.0.0.1:7480",
        "s3://evidence?endpoint_url=https://station:hidden-key@store.example",
        "s3://evidence?endpoint_url=ftp://store.example",
    ],
)
def test_other_urls_are_refused_without_being_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError) as problem:
        S3Vault(url, state=tmp_path)
    assert problem.value.facts["key"] == "vault.url"
    assert "hidden-key" not in problem.value.sentence()


def test_a_url_says_which_vault_is_meant(tmp_path: Path) -> None:
    def opened(url: str) -> object:
        return open_vault(
            url, immutable="auto", state=tmp_path, credentials=None, confirmation=Confirmation.FULL
        )

    assert isinstance(opened("file:///srv/vault"), LocalVault)
    assert isinstance(opened("s3://evidence"), S3Vault)
    with pytest.raises(InvalidSettingError):
        opened("ftp://evidence")


def test_credentials_are_read_from_a_file_that_is_private(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.touch(mode=0o600)
    path.write_text(FILE)
    assert read_credentials(path) == AccessKeys("station", "hidden-key")
    path.write_text(f"{FILE}aws_session_token = token\n")
    assert read_credentials(path) == AccessKeys("station", "hidden-key", "token")
    path.chmod(0o640)
    with pytest.raises(KeyFileExposedError):
        read_credentials(path)


@pytest.mark.parametrize(
    "text", ["", "hidden-key", "[other]\n", FILE.replace("_id", ""), "[default]\nhidden-key"]
)
def test_other_files_are_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(InvalidSettingError) as problem:
        read_credentials(path)
    assert problem.value.facts["key"] == "vault.credentials_file"
    assert "hidden-key" not in problem.value.sentence()
    assert problem.value.__cause__ is None


def test_a_store_of_ones_own_is_addressed_by_path() -> None:
    client = open_client(Address.parse("s3://evidence?endpoint_url=https://store.example"), None)
    assert client.meta.config.s3["addressing_style"] == "path"
    assert client.meta.region_name == "us-east-1"
    client.close()
