"""The manifest: what a clip is and where it came from, version 1 (docs/formats.md).

Fields that this version does not know are kept: a manifest with more in it comes through unchanged.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from config.errors import ManifestInvalidError
from hashing import canonical
from hashing.digest import Algorithm, Digest

SCHEMA: Literal["sealdock.manifest/1"] = "sealdock.manifest/1"


def _digest_text(text: str) -> str:
    Digest.parse(text)  # ValueError: not a digest
    return text


def _from_digits(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Name = str | dict[str, str]
"""A name on the card: text, or ``{text, bytes_b64}`` (:func:`hashing.canonical.name`)."""
DigestText = Annotated[str, AfterValidator(_digest_text)]
"""``algorithm:lower-case-hex``."""
Size = Annotated[int, Field(ge=0), BeforeValidator(_from_digits)]
"""Bytes; beyond 2^53 a string of digits in JSON."""


class Part(BaseModel):
    """A part of a manifest: frozen, keeps what it does not know."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ClipPart(Part):
    """The bytes: register id, digests as ``algorithm:hex``, size, and the name on the card."""

    id: str
    digests: tuple[DigestText, ...]
    size: Size
    name: Name
    path: Name
    media_type: str

    @field_validator("digests")
    @classmethod
    def _identified(cls, digests: tuple[str, ...]) -> tuple[str, ...]:
        algorithms = [Digest.parse(text).algorithm for text in digests]
        if algorithms.count(Algorithm.SHA256) != 1 or len(set(algorithms)) != len(algorithms):
            raise ValueError("one digest an algorithm, SHA-256 among them")
        return digests

    @property
    def sha256(self) -> Digest:
        """The SHA-256 among the digests: the identity of the object."""
        found = (Digest.parse(text) for text in self.digests)
        return next(digest for digest in found if digest.algorithm is Algorithm.SHA256)


class ChunksPart(Part):
    """SHA-256 of every ``size`` bytes, and the RFC 6962 root over those digests as ``sha256:hex``."""

    size: int = Field(gt=0)
    root: DigestText

    @property
    def digest(self) -> Digest:
        """The root as a digest."""
        return Digest.parse(self.root)


class RecordingPart(Part):
    """When it was recorded, and who says so. ``time_source``: file-name, container, file-system, unknown."""

    start: AwareDatetime | None
    end: AwareDatetime | None
    time_source: str
    time_zone: str | None
    sequence: int | None
    important: bool


class RecorderPart(Part):
    """The recorder, as the card claims."""

    serial: str | None
    model: str | None
    profile: str
    claimed_officer: str | None


class DockingPart(Part):
    """The docking that brought the clip in, and what was known of the clocks."""

    id: str
    station: str
    operator: dict[str, str]
    at: AwareDatetime
    station_clock: dict[str, Any]
    recorder_clock: dict[str, Any]
    inventory: DigestText


class Manifest(Part):
    """One clip's manifest. ``probe`` is what the sandboxed parsers found."""

    schema_: Literal["sealdock.manifest/1"] = Field(default=SCHEMA, alias="schema")
    clip: ClipPart
    chunks: ChunksPart
    recording: RecordingPart
    recorder: RecorderPart
    docking: DockingPart
    probe: dict[str, Any]
    read_back: Literal["media", "cache"]
    assurance: Literal["camera-signed", "dock-signed", "recovered", "imported"]
    software: str
    previous: str | None

    def encode(self) -> bytes:
        """Return the canonical bytes: what is hashed and sealed."""
        return canonical.encode(self.model_dump(by_alias=True))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a manifest. Raises ManifestInvalidError for anything but canonical JSON of this schema."""
        value = canonical.decode(data)
        try:
            found = cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ManifestInvalidError(problem=f"{where}: {first['msg']}") from error
        # A value that only *becomes* right by conversion ("12" for 12) is not what was signed.
        if found.encode() != data:
            raise ManifestInvalidError(problem="a field is not spelled as this version spells it")
        return found
