"""Keys and certificates: a local authority for the embedded default, station keys, and careful loading.

ECDSA on P-256. Key files are for their owner alone (0600); one that others may read is refused, since
nobody could tell any more who signed.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.errors import KeyFileExposedError, KeyFileInvalidError
from hashing import durable

AUTHORITY_DAYS = 3653
STATION_DAYS = 731
_BACKDATED = timedelta(days=2)
"""Before now: a clock that is set back by up to a day counts as plausible, and what is sealed then by a new
key must still be valid."""
_MAX_KEY_BYTES = 64 * 1024
_COMMON_NAME_BYTES = 64  # the bound of X.520, which libraries count in UTF-8 bytes


@dataclass(frozen=True, eq=False)
class Signer:
    """A private key with its certificate and the certificates above it, the root last."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @cached_property
    def key_id(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, in hexadecimal: names the key whatever its certificate."""
        return key_id(self.certificate)

    @property
    def expires_at(self) -> datetime:
        """End of the certificate's validity, UTC."""
        return self.certificate.not_valid_after_utc


def key_id(certificate: x509.Certificate) -> str:
    """Return the id of a certificate's key: SHA-256 of its SubjectPublicKeyInfo."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def create_authority(folder: Path, name: str) -> Signer:
    """Make a self-signed authority: ``authority.key`` and ``authority.pem`` in ``folder``.

    Valid for ten years. Raises FileExistsError rather than overwrite a key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"{name} sealdock authority")
    certificate = (
        _builder(subject, subject, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder, "authority", key, certificate)
    return Signer(key, certificate)


def create_station_key(folder: Path, station: str, authority: Signer, *, name: str = "station") -> Signer:
    """Make a station's key and its certificate: ``<name>.key`` and ``<name>.pem``.

    Valid for two years. Raises FileExistsError rather than overwrite a key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate.subject
    certificate = (
        _builder(_name(f"station {station}"), issuer, key.public_key(), STATION_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    _write(folder, name, key, certificate)
    return Signer(key, certificate, (authority.certificate,))


def load_signer(key_path: Path, certificate_path: Path, chain_paths: Sequence[Path] = ()) -> Signer:
    """Load a key, its certificate and the chain above it.

    Raises KeyFileExposedError if anyone but the owner may read the key, and KeyFileInvalidError for
    files that are missing, malformed, of another kind than ECDSA, or that do not belong together.
    """
    key = _load_key(key_path)
    certificate = load_certificates(certificate_path)[0]
    if key.public_key() != certificate.public_key():
        raise KeyFileInvalidError(path=str(certificate_path), problem="it is not the certificate of the key")
    chain = tuple(item for path in chain_paths for item in load_certificates(path))
    return Signer(key, certificate, chain)


def load_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read all PEM certificates of a file. Raises KeyFileInvalidError."""
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise KeyFileInvalidError(path=str(path), problem=error.strerror) from error
    except ValueError as error:
        raise KeyFileInvalidError(path=str(path), problem=str(error)) from error


def read_secret(path: Path) -> bytes:
    """Read a key file of at most 64 KiB.

    Raises KeyFileExposedError if anyone but the owner may read it, and KeyFileInvalidError if it is missing
    or not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileInvalidError(path=str(path), problem=error.strerror) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileInvalidError(path=str(path), problem="it is not a regular file")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileExposedError(path=str(path), mode=f"{stat.S_IMODE(status.st_mode):04o}")
        return os.read(fd, _MAX_KEY_BYTES)
    finally:
        os.close(fd)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    data = read_secret(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileInvalidError(path=str(path), problem=str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyFileInvalidError(path=str(path), problem="it is not an ECDSA key")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common: str) -> x509.Name:
    short = common.encode()[:_COMMON_NAME_BYTES].decode(errors="ignore")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, short)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=not signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Write the key first: a certificate without its key would look like a finished pair."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    durable.make_dirs(folder, mode=0o700)
    durable.write_new(folder / f"{name}.key", pem, mode=0o600)
    durable.write_new(
        folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), mode=0o644
    )
