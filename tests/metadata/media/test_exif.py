import os
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metadata.media import exif
from metadata.media.window import Window

Facts = tuple[str | None, str | None, datetime | None]


def segment(order: str, *, offset: str | None) -> bytes:
    """Return a JPEG start with an Exif segment: make Acme, model Cam, a time and, if given, its offset."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    strings = b"Acme\0" + b"2026:01:02 03:04:05\0" + (f"{offset}\0".encode() if offset else b"")
    inner_at, strings_at = 50, 80
    first = struct.pack(f"{order}H", 3)
    first += struct.pack(f"{order}HHII", 0x010F, 2, 5, strings_at)
    first += struct.pack(f"{order}HHI4s", 0x0110, 2, 4, b"Cam\0")
    first += struct.pack(f"{order}HHII", 0x8769, 4, 1, inner_at)
    inner = struct.pack(f"{order}H", 2 if offset else 1)
    inner += struct.pack(f"{order}HHII", 0x9003, 2, 20, strings_at + 5)
    if offset:
        inner += struct.pack(f"{order}HHII", 0x9011, 2, 7, strings_at + 25)
    body = (mark + struct.pack(f"{order}I", 8) + first).ljust(inner_at, b"\0")
    body = (body + inner).ljust(strings_at, b"\0") + strings
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 8) + b"Exif\0\0" + body + b"\xff\xda"


def read(folder: Path, data: bytes) -> Facts:
    path = folder / "still.jpg"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return exif.read(Window(fd))
    finally:
        os.close(fd)


@pytest.mark.parametrize("order", ["<", ">"])
def test_make_model_and_time(tmp_path: Path, order: str) -> None:
    expected = ("Acme", "Cam", datetime(2026, 1, 1, 19, 4, 5, tzinfo=UTC))
    assert read(tmp_path, segment(order, offset="+08:00")) == expected


def test_a_time_without_an_offset_is_no_time(tmp_path: Path) -> None:
    assert read(tmp_path, segment("<", offset=None)) == ("Acme", "Cam", None)


def test_a_still_without_exif_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xff\xd8\xff\xda") == (None, None, None)
    assert read(tmp_path, b"\xff\xd8") == (None, None, None)


@settings(max_examples=200, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(12, 110), st.integers(0, 255)), max_size=20),
    cut=st.integers(0, 110),
)
def test_no_damage_makes_it_fail(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(segment("<", offset="+08:00"))
    for place, value in changes:
        data[place] = value
    assert len(read(tmp_path, bytes(data[: len(data) - cut]))) == 3
