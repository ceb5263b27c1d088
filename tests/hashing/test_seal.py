import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.serialization import Encoding

from config.errors import SealInvalidError
from hashing import keys, seal
from hashing.keys import Signer
from tests.support import certificates

DATA = b'{"schema":"sealdock.manifest/1"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def signer(folder: Path) -> Signer:
    return keys.create_station_key(folder, "station-1", keys.create_authority(folder, "Wujiang"))


def openssl_accepts(folder: Path, data: bytes, signature: bytes, *options: str) -> bool:
    (folder / "data").write_bytes(data)
    (folder / "data.p7s").write_bytes(signature)
    done = subprocess.run(
        [
            "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "data.p7s", "-content", "data",
            "-CAfile", "authority.pem", "-purpose", "any", "-out", "/dev/null", *options,
        ],
        check=False, capture_output=True, timeout=30, cwd=folder,
    )  # fmt: skip
    return done.returncode == 0


@pytest.mark.parametrize("data", [b"", DATA, bytes(5_000_000)])
def test_a_seal_holds(signer: Signer, data: bytes) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    facts = seal.verify(data, seal.sign(data, signer), trust_roots=signer.chain)
    assert facts.key_id == signer.key_id
    assert "station-1" in facts.subject
    assert facts.signed_at is not None
    assert before <= facts.signed_at <= datetime.now(UTC)
    assert facts.timestamp is None


@pytest.mark.parametrize("options", [(), ("-cades",), ("-purpose", "smimesign")])
def test_openssl_accepts_a_seal_and_no_changed_byte(
    folder: Path, signer: Signer, options: tuple[str, ...]
) -> None:
    signature = seal.sign(DATA, signer)
    assert openssl_accepts(folder, DATA, signature, *options)
    for index in (0, len(DATA) // 2, len(DATA) - 1):
        changed = DATA[:index] + bytes([DATA[index] ^ 1]) + DATA[index + 1 :]
        assert not openssl_accepts(folder, changed, signature, *options)


def test_a_seal_is_detached_and_cades_b(signer: Signer) -> None:
    signed = cms.ContentInfo.load(seal.sign(DATA, signer))["content"]
    assert signed["encap_content_info"]["content"].native is None
    (info,) = signed["signer_infos"]
    attributes = {item["type"].native for item in info["signed_attrs"]}
    # ETSI EN 319 122-1, table 1: what a baseline B signature must carry.
    assert {"content_type", "message_digest", "signing_time", "signing_certificate_v2"} <= attributes
    assert info["digest_algorithm"]["algorithm"].native == "sha256"
    assert info["unsigned_attrs"].native is None
    assert len(signed["certificates"]) == 2, "the certificate and its authority, to be checked anywhere"


@pytest.mark.parametrize("index", [0, 15, -1])
def test_a_changed_byte_is_refused(signer: Signer, index: int) -> None:
    changed = bytearray(DATA)
    changed[index] ^= 1
    with pytest.raises(SealInvalidError):
        seal.verify(bytes(changed), seal.sign(DATA, signer), trust_roots=signer.chain)


def test_no_flipped_bit_of_a_seal_is_accepted_as_another_statement(signer: Signer) -> None:
    """Wherever a seal is damaged, it is refused, or it still says exactly the same."""
    signature = seal.sign(DATA, signer)
    truth = seal.verify(DATA, signature, trust_roots=signer.chain)
    refused = 0
    for position in range(0, len(signature), 17):
        damaged = bytearray(signature)
        damaged[position] ^= 1 << position % 8
        try:
            assert seal.verify(DATA, bytes(damaged), trust_roots=signer.chain) == truth
        except SealInvalidError:
            refused += 1
    assert refused > len(signature) / 17 / 2


def test_the_signature_value_itself_counts(signer: Signer) -> None:
    content = cms.ContentInfo.load(seal.sign(DATA, signer))
    other = cms.ContentInfo.load(seal.sign(DATA + b" ", signer))
    content["content"]["signer_infos"][0]["signature"] = other["content"]["signer_infos"][0][
        "signature"
    ].native
    with pytest.raises(SealInvalidError):
        seal.verify(DATA, content.dump(force=True), trust_roots=signer.chain)


def test_another_authority_is_not_trusted(tmp_path: Path, signer: Signer) -> None:
    other = keys.create_authority(tmp_path, "Wujiang")  # the same name, another key
    with pytest.raises(SealInvalidError):
        seal.verify(DATA, seal.sign(DATA, signer), trust_roots=[other.certificate])


def test_no_authority_is_no_trust(signer: Signer) -> None:
    with pytest.raises(SealInvalidError):
        seal.verify(DATA, seal.sign(DATA, signer), trust_roots=[])


def test_a_certificate_for_another_use_is_refused() -> None:
    now = datetime.now(UTC)
    wrong = certificates.signer(now - timedelta(days=1), now + timedelta(days=1), digital_signature=False)
    with pytest.raises(SealInvalidError):
        seal.verify(DATA, seal.sign(DATA, wrong), trust_roots=wrong.chain)


def test_an_expired_certificate_holds_at_its_time_only() -> None:
    start, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    expired = certificates.signer(start, end)
    signature = seal.sign(DATA, expired)
    then = datetime(2019, 6, 1, tzinfo=UTC)
    assert seal.verify(DATA, signature, trust_roots=expired.chain, moment=then).key_id == expired.key_id
    for moment in (None, start - timedelta(days=1), end + timedelta(days=1)):
        with pytest.raises(SealInvalidError):
            seal.verify(DATA, signature, trust_roots=expired.chain, moment=moment)


def test_other_things_are_no_seals(signer: Signer) -> None:
    embedded = cms.ContentInfo.load(seal.sign(DATA, signer))
    embedded["content"]["encap_content_info"]["content"] = DATA
    two = cms.ContentInfo.load(seal.sign(DATA, signer))
    (info,) = two["content"]["signer_infos"]
    two["content"]["signer_infos"] = [info, info]
    none = cms.ContentInfo.load(seal.sign(DATA, signer))
    none["content"]["signer_infos"] = []
    for wrong in (
        b"",
        b"garbage",
        DATA,
        signer.certificate.public_bytes(Encoding.DER),
        seal.sign(DATA, signer)[:-1],
        seal.sign(DATA, signer) + b"\0",
        bytes(seal.MAX_SEAL_BYTES + 1),
        cms.ContentInfo({"content_type": "data", "content": DATA}).dump(),
        embedded.dump(force=True),
        two.dump(force=True),
        none.dump(force=True),
    ):
        with pytest.raises(SealInvalidError) as caught:
            seal.verify(DATA, wrong, trust_roots=signer.chain)
        assert caught.value.facts["problem"]


def test_sealing_works_inside_an_event_loop(signer: Signer) -> None:
    async def both() -> str:
        return seal.verify(DATA, seal.sign(DATA, signer), trust_roots=signer.chain).key_id

    assert asyncio.run(both()) == signer.key_id


_AT_ONCE = """
import sys, threading, time
from pathlib import Path
from asn1crypto import algos
from hashing import keys, seal

class Slow(dict):
    def items(self):
        for item in super().items():
            time.sleep(0.01)
            yield item

algos.DigestAlgorithmId._map = Slow(algos.DigestAlgorithmId._map)
folder = Path(sys.argv[1])
signer = keys.create_station_key(folder, "station-1", keys.create_authority(folder, "Wujiang"))
made = []
threads = [threading.Thread(target=lambda: made.append(seal.sign(b"data", signer))) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(made))
"""


def test_threads_that_sign_first_at_once(tmp_path: Path, project_root: Path) -> None:
    """A library's tables are half made while one thread makes them; here that takes long."""
    done = subprocess.run(
        [sys.executable, "-c", _AT_ONCE, tmp_path],
        check=True, capture_output=True, text=True, timeout=60, cwd=project_root,
    )  # fmt: skip
    assert done.stdout.strip() == "4", done.stderr
