import os
from collections.abc import Callable

import pytest

from metadata.media import frame


def reader(data: bytes) -> Callable[[int], bytes]:
    left = bytearray(data)

    def receive(count: int) -> bytes:
        part = bytes(left[: min(count, 3)])  # pipes may hand over little at a time
        del left[: len(part)]
        return part

    return receive


def test_a_message_survives_the_wire() -> None:
    out, into = os.pipe()
    frame.write(into, {"a": "时间", "b": [1]}, limit=100)
    os.close(into)
    assert frame.read(lambda count: os.read(out, count), limit=100) == {"a": "时间", "b": [1]}
    assert frame.read(lambda count: os.read(out, count), limit=100) is None
    os.close(out)


def test_a_long_message_is_refused_on_both_sides() -> None:
    with pytest.raises(frame.FrameError, match="limit of 10"):
        frame.write(0, {"long": "x" * 20}, limit=10)
    with pytest.raises(frame.FrameError, match="limit of 10"):
        frame.read(reader(b"\xff\xff\xff\xff"), limit=10)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0",
        b"\0\0\0\5{}",
        b"\0\0\0\2[]",
        b"\0\0\0\1{",
        b"\0\0\0\2\xff\xfe",
        b"\0\0\x9c\x40" + b"[" * 40_000,
    ],
)
def test_nonsense_is_a_frame_error(data: bytes) -> None:
    with pytest.raises(frame.FrameError):
        frame.read(reader(data), limit=50_000)
