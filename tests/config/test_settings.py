import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy.engine import make_url

from config.errors import (
    InvalidSettingError,
    KeyFileExposedError,
    SecretInFileError,
    SettingsFileInvalidError,
    UnknownSettingError,
)
from config.sections import host_slug
from config.settings import FILE_NAME, Settings, home_from
from config.sources import known_names

SECRET = "hunter2"  # noqa: S105 - that is the point
DATABASE = f"postgresql+psycopg://clerk:{SECRET}@127.0.0.1/register"


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


def secret_file(home: Path, *, mode: int = 0o600, data: bytes = DATABASE.encode() + b"\n") -> Path:
    path = home / "database.secret"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_defaults_lie_in_the_home(home: Path) -> None:
    settings = Settings.load(home)
    assert settings.home == home
    assert settings.database_url == f"sqlite:///{home}/register.db"
    assert settings.engine_url == f"sqlite:///{home}/engine.db"
    assert settings.vault_url == f"file://{home}/vault"
    assert settings.spool_path == home / "spool"
    assert settings.keys_path == home / "keys"
    assert settings.station_key_path.parent == settings.station_certificate_path.parent == home / "keys"
    assert settings.trust_root_paths == (home / "keys" / "authority.pem",)
    assert settings.schedule_path is None
    assert settings.profiles_path is None
    assert settings.hashing.algorithms == ("sha256",)
    assert settings.clearing.policy == "never"
    assert settings.retention.lock_cap_months == 13
    assert settings.keys.expiry_warning == timedelta(days=60)
    assert settings.time_zone.key == "Asia/Shanghai"
    assert not home.exists()  # reading makes nothing


def test_file_sets_and_environment_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, 'language = "zh_CN"\n[docking]\nparallel = 2\nmax_depth = 9\n[station]\nname = "一号站"\n')
    monkeypatch.setenv("SEALDOCK_DOCKING_PARALLEL", "7")
    monkeypatch.setenv("SEALDOCK_LANGUAGE", "en")
    monkeypatch.setenv("SEALDOCK_STATION_NAME", "")  # empty is unset
    monkeypatch.setenv("SEALDOCK_HOME", "/elsewhere")  # not a setting; read by home_from
    settings = Settings.load(home)
    assert settings.docking.parallel == 7
    assert settings.docking.max_depth == 9
    assert settings.language == "en"
    assert settings.station_name == "一号站"


def test_lists_in_the_environment_are_words_with_commas(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALDOCK_HASHING_ALGORITHMS", "sha256, sm3")
    monkeypatch.setenv("SEALDOCK_KEYS_TRUST_ROOTS", "a.pem,/b/c.pem")
    settings = Settings.load(home)
    assert settings.hashing.algorithms == ("sha256", "sm3")
    assert settings.trust_root_paths == (home / "a.pem", Path("/b/c.pem"))


def test_every_setting_can_be_set_by_its_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {
        "language": "en",
        "station.time_zone": "Europe/Berlin",
        "database.url": "sqlite:////other/register.db",
        "database.owner_url": "postgresql+psycopg:///register",
        "engine.url": "sqlite:////other/engine.db",
        "vault.url": "file:///other/vault",
        "vault.immutable": "off",
        "vault.allow_advisory": "true",
        "vault.confirmation": "checksum",
        "second_vault.url": "s3://copy", "second_vault.immutable": "off", "log.format": "json",
        "second_vault.allow_advisory": "true", "second_vault.required": "false",
        "second_vault.confirmation": "checksum",
        "hashing.algorithms": "sha256,sha512",
        "timestamp.url": "https://tsa.example/tsr",
        "ledger.witnesses": f"https://w.example w+01234567+{'A' * 44}",
        "retention.roll_percent": "80",
        "clearing.policy": "after-confirm",
        "media.memory_bytes": "104857600",
        "media.output_bytes": "8192",
        "log.level": "debug",
        "metrics.listen": "127.0.0.1:17",
        "spool.high_watermark": "18",
        "watch.unknown_volumes": "refuse",
    }  # fmt: skip

    def value(settings: Settings, name: str) -> object:
        found: object = settings
        for part in name.split("."):
            found = getattr(found, part)
        return found

    before = Settings.load(home)
    names = {name: text for name, text in known_names(Settings).items() if not name.endswith("_file")}
    assert len(names) > 30
    for name, variable in names.items():
        monkeypatch.setenv(variable, written.get(name, "17"))
    after = Settings.load(home)
    assert [name for name in names if value(after, name) == value(before, name)] == []


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[vault]\nimutable = 'off'", "vault.imutable", "vault.immutable"),
        ("[volt]\nurl = 'x'", "volt.url", "vault.url"),
        ("langage = 'en'", "langage", "language"),
        ("[vault.url]\nurl = 'x'", None, None),
        ("[zzz]", "zzz", None),
    ],
)
def test_unknown_name_in_the_file(home: Path, text: str, key: str | None, nearest: str | None) -> None:
    write(home, text)
    if key is None:
        with pytest.raises(InvalidSettingError):
            Settings.load(home)
        return
    with pytest.raises(UnknownSettingError) as caught:
        Settings.load(home)
    assert caught.value.facts == {"key": key, "nearest": nearest}


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SEALDOCK_VAULT_IMUTABLE", "SEALDOCK_VAULT_IMMUTABLE"),
        ("SEALDOCK_VAULT", "SEALDOCK_VAULT_URL"),
        ("SEALDOCK_HOMES", "SEALDOCK_HOME"),
        ("sealdock_languag", "SEALDOCK_LANGUAGE"),
    ],
)
def test_unknown_name_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    monkeypatch.setenv(variable, "{}")
    with pytest.raises(UnknownSettingError) as caught:
        Settings.load(home)
    assert caught.value.facts == {"key": variable, "nearest": nearest}


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        ("[docking]\nparallel = 0", "docking.parallel", "at least 1"),
        ("[docking]\nparallel = 'many'", "docking.parallel", "whole number"),
        ("[docking]\nparallel = 1.5", "docking.parallel", "whole number"),
        ("[timestamp]\ntimeout_seconds = nan", "timestamp.timeout_seconds", "number"),
        ("[timestamp]\ntimeout_seconds = 0", "timestamp.timeout_seconds", "more than 0"),
        ("[vault]\nimmutable = 'maybe'", "vault.immutable", "'auto', 'off' or 'required'"),
        ("vault = 3", "vault", "section"),
        ("language = 'de'", "language", "'zh_CN'"),
        ("[station]\nid = 'Station 1'", "station.id", "lower-case"),
        ("[station]\ntime_zone = 'Asia/Suzhou'", "station.time_zone", "time zone"),
        ("[station]\ntime_zone = '../../etc/passwd'", "station.time_zone", "time zone"),
        ("[hashing]\nalgorithms = ['sm3']", "hashing.algorithms", "sha256 cannot be left out"),
        ("[hashing]\nalgorithms = ['sha256', 'sha256']", "hashing.algorithms", "once"),
        ("[hashing]\nalgorithms = ['sha256', 'md5']", "hashing.algorithms", "'sm3'"),
        ("[keys]\ntrust_roots = [1]", "keys.trust_roots", "text"),
        ("[timestamp]\nurl = 'http://tsa.example/'", "timestamp.url", "https"),
        ("[timestamp]\nurl = 'ftp://tsa.example/'", "timestamp.url", "https"),
        ("[timestamp]\nurl = 'http://127.0.0.1.example/'", "timestamp.url", "https"),
        ("[vault]\nurl = '/srv/vault'", "vault.url", "file:///"),
        ("[vault]\nurl = 'file://srv/vault'", "vault.url", "absolute"),
        ("[database]\nurl = 'sqlite:///register.db'", "database.url", "sqlite:////absolute"),
        ("[database]\nurl = 'postgresql://db.example/x'", "database.url", "sslmode"),
        ("[database]\nurl = 'postgresql://db.example/x?sslmode=prefer'", "database.url", "sslmode"),
        ("[database]\nurl = 'postgresql:///x?host=db.example'", "database.url", "sslmode"),
        ("[engine]\nurl = 'postgresql://[::1/x'", "engine.url", "not a URL"),
    ],
)
def test_value_that_cannot_be_used(home: Path, text: str, key: str, part: str) -> None:
    write(home, text)
    with pytest.raises(InvalidSettingError) as caught:
        Settings.load(home)
    assert caught.value.facts["key"] == key
    assert part in str(caught.value.facts["problem"])
    assert caught.value.explain("zh_CN").happened.isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://db.example/x?sslmode=verify-full",
        "postgresql+psycopg://localhost/x",
        "postgresql+psycopg://[::1]:5432/x",
        "postgresql+psycopg:///x?host=/run/postgresql",
        "sqlite:////srv/register.db",
    ],
)
def test_database_that_needs_no_trust_in_the_network(home: Path, url: str) -> None:
    write(home, f"[database]\nurl = '{url}'")
    assert Settings.load(home).database_url == url


@pytest.mark.parametrize("url", ["http://localhost:3180/tsr", "http://127.0.0.1/", "https://tsa.example/tsr"])
def test_timestamp_service_with_tls_or_here(home: Path, url: str) -> None:
    write(home, f"[timestamp]\nurl = '{url}'")
    assert Settings.load(home).timestamp.url == url


@pytest.mark.parametrize("section", ["database", "engine", "vault", "timestamp"])
def test_secret_in_the_file_is_refused_and_not_repeated(home: Path, section: str) -> None:
    write(home, f"[{section}]\nurl = '{DATABASE}'")
    with pytest.raises(SecretInFileError) as caught:
        Settings.load(home)
    assert caught.value.facts == {"key": f"{section}.url"}
    assert SECRET not in str(caught.value) + caught.value.sentence()


def test_secret_in_a_list_of_the_file_is_refused(home: Path) -> None:
    write(home, f"[keys]\ntrust_roots = ['a.pem', '{DATABASE}']")
    with pytest.raises(SecretInFileError):
        Settings.load(home)


def test_secret_from_the_environment_is_used_and_never_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALDOCK_DATABASE_URL", DATABASE)
    monkeypatch.setenv("SEALDOCK_ENGINE_URL", DATABASE)
    settings = Settings.load(home)
    assert settings.database_url == DATABASE
    assert SECRET not in json.dumps(settings.masked()) + repr(settings) + str(settings)
    assert settings.masked()["database"]["url"] == "postgresql+psycopg://clerk:***@127.0.0.1/register"


def test_invalid_secret_from_the_environment_is_not_in_the_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALDOCK_DATABASE_URL", f"postgresql://clerk:{SECRET}@db.example/x")
    with pytest.raises(InvalidSettingError) as caught:
        Settings.load(home)
    assert SECRET not in caught.value.sentence()
    assert caught.value.__suppress_context__
    assert SECRET not in str(caught.value.__context__)


def test_secret_file_is_read(home: Path) -> None:
    write(home, "[database]\nurl_file = 'database.secret'")
    secret_file(home)
    settings = Settings.load(home)
    assert settings.database_url == DATABASE
    assert SECRET not in json.dumps(settings.masked())
    assert settings.masked()["database"]["url_file"] == "database.secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_secret_file_that_others_may_open_is_refused(home: Path, mode: int) -> None:
    write(home, "[database]\nurl_file = 'database.secret'")
    path = secret_file(home, mode=mode)
    with pytest.raises(KeyFileExposedError) as caught:
        Settings.load(home)
    assert caught.value.facts == {"path": path, "mode": f"0{mode:o}"}
    assert SECRET not in caught.value.sentence()


@pytest.mark.parametrize("data", [b"", b"\n", b"a\nb", b"\xff\xfe", b"x" * 70_000])
def test_secret_file_that_is_no_line_is_refused(home: Path, data: bytes) -> None:
    write(home, "[database]\nurl_file = 'database.secret'")
    secret_file(home, data=data)
    with pytest.raises(InvalidSettingError) as caught:
        Settings.load(home)
    assert caught.value.facts["key"] == "database.url_file"


def test_secret_file_that_is_missing_or_no_file_is_refused(home: Path) -> None:
    write(home, "[database]\nurl_file = 'nothing'\n")
    with pytest.raises(InvalidSettingError, match="No such file"):
        Settings.load(home)
    write(home, "[database]\nurl_file = '.'\n")
    with pytest.raises(InvalidSettingError):
        Settings.load(home)


def test_url_and_url_file_in_one_place_contradict_each_other(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "[database]\nurl = 'sqlite:////a.db'\nurl_file = 'database.secret'")
    secret_file(home)
    with pytest.raises(InvalidSettingError, match=r"database\.url is set as well"):
        Settings.load(home)
    monkeypatch.setenv("SEALDOCK_DATABASE_URL", "sqlite:////b.db")
    assert Settings.load(home).database_url == "sqlite:////b.db"
    monkeypatch.delenv("SEALDOCK_DATABASE_URL")
    monkeypatch.setenv("SEALDOCK_DATABASE_URL_FILE", "database.secret")
    assert Settings.load(home).database_url == DATABASE


@pytest.mark.parametrize("data", [b"x = ", b"\xff", b"#" * (1 << 20) + b"\n"])
def test_file_that_is_no_table_is_refused(home: Path, data: bytes) -> None:
    home.mkdir()
    (home / FILE_NAME).write_bytes(data)
    with pytest.raises(SettingsFileInvalidError) as caught:
        Settings.load(home)
    assert caught.value.facts["path"] == home / FILE_NAME


def test_settings_are_frozen(home: Path) -> None:
    settings = Settings.load(home)
    with pytest.raises(ValidationError, match="frozen"):
        settings.language = "en"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.docking.parallel = 1  # type: ignore[misc]


def test_paths_are_absolute_and_relative_ones_belong_to_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "[spool]\npath = '../spool'\n[keys]\ndirectory = '~/keys'\n[retention]\nschedule = 's.toml'")
    monkeypatch.setenv("HOME", "/home/clerk")
    monkeypatch.chdir(home.parent)
    settings = Settings.load(Path("home"))
    assert settings.home == home
    assert settings.spool_path == home.parent / "spool"
    assert settings.keys_path == Path("/home/clerk/keys")
    assert settings.schedule_path == home / "s.toml"


@pytest.mark.parametrize("name", ["执法 home", "100%25", "a?b#c", "a@b:c"])
def test_odd_home_survives_in_urls(tmp_path: Path, name: str) -> None:
    settings = Settings.load(tmp_path / name)
    assert make_url(settings.database_url).database == str(tmp_path / name / "register.db")
    assert settings.vault_url == (tmp_path / name / "vault").as_uri()


def test_masked_fills_in_the_usual_places(home: Path) -> None:
    shown = Settings.load(home).masked()
    assert shown["vault"]["url"] == f"file://{home}/vault"
    assert shown["keys"]["trust_roots"] == [f"{home}/keys/authority.pem"]
    assert shown["hashing"] == {"algorithms": ["sha256"]}
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize(
    ("host", "slug"),
    [("Dock-1.local", "dock-1-local"), ("采集站", "station"), ("-a_b-", "a-b"), ("x" * 80, "x" * 63)],
)
def test_host_slug(host: str, slug: str) -> None:
    assert host_slug(host) == slug


def test_station_id_defaults_to_the_host(home: Path) -> None:
    settings = Settings.load(home)
    assert settings.station.id == host_slug()
    assert settings.station_name == settings.station.id


def test_home_from() -> None:
    environ = {"SEALDOCK_HOME": "/srv/a", "XDG_DATA_HOME": "/data", "HOME": "/home/clerk"}
    assert home_from(Path("/explicit"), environ) == Path("/explicit")
    assert home_from(None, environ) == Path("/srv/a")
    del environ["SEALDOCK_HOME"]
    assert home_from(None, environ) == Path("/data/sealdock")
    environ["XDG_DATA_HOME"] = "relative"
    assert home_from(None, environ) == Path("/home/clerk/.local/share/sealdock")
    assert home_from(Path("here"), environ) == Path.cwd() / "here"


def test_the_owner_s_address_is_a_secret_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, f"[database]\nowner_url = '{DATABASE}'")
    with pytest.raises(SecretInFileError):
        Settings.load(home)
    secret_file(home)
    write(home, "[database]\nowner_url_file = 'database.secret'")
    settings = Settings.load(home)
    assert settings.database.owner_url == DATABASE
    assert SECRET not in f"{settings.masked()} {settings!r}"
    monkeypatch.setenv("SEALDOCK_DATABASE_OWNER_URL", "postgresql://db.example/x")
    with pytest.raises(InvalidSettingError, match="sslmode"):
        Settings.load(home)
