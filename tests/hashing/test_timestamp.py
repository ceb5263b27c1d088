import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms

from config.errors import (
    InvalidSettingError,
    SealInvalidError,
    TimestampInvalidError,
    TimestampUnavailableError,
)
from hashing import keys, seal
from hashing.keys import Signer
from hashing.timestamp import Authority, attach, embedded_token, signature_value, verify_token
from tests.support import certificates
from tests.support.tsa import Behaviour, TestAuthority, authority

DATA = b'{"schema":"sealdock.manifest/1"}'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAuthority]:
    with authority(tmp_path_factory.mktemp("tsa")) as tsa:
        yield tsa


@pytest.fixture
def tsa(running: TestAuthority) -> TestAuthority:
    running.behaviour = Behaviour.GOOD
    return running


@pytest.fixture(scope="module")
def other_root(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    with authority(tmp_path_factory.mktemp("other")) as other:
        return other  # stopped again: its root is all that is wanted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def signer(folder: Path) -> Signer:
    return keys.create_station_key(folder, "station-1", keys.create_authority(folder, "Wujiang"))


def client(tsa: TestAuthority, timeout: float = 20.0) -> Authority:
    return Authority(url=tsa.url, trust_roots=(tsa.root,), timeout=timeout)


def test_a_good_token(tsa: TestAuthority) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    token = client(tsa).token(b"signature value")
    stamped = verify_token(token, b"signature value", trust_roots=[tsa.root])
    assert stamped.tzinfo is UTC
    assert before <= stamped <= datetime.now(UTC)


def test_a_seal_gets_its_time_and_stays_the_same_signature(
    tsa: TestAuthority, signer: Signer, folder: Path
) -> None:
    plain = seal.sign(DATA, signer)
    token = client(tsa).token(signature_value(plain))
    stamped = attach(plain, token)

    assert embedded_token(plain) is None
    assert embedded_token(stamped) == token
    assert signature_value(stamped) == signature_value(plain)
    infos = [cms.ContentInfo.load(item)["content"]["signer_infos"][0] for item in (plain, stamped)]
    assert infos[0]["signed_attrs"].dump() == infos[1]["signed_attrs"].dump()
    facts = seal.verify(DATA, stamped, trust_roots=signer.chain, timestamp_roots=[tsa.root])
    assert facts.timestamp == verify_token(token, signature_value(plain), trust_roots=[tsa.root])
    assert seal.verify(DATA, stamped, trust_roots=signer.chain).timestamp is None, "no root, no trust"

    # And so say others.
    (folder / "data").write_bytes(DATA)
    (folder / "data.p7s").write_bytes(stamped)
    (folder / "data.sig").write_bytes(signature_value(stamped))
    (folder / "data.tst").write_bytes(token)
    accept = "openssl cms -verify -binary -inform DER -in data.p7s -content data -out /dev/null"
    stamp = "openssl ts -verify -data data.sig -in data.tst -token_in"
    for command in (
        f"{accept} -CAfile authority.pem -purpose any",
        f"{stamp} -CAfile {tsa.root_path}",
    ):
        subprocess.run(command.split(), check=True, capture_output=True, timeout=30, cwd=folder)


def test_a_second_token_takes_the_place_of_the_first(tsa: TestAuthority, signer: Signer) -> None:
    plain = seal.sign(DATA, signer)
    first, second = (client(tsa).token(signature_value(plain)) for _ in range(2))
    assert first != second
    again = attach(attach(plain, first), second)
    assert embedded_token(again) == second
    assert again == attach(plain, second)


@pytest.mark.parametrize(
    "behaviour", [Behaviour.GARBAGE, Behaviour.OTHER_IMPRINT, Behaviour.OTHER_NONCE, Behaviour.HUGE]
)
def test_a_wrong_answer_is_refused(tsa: TestAuthority, behaviour: Behaviour) -> None:
    tsa.behaviour = behaviour
    with pytest.raises(TimestampInvalidError) as caught:
        client(tsa).token(b"signature value")
    assert caught.value.facts["url"] == tsa.url
    assert caught.value.facts["problem"]
    assert not caught.value.retriable


@pytest.mark.parametrize("behaviour", [Behaviour.ERROR_STATUS, Behaviour.REDIRECT, Behaviour.REFUSAL])
def test_no_token_is_asked_for_again(tsa: TestAuthority, behaviour: Behaviour) -> None:
    tsa.behaviour = behaviour
    asked = tsa.asked
    with pytest.raises(TimestampUnavailableError) as caught:
        client(tsa).token(b"signature value")
    assert caught.value.retriable
    assert tsa.asked == asked + 1, "no redirect is followed"


@pytest.mark.parametrize("behaviour", [Behaviour.HANG, Behaviour.DRIP])
def test_an_answer_that_does_not_end_is_given_up(tsa: TestAuthority, behaviour: Behaviour) -> None:
    tsa.behaviour = behaviour
    started = time.monotonic()
    with pytest.raises(TimestampUnavailableError):
        client(tsa, timeout=0.5).token(b"signature value")
    assert time.monotonic() - started < 5
    for thread in threading.enumerate():
        if thread.name == "sealdock-timestamp":
            thread.join(5)
            assert not thread.is_alive()


def test_an_authority_that_is_down(tmp_path: Path) -> None:
    with authority(tmp_path) as tsa:
        gone = client(tsa)
    with pytest.raises(TimestampUnavailableError) as caught:
        gone.token(b"signature value")
    assert "refused" in str(caught.value.facts["problem"])


def test_a_signer_that_nobody_trusts(tsa: TestAuthority, other_root: TestAuthority) -> None:
    """The token carries its own certificate: that alone must not make it trusted."""
    stranger = Authority(url=tsa.url, trust_roots=(other_root.root,), timeout=20)
    with pytest.raises(TimestampInvalidError):
        stranger.token(b"signature value")
    with pytest.raises(TimestampInvalidError):
        Authority(url=tsa.url, trust_roots=(), timeout=20).token(b"signature value")


def test_a_token_holds_for_its_signature_value_only(tsa: TestAuthority, other_root: TestAuthority) -> None:
    token = client(tsa).token(b"signature value")
    for value, roots in ((b"another", [tsa.root]), (b"signature value", [other_root.root])):
        with pytest.raises(SealInvalidError) as caught:
            verify_token(token, value, trust_roots=roots)
        assert caught.value.facts["what"] == "timestamp"


@pytest.mark.parametrize("token", [b"", b"garbage", cms.ContentInfo({"content_type": "data"}).dump()])
def test_what_is_no_token_is_refused(tsa: TestAuthority, signer: Signer, token: bytes) -> None:
    with pytest.raises(SealInvalidError):
        verify_token(token, b"signature value", trust_roots=[tsa.root])
    with pytest.raises(SealInvalidError):
        attach(seal.sign(DATA, signer), token)
    with pytest.raises(SealInvalidError):
        signature_value(token)


def test_a_damaged_token_never_holds(tsa: TestAuthority) -> None:
    token = client(tsa).token(b"signature value")
    truth = verify_token(token, b"signature value", trust_roots=[tsa.root])
    refused = 0
    for position in range(0, len(token), 11):
        damaged = bytearray(token)
        damaged[position] ^= 1 << position % 8
        try:
            assert verify_token(bytes(damaged), b"signature value", trust_roots=[tsa.root]) == truth
        except SealInvalidError:
            refused += 1
    assert refused > len(token) / 11 / 2


def test_a_seal_with_another_seals_token_is_refused(tsa: TestAuthority, signer: Signer) -> None:
    one, other = seal.sign(DATA, signer), seal.sign(DATA + b" ", signer)
    swapped = attach(one, client(tsa).token(signature_value(other)))
    with pytest.raises(SealInvalidError) as caught:
        seal.verify(DATA, swapped, trust_roots=signer.chain, timestamp_roots=[tsa.root])
    assert caught.value.facts["what"] == "timestamp"


def test_tokens_and_seals_outlive_their_certificates(tmp_path: Path) -> None:
    """Signed and stamped in 2019, checked today: all certificates have expired since."""
    start, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    then = datetime(2019, 6, 1, tzinfo=UTC)
    expired = certificates.signer(start, end)
    plain = seal.sign(DATA, expired)
    with authority(tmp_path, valid_from=start, valid_for=end - start) as tsa:
        tsa.at = then
        stamped = attach(plain, client(tsa).token(signature_value(plain)))
    facts = seal.verify(DATA, stamped, trust_roots=expired.chain, timestamp_roots=[tsa.root])
    assert facts.timestamp is not None
    assert timedelta() <= facts.timestamp - then < timedelta(minutes=1)
    # A wrong moment given by the caller does not outweigh the token; without the token nothing holds.
    seal.verify(DATA, stamped, trust_roots=expired.chain, timestamp_roots=[tsa.root], moment=end)
    with pytest.raises(SealInvalidError):
        seal.verify(DATA, plain, trust_roots=expired.chain, timestamp_roots=[tsa.root])


def test_a_token_from_after_the_certificates_end_does_not_save_it(tsa: TestAuthority) -> None:
    start, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    expired = certificates.signer(start, end)
    plain = seal.sign(DATA, expired)
    stamped = attach(plain, client(tsa).token(signature_value(plain)))
    with pytest.raises(SealInvalidError):
        seal.verify(DATA, stamped, trust_roots=expired.chain, timestamp_roots=[tsa.root])


def test_a_token_made_after_its_authority_expired_is_refused(tmp_path: Path) -> None:
    start, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    late = authority(tmp_path, valid_from=start, valid_for=end - start)
    with late as tsa, pytest.raises(TimestampInvalidError):
        client(tsa).token(b"signature value")


@pytest.mark.parametrize(
    "url",
    [
        "http://tsa.example.org/",
        "http://192.0.2.1/tsr",
        "http://localhost.example.org/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "https://",
        "tsa.example.org",
        "https://tsa.example.org:port/",
        "https://user:secret@tsa.example.org/",
        "",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        Authority(url=url, trust_roots=())
    assert caught.value.facts["key"] == "timestamp.url"
    assert "secret" not in caught.value.sentence()


@pytest.mark.parametrize(
    "url", ["https://tsa.example.org/tsr", "http://127.0.0.1:318/", "http://[::1]/", "http://localhost/"]
)
def test_addresses_that_are_allowed(url: str) -> None:
    assert Authority(url=url, trust_roots=()).url == url
