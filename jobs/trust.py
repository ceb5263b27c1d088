"""Keys and trust roots of a home, as its settings name them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from config.errors import KeyFileInvalidError
from config.settings import Settings
from hashing import durable
from hashing.keys import Signer, key_id, load_signer
from metadata import events
from metadata.actor import Actor
from metadata.clock import now_utc
from metadata.events import EventKind
from metadata.models import SigningKey
from metadata.register import Register
from metadata.repo import seals

if TYPE_CHECKING:
    from hashing.timestamp import Authority

RETIRED = "retired"
"""Folder below the keys folder: certificates of keys that sign no more. Their old seals stay valid."""

TRUSTED = "trusted"
"""Folder below the keys folder: authorities of other stations of the register that this one trusts."""

NEXT = "next"
NEXT_KEY, NEXT_CERTIFICATE = f"{NEXT}.key", f"{NEXT}.pem"
"""Files in the keys folder while a rotation is under way."""


def load_keys(settings: Settings) -> tuple[Signer, tuple[x509.Certificate, ...]]:
    """Return the station's signer and the certificates that seals are checked against.

    Those are the trust roots of the settings, and the authorities of other stations that somebody accepted.
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
    accepted = sorted((settings.keys_path / TRUSTED).glob("*.pem"))
    return signer, certificates((*roots, *accepted))


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


def unknown_authorities(
    keys: Iterable[SigningKey], roots: Iterable[x509.Certificate]
) -> dict[str, x509.Certificate]:
    """Return the authorities of keys by the keys' ids, without those among ``roots``."""
    known = set(roots)
    found = {key.id: x509.load_pem_x509_certificates(key.chain)[-1] for key in keys if key.chain}
    return {of: authority for of, authority in found.items() if authority not in known}


def trust(
    session: Session, settings: Settings, of: SigningKey, authority: x509.Certificate, actor: Actor
) -> None:
    """Trust the authority of another station's key from now on; a repeat changes nothing."""
    own, authority_id = settings.station.id, key_id(authority)
    if not events.has(session, EventKind.KEY_TRUSTED, subject=own, attempt=authority_id):
        facts = {"station": of.station_id, "key": of.id, "authority": authority_id}
        events.append(
            session, EventKind.KEY_TRUSTED, actor, now_utc(), attempt=authority_id, subject=own, facts=facts
        )
    folder = settings.keys_path / TRUSTED
    durable.make_dirs(folder, mode=0o700)
    pem = authority.public_bytes(Encoding.PEM)
    durable.replace(folder / f"{authority_id[:32]}.pem", pem)


def trust_by_id(
    register: Register, settings: Settings, ids: Sequence[str], actor: Actor
) -> list[tuple[SigningKey, str]]:
    """Trust the authorities of keys that are named by the beginnings of their ids.

    Returns each key with its authority's id. Raises LookupError with a beginning that fits not exactly one.
    """
    trusted = []
    with register.write() as session:
        keys = seals.keys(session)
        for given in ids:
            fitting = [key for key in keys if key.id.startswith(given.lower())]
            if len(fitting) != 1:
                raise LookupError(given)
            (key,) = fitting
            for authority in unknown_authorities([key], ()).values():
                trust(session, settings, key, authority, actor)
                trusted.append((key, key_id(authority)))
    return trusted


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


def note_key(session: Session, signer: Signer, purpose: str, actor: Actor, *, station: str) -> None:
    """Write a station's key down the first time it is seen, with its event."""
    at = now_utc()
    row = SigningKey(
        id=signer.key_id,
        station_id=station,
        purpose=purpose,
        certificate=signer.certificate.public_bytes(Encoding.DER),
        chain=b"".join(item.public_bytes(Encoding.PEM) for item in signer.chain),
        not_before=signer.certificate.not_valid_before_utc,
        not_after=signer.certificate.not_valid_after_utc,
        created_at=at,
    )
    if seals.add_key(session, row):
        facts = {"key": signer.key_id, "not_after": row.not_after, "purpose": purpose, "station": station}
        events.append(
            session, EventKind.KEY_ADDED, actor, at, attempt=signer.key_id, subject=signer.key_id, facts=facts
        )
