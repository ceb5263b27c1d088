"""The settings of one home: defaults, then ``sealdock.toml``, then the environment, which wins."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.credentials import AccessKeys
from config.errors import InvalidSettingError
from config.masking import MASK, mask
from config.messages import Phrase, mark, named
from config.problems import problem_of
from config.sections import (
    ClearingSection,
    DatabaseSection,
    DockingSection,
    EngineSection,
    HashingSection,
    KeysSection,
    LedgerSection,
    LinkingSection,
    LogSection,
    MediaSection,
    MetricsSection,
    ProfilesSection,
    RetentionSection,
    SecondVaultSection,
    SpoolSection,
    StationSection,
    TimestampSection,
    VaultSection,
    WatchSection,
)
from config.sources import FILE_NAME, HOME_VARIABLE, PREFIX, file_values
from config.urls import vaults_overlap

__all__ = ["FILE_NAME", "HOME_VARIABLE", "Settings", "home_from"]


def _language(value: object) -> object:
    return named(value) if isinstance(value, str) else value


class Settings(BaseSettings):
    """All settings of one home, frozen. Make it with ``load``; the properties give absolute paths."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    language: Annotated[Literal["auto", "zh_CN", "en"], BeforeValidator(_language)] = "auto"
    station: StationSection = Field(default_factory=StationSection)
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    engine: EngineSection = Field(default_factory=EngineSection)
    vault: VaultSection = Field(default_factory=VaultSection)
    second_vault: SecondVaultSection = Field(default_factory=SecondVaultSection)
    spool: SpoolSection = Field(default_factory=SpoolSection)
    hashing: HashingSection = Field(default_factory=HashingSection)
    keys: KeysSection = Field(default_factory=KeysSection)
    timestamp: TimestampSection = Field(default_factory=TimestampSection)
    ledger: LedgerSection = Field(default_factory=LedgerSection)
    retention: RetentionSection = Field(default_factory=RetentionSection)
    profiles: ProfilesSection = Field(default_factory=ProfilesSection)
    linking: LinkingSection = Field(default_factory=LinkingSection)
    clearing: ClearingSection = Field(default_factory=ClearingSection)
    docking: DockingSection = Field(default_factory=DockingSection)
    watch: WatchSection = Field(default_factory=WatchSection)
    media: MediaSection = Field(default_factory=MediaSection)
    log: LogSection = Field(default_factory=LogSection)
    metrics: MetricsSection = Field(default_factory=MetricsSection)

    _home: Path = PrivateAttr(default_factory=Path.cwd)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose values come in as arguments; nothing else is read."""
        return env_settings, init_settings

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read the settings of a home; a home without ``sealdock.toml`` has the defaults.

        Raises UnknownSettingError (with the nearest known name), InvalidSettingError, SecretInFileError,
        SettingsFileInvalidError, and KeyFileExposedError for a ``url_file`` that others may read.
        """
        home = _absolute(home)
        values = file_values(cls, home, os.environ)
        try:
            settings = cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            # The position inside a list is no part of the setting's name.
            key = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
            # Without the cause: its frames hold the values, and a value may be a secret.
            raise InvalidSettingError(key=key, problem=problem_of(first)) from None
        settings._home = home
        if settings.second_vault.url and vaults_overlap(settings.vault_url, settings.second_vault.url):
            problem = Phrase(mark("it is the same place as the first vault, or one lies inside the other"))
            raise InvalidSettingError(key="second_vault.url", problem=problem)
        return settings

    @property
    def home(self) -> Path:
        """The folder that everything belongs to unless a setting says otherwise."""
        return self._home

    @property
    def station_name(self) -> str:
        """The name of the station for people: ``station.name``, else its id."""
        return self.station.name or self.station.id

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone in which people here read times, and recorders usually write them."""
        return ZoneInfo(self.station.time_zone)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the register. It may hold a password: show it only through ``masked``."""
        return self.database.url or _sqlite_url(self._home / "register.db")

    @property
    def engine_url(self) -> str:
        """SQLAlchemy URL of the engine's database. It may hold a password, as ``database_url``."""
        return self.engine.url or _sqlite_url(self._home / "engine.db")

    @property
    def vault_url(self) -> str:
        """URL of the vault; the path of a file URL is percent-encoded."""
        return self.vault.url or f"file://{quote(str(self._home / 'vault'))}"

    @property
    def vault_credentials(self) -> AccessKeys | Path | None:
        """Credentials of an S3 vault, or the file that holds them; None to look where the AWS tools do."""
        return self._credentials(self.vault)

    @property
    def second_vault_credentials(self) -> AccessKeys | Path | None:
        """Credentials of the second vault, likewise."""
        return self._credentials(self.second_vault)

    @property
    def uploads_path(self) -> Path:
        """Folder of what an S3 vault has to remember of uploads under way."""
        return self._home / "uploads"

    @property
    def second_uploads_path(self) -> Path:
        """The same for the second vault."""
        return self._home / "uploads-second"

    @property
    def spool_path(self) -> Path:
        """Folder of verified copies on their way to the vault."""
        return self._path(self.spool.path) or self._home / "spool"

    @property
    def keys_path(self) -> Path:
        """Folder of keys and certificates."""
        return self._path(self.keys.directory) or self._home / "keys"

    @property
    def station_key_path(self) -> Path:
        """The station's private key; by default ``station.key`` in the keys folder."""
        return self._path(self.keys.station_key) or self.keys_path / "station.key"

    @property
    def station_certificate_path(self) -> Path:
        """The station's certificate; by default ``station.pem`` in the keys folder."""
        return self._path(self.keys.station_certificate) or self.keys_path / "station.pem"

    @property
    def trust_root_paths(self) -> tuple[Path, ...]:
        """Certificates that seals are checked against; by default ``authority.pem`` in the keys folder."""
        return self._paths(self.keys.trust_roots) or (self.keys_path / "authority.pem",)

    @property
    def timestamp_trust_root_paths(self) -> tuple[Path, ...]:
        """Certificates that timestamp tokens are checked against; there is no default."""
        return self._paths(self.timestamp.trust_roots)

    @property
    def log_path(self) -> Path | None:
        """File that events are logged to; None for standard error."""
        return self._path(self.log.file)

    @property
    def schedule_path(self) -> Path | None:
        """The retention schedule; None for the one shipped."""
        return self._path(self.retention.schedule)

    @property
    def profiles_path(self) -> Path | None:
        """Folder of further recorder profiles; None for those shipped only."""
        return self._path(self.profiles.directory)

    def masked(self) -> dict[str, Any]:
        """Return the settings in force as plain JSON values, usual places filled in, secrets as ``***``."""
        shown = self.model_dump(mode="json")
        shown["database"]["url"] = self.database_url
        shown["engine"]["url"] = self.engine_url
        shown["vault"]["url"] = self.vault_url
        shown["spool"]["path"] = str(self.spool_path)
        shown["keys"] |= {
            "directory": str(self.keys_path),
            "station_key": str(self.station_key_path),
            "station_certificate": str(self.station_certificate_path),
            "trust_roots": [str(path) for path in self.trust_root_paths],
        }
        for section, vault in (("vault", self.vault), ("second_vault", self.second_vault)):
            for name, secret in vault:
                if isinstance(secret, SecretStr):
                    shown[section][name] = MASK if secret.get_secret_value() else ""
        masked: dict[str, Any] = _masked(shown)
        return masked

    def _credentials(self, vault: VaultSection) -> AccessKeys | Path | None:
        if not vault.access_key:
            return self._path(vault.credentials_file)
        token = vault.session_token.get_secret_value() or None
        return AccessKeys(vault.access_key, vault.secret_key.get_secret_value(), token)

    def _path(self, written: str) -> Path | None:
        return _absolute(self._home / Path(written).expanduser()) if written else None

    def _paths(self, written: tuple[str, ...]) -> tuple[Path, ...]:
        return tuple(path for path in map(self._path, written) if path)


def home_from(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the home to use: the one named, else SEALDOCK_HOME, else ``sealdock`` under the XDG data folder.

    It need not exist. A relative XDG_DATA_HOME counts as unset, as the XDG base directory specification says.
    """
    if explicit is not None:
        return _absolute(explicit)
    if environ.get(HOME_VARIABLE):
        return _absolute(Path(environ[HOME_VARIABLE]))
    data = Path(environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        data = Path(environ.get("HOME") or "~").expanduser() / ".local" / "share"
    return data / "sealdock"


def _absolute(path: Path) -> Path:
    # Symbolic links stay: an administrator who moves the vault behind one means the link.
    return Path(os.path.normpath(path.expanduser().absolute()))


def _sqlite_url(path: Path) -> str:
    # Only what would end or change the path: SQLAlchemy 2.0 does not decode it, 2.1 does.
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return value
