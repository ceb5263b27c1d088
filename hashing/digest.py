"""A digest: an algorithm and a value, never a bare hex string."""

import hashlib
import hmac
import string
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

_LOWER_HEX = frozenset(string.digits + "abcdef")


class Algorithm(StrEnum):
    """The hash functions a clip may be digested with; SHA-256 is always among them."""

    SHA256 = "sha256"
    """FIPS 180-4; the identity of an object."""
    SM3 = "sm3"
    """GB/T 32905-2016."""
    SHA512 = "sha512"
    """FIPS 180-4."""

    @property
    def size(self) -> int:
        """Length of a digest value in bytes."""
        return 64 if self is Algorithm.SHA512 else 32

    def new(self) -> "hashlib._Hash":
        """Return a fresh hash object; raise ValueError where OpenSSL was built without the algorithm."""
        return hashlib.new(self.value)


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest value of ``algorithm.size`` bytes; any other length raises ValueError."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != self.algorithm.size:
            raise ValueError(
                f"a {self.algorithm} digest has {self.algorithm.size} bytes, not {len(self.value)}"
            )

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def hex(self) -> str:
        """The value in lower-case hexadecimal."""
        return self.value.hex()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``algorithm:lower-case-hex``; raise ValueError for anything else.

        One digest has one spelling: upper case, blanks and unknown algorithms are refused.
        """
        name, colon, value = text.partition(":")
        if not colon or not _LOWER_HEX.issuperset(value):
            raise ValueError("a digest is written as algorithm:lower-case-hex")
        return cls(Algorithm(name), bytes.fromhex(value))

    @classmethod
    def of(cls, algorithm: Algorithm, data: bytes) -> Self:
        """Digest ``data`` with ``algorithm``."""
        hasher = algorithm.new()
        hasher.update(data)
        return cls(algorithm, hasher.digest())

    @classmethod
    def sha256(cls, data: bytes) -> Self:
        """Digest ``data`` with SHA-256."""
        return cls(Algorithm.SHA256, hashlib.sha256(data).digest())

    @classmethod
    def of_sha256(cls, value: str) -> Self:
        """Return the SHA-256 digest with this hexadecimal value; raise ValueError for anything else."""
        return cls(Algorithm.SHA256, bytes.fromhex(value))

    def matches(self, other: "Digest") -> bool:
        """Compare in constant time; digests of different algorithms never match."""
        return self.algorithm is other.algorithm and hmac.compare_digest(self.value, other.value)
