"""Credentials of a store as settings: from the environment or a secret file, shown to nobody."""

import json
import os
from pathlib import Path

import pytest

from config.credentials import AccessKeys
from config.errors import InvalidSettingError, KeyFileExposedError, SecretInFileError
from config.settings import FILE_NAME, Settings

SECRET = "hunter2"  # noqa: S105 - that is the point
ACCESS = {"SEALDOCK_VAULT_ACCESS_KEY": "station-1", "SEALDOCK_VAULT_SECRET_KEY": SECRET}


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("SEALDOCK_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    return home


def secret_file(home: Path, *, mode: int = 0o600) -> Path:
    path = home / "vault.secret"
    path.write_text(SECRET)
    path.chmod(mode)
    return path


def test_access_keys_of_a_store_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load(home).vault_credentials is None
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load(home)
    assert settings.vault_credentials == AccessKeys("station-1", SECRET)
    monkeypatch.setenv("SEALDOCK_VAULT_SESSION_TOKEN", "for-an-hour")
    settings = Settings.load(home)
    assert settings.vault_credentials == AccessKeys("station-1", SECRET, "for-an-hour")
    shown = json.dumps(settings.masked()) + repr(settings) + str(settings) + repr(settings.vault_credentials)
    assert SECRET not in shown
    assert "for-an-hour" not in shown
    masked = settings.masked()["vault"]
    assert [masked[name] for name in ("secret_key", "session_token")] == ["***", "***"]
    assert settings.masked()["vault"]["access_key"] == "station-1"


def test_access_keys_of_a_store_from_files(home: Path) -> None:
    write(home, "[vault]\naccess_key = 'station-1'\nsecret_key_file = 'vault.secret'")
    secret_file(home)
    settings = Settings.load(home)
    assert settings.vault_credentials == AccessKeys("station-1", SECRET)
    secret_file(home, mode=0o640)
    with pytest.raises(KeyFileExposedError):
        Settings.load(home)


@pytest.mark.parametrize("key", ["secret_key", "session_token"])
def test_a_secret_of_a_store_has_no_place_in_the_file(home: Path, key: str) -> None:
    write(home, f"[vault]\naccess_key = 'station-1'\n{key} = '{SECRET}'")
    with pytest.raises(SecretInFileError) as caught:
        Settings.load(home)
    assert caught.value.facts == {"key": f"vault.{key}"}
    assert SECRET not in caught.value.sentence()


@pytest.mark.parametrize(
    "given",
    [
        {"ACCESS_KEY": "a"},
        {"SECRET_KEY": SECRET},
        {"SESSION_TOKEN": SECRET},
        {"ACCESS_KEY": "a", "SECRET_KEY": SECRET, "CREDENTIALS_FILE": "file"},
    ],
)
def test_half_of_the_credentials_and_two_of_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"SEALDOCK_VAULT_{name}", value)
    with pytest.raises(InvalidSettingError) as caught:
        Settings.load(home)
    assert caught.value.facts["key"] == "vault"
    assert SECRET not in caught.value.sentence()


def test_credentials_from_the_environment_win(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "[vault]\ncredentials_file = 'vault.credentials'")
    assert Settings.load(home).vault_credentials == home / "vault.credentials"
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    assert Settings.load(home).vault_credentials == AccessKeys("station-1", SECRET)
    for name in ACCESS:
        monkeypatch.delenv(name)
    write(home, "[vault]\naccess_key = 'station-1'\nsecret_key_file = 'vault.secret'")
    secret_file(home)
    monkeypatch.setenv("SEALDOCK_VAULT_CREDENTIALS_FILE", "other")
    assert Settings.load(home).vault_credentials == home / "other"
