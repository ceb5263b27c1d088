"""The sections of the settings, with their defaults and limits. An empty text means "the usual place"."""

import re
import socket
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from config.messages import mark
from config.urls import check_database_url, check_timestamp_url, check_vault_url

GIB = 1 << 30
MIB = 1 << 20
_VKEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44,88}")
_STATION_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _split(value: object) -> object:
    """Let a list be written in the environment as words with commas between them."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


_Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
_Url = Annotated[str, Field(repr=False)]  # it may come with a password from the environment


def host_slug(host: str | None = None) -> str:
    """Return this computer's name as a station id: lower-case letters, digits and hyphens, at most 63."""
    name = socket.gethostname() if host is None else host
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:63].strip("-")
    return slug or "station"


class Section(BaseModel):
    """A frozen group of settings; names that it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class StationSection(Section):
    """This docking station. ``id`` names it in the vault and in every manifest; empty: the host's name."""

    id: str = Field(default="", validate_default=True)
    name: str = Field(default="", max_length=100)
    time_zone: str = "Asia/Shanghai"

    @field_validator("id")
    @classmethod
    def _known_id(cls, value: str) -> str:
        value = value or host_slug()
        if not _STATION_ID.fullmatch(value):
            raise ValueError(mark("use lower-case letters, digits and hyphens, at most 63"))
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, LookupError):  # ZoneInfo raises any of them for a bad name
            raise ValueError(mark("there is no such time zone; write it like Asia/Shanghai")) from None
        return value


class DatabaseSection(Section):
    """The register: an SQLAlchemy URL, or a file that holds it. Empty: an SQLite file in the home.

    ``owner_url``: the same PostgreSQL database for the role that owns its tables; only ``init`` uses it.
    """

    url: _Url = ""
    url_file: str = ""
    owner_url: _Url = ""
    owner_url_file: str = ""

    _check = field_validator("url", "owner_url")(check_database_url)


class EngineSection(Section):
    """The engine's own database, as for the register."""

    url: _Url = ""
    url_file: str = ""

    _check = field_validator("url")(check_database_url)


class VaultSection(Section):
    """Where originals, manifests and seals are kept.

    ``immutable``: the local vault's immutable attribute. ``allow_advisory``: a local vault, whose locks bind
    nobody who administers the machine, is what is wanted; unset: only the one in the home is. Credentials of
    an S3 vault: ``access_key`` and ``secret_key``, or ``credentials_file``; with neither, where the AWS tools
    look. ``confirmation``: ``full`` reads back what was stored, ``checksum`` (of an S3 vault) compares the
    store's own.
    """

    url: _Url = ""
    url_file: str = ""
    immutable: Literal["auto", "off", "required"] = "auto"
    allow_advisory: bool | None = None
    credentials_file: str = ""
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    secret_key_file: str = ""
    session_token: SecretStr = SecretStr("")
    session_token_file: str = ""
    confirmation: Literal["checksum", "full"] = "full"

    _check = field_validator("url")(check_vault_url)

    @model_validator(mode="after")
    def _whole_credentials(self) -> Self:
        if bool(self.access_key) != bool(self.secret_key.get_secret_value()):
            raise ValueError(mark("access_key and secret_key go together"))
        if self.session_token.get_secret_value() and not self.access_key:
            raise ValueError(mark("session_token goes with access_key and secret_key"))
        if self.access_key and self.credentials_file:
            raise ValueError(mark("credentials_file and access_key are both set; which one counts?"))
        return self


class SecondVaultSection(VaultSection):
    """Another vault that everything is stored in, too; without ``url`` there is none.

    ``required``: a clip is confirmed only once this vault has confirmed it as well. If not, `vault copy`
    brings it what it lacks.
    """

    required: bool = True


class SpoolSection(Section):
    """Where clips rest between the recorder and the vault; ``min_free_bytes`` are never filled.

    The watermarks are percent of what the spool can hold: its own files and the free space beyond
    ``min_free_bytes``. From ``high_watermark`` on no further clip is copied, until it is below the low one.
    """

    path: str = ""
    min_free_bytes: int = Field(default=256 * MIB, ge=0)
    high_watermark: float = Field(default=90.0, gt=0, le=100)
    low_watermark: float = Field(default=75.0, ge=0, le=100, validate_default=True)

    @field_validator("low_watermark")
    @classmethod
    def _below_the_high_one(cls, value: float, others: ValidationInfo) -> float:
        if value >= others.data.get("high_watermark", 100.0):
            raise ValueError(mark("low_watermark must be below high_watermark"))
        return value


class HashingSection(Section):
    """The digests made of every clip: always sha256, and sm3 or sha512 beside it."""

    algorithms: Annotated[
        tuple[Literal["sha256", "sm3", "sha512"], ...], NoDecode, BeforeValidator(_split)
    ] = ("sha256",)

    @field_validator("algorithms")
    @classmethod
    def _with_sha256(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "sha256" not in value:
            raise ValueError(mark("sha256 cannot be left out, since it names every object in the vault"))
        if len(set(value)) != len(value):
            raise ValueError(mark("name each algorithm once"))
        return value


class KeysSection(Section):
    """The station's key and certificate, and the certificates that seals are checked against."""

    directory: str = ""
    station_key: str = ""
    station_certificate: str = ""
    trust_roots: _Words = ()
    expiry_warning_days: int = Field(default=60, ge=1, le=3650)

    @property
    def expiry_warning(self) -> timedelta:
        """How long before a certificate ends people are warned."""
        return timedelta(days=self.expiry_warning_days)


class TimestampSection(Section):
    """The RFC 3161 timestamp service; without a URL, seals carry no trusted time."""

    url: _Url = ""
    url_file: str = ""
    trust_roots: _Words = ()
    timeout_seconds: float = Field(default=5.0, gt=0, le=300)

    _check = field_validator("url")(check_timestamp_url)


class LedgerSection(Section):
    """The log of custody events: how often ``watch`` publishes it, and the witnesses that cosign it.

    A witness is written ``URL VERIFIER-KEY``: where it answers, and its key as it published it.
    """

    publish_minutes: int = Field(default=15, ge=1, le=1440)
    witnesses: _Words = ()
    witness_timeout_seconds: float = Field(default=5.0, gt=0, le=60)

    @field_validator("witnesses")
    @classmethod
    def _known_witnesses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            url, _, vkey = item.partition(" ")
            check_timestamp_url(url)  # the same rule: TLS, but on this computer
            if not _VKEY.fullmatch(vkey) or {"?", "#"} & set(url):
                raise ValueError(mark("write it like `https://host/path NAME+HASH+KEY`"))
        return value


class RetentionSection(Section):
    """The schedule file (empty: the one shipped), and how far into the future a lock may reach at once.

    A lock that has to last longer is moved on when less than ``roll_percent`` of that cap is left, and is
    behind when less than ``alarm_percent`` is.
    """

    schedule: str = ""
    lock_cap_months: int = Field(default=13, ge=1, le=120)
    roll_percent: int = Field(default=75, ge=2, le=99)
    alarm_percent: int = Field(default=50, ge=1, le=98)

    @field_validator("alarm_percent")
    @classmethod
    def _below_roll(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("roll_percent", value + 1):
            raise ValueError(mark("it must be less than retention.roll_percent"))
        return value


class ProfilesSection(Section):
    """A folder of recorder profiles beside those shipped."""

    directory: str = ""


class LinkingSection(Section):
    """How far a clip may lie outside of a case's time span and still be proposed for it."""

    buffer_minutes: int = Field(default=5, ge=0, le=1440)

    @property
    def buffer(self) -> timedelta:
        """The same as a duration."""
        return timedelta(minutes=self.buffer_minutes)


class ClearingSection(Section):
    """Whether clips are removed from the recorder, once each has been confirmed."""

    policy: Literal["never", "after-confirm"] = "never"


class DockingSection(Section):
    """Limits of one docking; ``patience_seconds`` is how long it waits for what comes back by itself."""

    patience_seconds: float = Field(default=30.0, ge=0, le=3600)
    change_attempts: int = Field(default=3, ge=1, le=100)
    max_entries: int = Field(default=1_000_000, ge=1)
    max_depth: int = Field(default=64, ge=1, le=1000)
    parallel: int = Field(default=4, ge=1, le=64)


class WatchSection(Section):
    """The station service: how often it looks, when a drop folder is at rest, what strange volumes get.

    It counts as stuck when it has not come round for ``stall_seconds`` beyond ``rescan_seconds``.
    """

    rescan_seconds: float = Field(default=5.0, ge=0.1, le=3600)
    quiet_seconds: float = Field(default=15.0, ge=0, le=3600)
    stop_seconds: float = Field(default=30.0, ge=0, le=3600)
    stall_seconds: float = Field(default=120.0, ge=1, le=86400)
    unknown_volumes: Literal["accept", "quarantine", "refuse"] = "quarantine"


class MediaSection(Section):
    """Limits of the child process that parses media files."""

    timeout_seconds: float = Field(default=30.0, gt=0, le=3600)
    memory_bytes: int = Field(default=2 * GIB, ge=64 * MIB)
    output_bytes: int = Field(default=MIB, ge=4096)

    @property
    def timeout(self) -> timedelta:
        """How long one file may take."""
        return timedelta(seconds=self.timeout_seconds)


class LogSection(Section):
    """From which level on events are logged, how, and where: to standard error, or to a file.

    ``auto`` is, as a level, info for ``watch`` and warning for other commands; as a format, text on a
    terminal and JSON elsewhere.
    """

    level: Literal["auto", "debug", "info", "warning", "error"] = "auto"
    format: Literal["auto", "json", "text"] = "auto"
    file: str = ""


class MetricsSection(Section):
    """Where ``watch`` answers for metrics and health: ``HOST:PORT``, or a port of loopback."""

    listen: str = ""

    @field_validator("listen")
    @classmethod
    def _known_place(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise ValueError(mark("write it like 127.0.0.1:9464"))
        if value and not host:
            return f"127.0.0.1:{port}"
        return value


def section_types(settings: type[BaseModel]) -> dict[str, type[Section]]:
    """Return the sections of a settings class by name."""
    found: dict[str, Any] = {name: field.annotation for name, field in settings.model_fields.items()}
    return {
        name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, Section)
    }
