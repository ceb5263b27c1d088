import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.digest import Algorithm, Digest

# FIPS 180-4 examples; GB/T 32905-2016, annex A.
ABC = {
    Algorithm.SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    Algorithm.SM3: "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    Algorithm.SHA512: (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    ),
}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_published_vectors(algorithm: Algorithm) -> None:
    assert Digest.of(algorithm, b"abc").hex == ABC[algorithm]


def test_every_algorithm_has_a_vector() -> None:
    assert set(ABC) == set(Algorithm)


def test_sha256_is_the_short_way() -> None:
    assert Digest.sha256(b"abc") == Digest.of(Algorithm.SHA256, b"abc")
    assert Digest.of_sha256(ABC[Algorithm.SHA256]) == Digest.sha256(b"abc")
    for other in ("", ABC[Algorithm.SHA512], "x" * 64):
        with pytest.raises(ValueError, match=r"bytes|hexadecimal"):
            Digest.of_sha256(other)


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_length_is_refused(algorithm: Algorithm, change: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        Digest(algorithm, bytes(algorithm.size + change))


@given(st.sampled_from(Algorithm), st.binary())
def test_text_and_back(algorithm: Algorithm, data: bytes) -> None:
    digest = Digest.of(algorithm, data)
    assert str(digest) == f"{algorithm.value}:{digest.hex}"
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        ABC[Algorithm.SHA256],
        f"SHA256:{ABC[Algorithm.SHA256]}",
        f"sha256:{ABC[Algorithm.SHA256].upper()}",
        f"sha256: {ABC[Algorithm.SHA256]}",
        f"sha256:{ABC[Algorithm.SHA256][:-2]}",
        f"sha256:{ABC[Algorithm.SHA256]}0",
        f"md5:{'0' * 32}",
        f"sha512:{ABC[Algorithm.SHA256]}",
    ],
)
def test_one_digest_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of the rules it breaks does not matter
        Digest.parse(text)


def test_matching() -> None:
    digest = Digest.sha256(b"abc")
    assert digest.matches(Digest.sha256(b"abc"))
    assert not digest.matches(Digest.sha256(b"abd"))
    assert not digest.matches(Digest(Algorithm.SM3, digest.value))
