"""Keys and trust roots of a home, as its settings name them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from config.errors import KeyFileInvalidError
from config.settings import Settings
from hashing import durable
from hashing.keys import Signer, load_signer
from metadata import events
from metadata.actor import Actor
from metadata.clock import now_utc
from metadata.events import EventKind
from metadata.models import SigningKey
from metadata.repo import seals

if TYPE_CHECKING:
    from hashing.timestamp import Authority

RETIRED = "retired"
"""Folder below the keys folder: certificates of keys that sign no more. Their old seals stay valid."""


NEXT = "next"
NEXT_KEY, NEXT_CERTIFICATE = f"{NEXT}.key", f"{NEXT}.pem"
"""Files in the keys folder while a rotation is under way."""


def load_keys(settings: Settings) -> tuple[Signer, tuple[x509.Certificate, ...]]:
    """Return the station's signer and the certificates that seals are checked against.

    Raises KeyFileExposedError for a key that others may read, KeyFileInvalidError for one that
    does not fit its certificate.
    """
    roots = settings.trust_root_paths
    pair = settings.station_key_path, settings.station_certificate_path
    try:
        signer = load_signer(*pair, roots)
    except KeyFileInvalidError:
        if not _finish_rotation(settings):
            raise
        signer = load_signer(*pair, roots)
    return signer, certificates(roots)


def _finish_rotation(settings: Settings) -> bool:
    """Put the certificate in its place whose key a rotation had put in its own when it was cut off."""
    waiting = settings.keys_path / NEXT_CERTIFICATE
    try:
        load_signer(settings.station_key_path, waiting)
    except KeyFileInvalidError:
        return False
    waiting.replace(settings.station_certificate_path)
    durable.fsync_dir(settings.keys_path)
    return True


def certificates(paths: Iterable[Path]) -> tuple[x509.Certificate, ...]:
    """Read PEM certificates; a file may hold several."""
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise KeyFileInvalidError(path=str(path), problem=str(error)) from error
    return tuple(found)


def timestamp_authority(settings: Settings) -> "Authority | None":
    """Return the configured timestamp authority, if there is one."""
    if not settings.timestamp.url:
        return None
    from hashing.timestamp import Authority  # noqa: PLC0415 - most homes have none, and it imports much

    return Authority(
        url=settings.timestamp.url,
        trust_roots=certificates(settings.timestamp_trust_root_paths),
        timeout=settings.timestamp.timeout_seconds,
    )


def note_key(session: Session, signer: Signer, purpose: str, actor: Actor) -> None:
    """Write a key down the first time it is seen, with its event."""
    at = now_utc()
    row = SigningKey(
        id=signer.key_id,
        purpose=purpose,
        certificate=signer.certificate.public_bytes(Encoding.DER),
        chain=b"".join(item.public_bytes(Encoding.PEM) for item in signer.chain),
        not_before=signer.certificate.not_valid_before_utc,
        not_after=signer.certificate.not_valid_after_utc,
        created_at=at,
    )
    if seals.add_key(session, row):
        facts = {"key": signer.key_id, "not_after": row.not_after, "purpose": purpose}
        events.append(
            session, EventKind.KEY_ADDED, actor, at, attempt=signer.key_id, subject=signer.key_id, facts=facts
        )
