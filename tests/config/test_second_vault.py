"""The section of a second vault: its place, its credentials, and what is no second place."""

import json
from pathlib import Path

import pytest

from config.credentials import AccessKeys
from config.errors import InvalidSettingError, SecretInFileError
from config.settings import FILE_NAME, Settings
from config.urls import vaults_overlap

S3 = "s3://evidence/station-1?endpoint_url=https%3A%2F%2Fs3.example"


def test_there_is_none_by_default(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    assert (settings.second_vault.url, settings.second_vault.required) == ("", True)
    assert settings.masked()["second_vault"]["url"] == ""


def test_its_credentials_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE_NAME).write_text(
        f"[second_vault]\nurl = '{S3}'\ncredentials_file = 'second.credentials'\n"
        "[vault]\ncredentials_file = 'vault.credentials'\n"
    )
    settings = Settings.load(tmp_path)
    assert settings.vault_credentials == tmp_path / "vault.credentials"
    assert settings.second_vault_credentials == tmp_path / "second.credentials"
    monkeypatch.setenv("SEALDOCK_SECOND_VAULT_ACCESS_KEY", "other")
    monkeypatch.setenv("SEALDOCK_SECOND_VAULT_SECRET_KEY", "very-hidden")
    settings = Settings.load(tmp_path)
    assert settings.vault_credentials == tmp_path / "vault.credentials"
    assert settings.second_vault_credentials == AccessKeys("other", "very-hidden")
    assert "very-hidden" not in json.dumps(settings.masked()) + repr(settings)
    assert settings.masked()["second_vault"]["secret_key"] == "*" * 3


def test_its_secret_is_not_written_into_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(
        f"[second_vault]\nurl = '{S3}'\naccess_key = 'a'\nsecret_key = 'very-hidden'\n"
    )
    with pytest.raises(SecretInFileError, match=r"second_vault\.secret_key"):
        Settings.load(tmp_path)


@pytest.mark.parametrize("place", ["", "/", "/below/it", "/../vault", "/../../home"])
def test_the_place_of_the_first_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = tmp_path / "home"
    (home / "vault").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    for start in (home, tmp_path / "link"):
        monkeypatch.setenv("SEALDOCK_SECOND_VAULT_URL", f"file://{start}/vault{place}")
        with pytest.raises(InvalidSettingError, match=r"second_vault\.url"):
            Settings.load(home)


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (S3, True),
        ("s3://evidence/station-1/?endpoint_url=https%3A%2F%2FS3.example%3A443", True),
        ("s3://evidence?endpoint_url=https%3A%2F%2Fs3.example", True),
        ("s3://evidence/station-1/copy?endpoint_url=https%3A%2F%2Fs3.example", True),
        ("s3://evidence/station-10?endpoint_url=https%3A%2F%2Fs3.example", False),
        ("s3://evidence-2/station-1?endpoint_url=https%3A%2F%2Fs3.example", False),
        ("s3://evidence/station-1?endpoint_url=https%3A%2F%2Fs4.example", False),
        ("s3://evidence/station-1", False),
        ("file:///evidence/station-1", False),
    ],
)
def test_places_in_stores(other: str, *, overlaps: bool) -> None:
    assert vaults_overlap(S3, other) is overlaps
    assert vaults_overlap(other, S3) is overlaps
