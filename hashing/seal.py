"""Seals: CAdES signatures beside the bytes they cover (ETSI EN 319 122-1, CMS of RFC 5652), by pyHanko.

A seal is DER, detached, baseline B; a trusted timestamp that comes later makes it baseline T without
touching the signature (``hashing.timestamp``). ``openssl cms -verify -binary -inform DER`` checks it, too.

pyHanko is imported where it is used: it takes longer to load than most commands to run.
"""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from config.errors import SealInvalidError
from hashing.asn1 import alone
from hashing.keys import Signer, key_id

if TYPE_CHECKING:
    from pyhanko.sign.attributes import SignedAttributeProviderSpec
    from pyhanko.sign.signers.pdf_cms import Signer as CmsSigner

MAX_SEAL_BYTES = 1024 * 1024

_UTC_TIME_YEARS = range(1950, 2050)
"""Years that a UTCTime can say (RFC 5652, section 11.3)."""

_loading = threading.Lock()

DIGESTS = frozenset({"sha256", "sha384", "sha512"})
"""Digest algorithms that a seal may use (ETSI TS 119 312); we write SHA-256."""


@dataclass(frozen=True, slots=True)
class SealFacts:
    """What a valid seal says: who signed, with which key, and when.

    ``signed_at`` is the signer's own claim; ``timestamp`` is the time of a valid trusted token.
    """

    subject: str
    key_id: str
    signed_at: datetime | None
    timestamp: datetime | None


def load_ahead() -> None:
    """Begin to import pyHanko in a thread, which takes half a second, where a seal will be wanted soon."""
    threading.Thread(target=_load, name="sealdock-load", daemon=True).start()


def _load() -> None:
    # The modules import each other in circles: threads that imported them at the same time could meet one
    # that is not complete.
    with _loading:
        import pyhanko.sign.validation.generic_cms  # noqa: F401, PLC0415 - see above; it brings the rest
    # What does not hold is a finding of ours; the library would print a stack trace for each.
    for name in ("pyhanko", "pyhanko_certvalidator"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@alone
def sign(data: bytes, signer: Signer) -> bytes:
    """Return the detached CAdES-B signature of ``data``, in DER."""
    _load()
    signed: Any = _run(
        _cms_signer(signer).async_sign_general_data(data, "sha256", detached=True, use_cades=True)
    )
    return bytes(signed.dump())


@alone
def verify(
    data: bytes,
    signature: bytes,
    *,
    trust_roots: Sequence[x509.Certificate],
    moment: datetime | None = None,
    timestamp_roots: Sequence[x509.Certificate] = (),
) -> SealFacts:
    """Check a seal, offline, and return what it says.

    1. It is CMS: exactly one detached signature, by an algorithm that is still good.
    2. A timestamp on it, where ``timestamp_roots`` are given, covers this signature and leads to them.
    3. The signature covers exactly ``data``, and is its certificate's.
    4. The certificate is for signing, leads to one of ``trust_roots``, and was valid at the moment that
       counts: the time of the timestamp of step 2, else ``moment``, else now.

    Revocation stays with the caller, and so does what the signer was entitled to. Raises SealInvalidError
    naming the step that failed.
    """
    _load()
    signed_data = _parse(signature)  # 1
    stamped = _stamped(signature, timestamp_roots)  # 2
    del signed_data["signer_infos"][0]["unsigned_attrs"]  # pyHanko knows but one set of roots for both
    status = _run(_status(data, signed_data, trust_roots, stamped or moment))
    if not status.intact or not status.valid:  # 3
        raise SealInvalidError(what="signature", problem="it does not cover these bytes")
    if not status.trusted:  # 4
        raise SealInvalidError(what="certificate", problem="it does not lead to a trusted root at that time")
    certificate = x509.load_der_x509_certificate(status.signing_cert.dump())
    return SealFacts(
        subject=certificate.subject.rfc4514_string(),
        key_id=key_id(certificate),
        signed_at=status.signer_reported_dt,
        timestamp=stamped,
    )


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run pyHanko's coroutines, which wait for nothing here, also where an event loop runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _loops.here.runner.run(work)
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(asyncio.run, work).result()


class _Loop:
    """An event loop that is closed when its thread ends. A third of a signature was making one."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def __del__(self) -> None:
        self.runner.close()


class _Loops(threading.local):
    @cached_property
    def here(self) -> _Loop:
        return _Loop()


_loops = _Loops()


def _parse(signature: bytes) -> Any:
    from asn1crypto import cms  # noqa: PLC0415 - see above

    if len(signature) > MAX_SEAL_BYTES:
        raise SealInvalidError(what="seal", problem=f"larger than {MAX_SEAL_BYTES} bytes")
    try:
        content = cms.ContentInfo.load(signature, strict=True)
        if content["content_type"].native != "signed_data":
            raise SealInvalidError(what="seal", problem="it is not CMS signed data")
        signed_data = content["content"]
        infos = signed_data["signer_infos"]
        if len(infos) != 1 or signed_data["encap_content_info"]["content"].native is not None:
            raise SealInvalidError(what="seal", problem="it is not one detached signature")
        algorithm = infos[0]["digest_algorithm"]["algorithm"].native
    except (ValueError, TypeError, KeyError) as error:
        raise SealInvalidError(what="seal", problem=f"not CMS: {error}"[:200]) from error
    if algorithm not in DIGESTS:
        raise SealInvalidError(what="seal", problem=f"digest algorithm {algorithm} is not accepted")
    return signed_data


def _stamped(signature: bytes, roots: Sequence[x509.Certificate]) -> datetime | None:
    if not roots:
        return None
    from hashing.timestamp import embedded_token, signature_value, verify_token  # noqa: PLC0415 - see above

    token = embedded_token(signature)
    return None if token is None else verify_token(token, signature_value(signature), trust_roots=roots)


async def _status(
    data: bytes, signed_data: Any, trust_roots: Sequence[x509.Certificate], moment: datetime | None
) -> Any:
    from asn1crypto import x509 as asn1_x509  # noqa: PLC0415 - see above
    from pyhanko.sign.validation.generic_cms import async_validate_detached_cms  # noqa: PLC0415
    from pyhanko.sign.validation.settings import KeyUsageConstraints  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    roots = [asn1_x509.Certificate.load(root.public_bytes(Encoding.DER)) for root in trust_roots]
    context = ValidationContext(
        trust_roots=roots, allow_fetching=False, moment=moment, revocation_mode="soft-fail"
    )
    try:
        return await async_validate_detached_cms(
            data,
            signed_data,
            signer_validation_context=context,
            key_usage_settings=KeyUsageConstraints(key_usage={"digital_signature"}),
        )
    except Exception as error:  # damaged input upsets the libraries in many ways: each refuses
        problem = str(error)[:200] or type(error).__name__
        raise SealInvalidError(what="signature", problem=problem) from error


@lru_cache(maxsize=4)
def _cms_signer(signer: Signer) -> "CmsSigner":
    """Return pyHanko's view of a signer; the private key stays with ``cryptography``."""
    from asn1crypto import algos  # noqa: PLC0415 - see above
    from asn1crypto import x509 as asn1_x509  # noqa: PLC0415
    from pyhanko.sign.signers.pdf_cms import Signer as CmsSigner  # noqa: PLC0415
    from pyhanko_certvalidator.registry import SimpleCertificateStore  # noqa: PLC0415

    class EcdsaSigner(CmsSigner):
        """Signs with the key object, which need not be exportable."""

        async def async_sign_raw(
            self,
            data: bytes,
            digest_algorithm: str,  # noqa: ARG002 - always SHA-256, see the mechanism below
            dry_run: bool = False,  # noqa: ARG002 - the sizes of ECDSA signatures vary anyway
        ) -> bytes:
            return signer.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def converted(certificate: x509.Certificate) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))

    store = SimpleCertificateStore()  # type: ignore[no-untyped-call] # pyHanko left it untyped
    store.register_multiple([converted(item) for item in signer.chain])
    made = EcdsaSigner(
        signing_cert=converted(signer.certificate),
        cert_registry=store,
        signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
        embed_roots=True,
    )
    made.signed_attr_prov_spec = _attributes(made.signing_cert)
    return made


def _attributes(certificate: Any) -> "SignedAttributeProviderSpec":
    """Return the signed attributes of CAdES-B beside type and digest: certificate and claimed time.

    pyHanko writes every time as UTCTime, which ends with 2049. A station's clock may be that wrong, and
    still its footage has to be sealed: later times are GeneralizedTime (RFC 5652, section 11.3).
    """
    from asn1crypto import cms, core, tsp  # noqa: PLC0415 - see above
    from pyhanko.sign.attributes import CMSAttributeProvider, SignedAttributeProviderSpec  # noqa: PLC0415
    from pyhanko.sign.general import as_signing_certificate_v2  # noqa: PLC0415

    # Deep values that are built from parts are encoded again at each level above them: that was nine
    # tenths of the time of a signature. One that was read from DER is copied as it is.
    reference = as_signing_certificate_v2(certificate).dump()

    class SigningCertificate(CMSAttributeProvider):
        attribute_type = "signing_certificate_v2"

        async def build_attr_value(self, dry_run: bool = False) -> Any:  # noqa: ARG002 - pyHanko's signature
            return tsp.SigningCertificateV2.load(reference)

    class SigningTime(CMSAttributeProvider):
        attribute_type = "signing_time"

        async def build_attr_value(self, dry_run: bool = False) -> Any:  # noqa: ARG002 - pyHanko's signature
            now = datetime.now(UTC).replace(microsecond=0)
            if now.year in _UTC_TIME_YEARS:
                return cms.Time({"utc_time": core.UTCTime(now)})
            return cms.Time({"generalized_time": core.GeneralizedTime(now)})

    class Attributes(SignedAttributeProviderSpec):
        def signed_attr_providers(
            self,
            data_digest: bytes,  # noqa: ARG002 - neither attribute depends on it
            digest_algorithm: str,  # noqa: ARG002
        ) -> "tuple[CMSAttributeProvider, ...]":
            return SigningCertificate(), SigningTime()

    return Attributes()
