"""The wire between parent and child: a 4-byte big-endian length, then that many bytes of JSON (UTF-8)."""

import json
import os
from collections.abc import Callable, Mapping

_LENGTH = 4
# A request carries one path: Linux allows 4096 bytes, base64 makes 5464 of them.
MAX_REQUEST = 16 * 1024


class FrameError(Exception):
    """The other side sent something that is no frame, or closed in the middle of one."""


def write(fd: int, message: Mapping[str, object], *, limit: int) -> None:
    """Write one frame. Raises `FrameError` when it would be longer than `limit` bytes, and `OSError`."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > limit:
        raise FrameError(f"a message of {len(body)} bytes is over the limit of {limit}")
    data = memoryview(len(body).to_bytes(_LENGTH, "big") + body)
    while data:
        data = data[os.write(fd, data) :]


def read(receive: Callable[[int], bytes], *, limit: int) -> dict[str, object] | None:
    """Return the next frame, None when the other side closed between two frames.

    `receive(n)` returns 1 to n bytes, or none at the end. Raises `FrameError` for a frame over `limit` bytes,
    one cut off, or one that is not a JSON object.
    """
    head = _exactly(receive, _LENGTH)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    if len(head) < _LENGTH or length > limit:
        raise FrameError(f"a message of {length} bytes is over the limit of {limit}")
    body = _exactly(receive, length)
    if len(body) < length:
        raise FrameError("the message was cut off")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError("the message is not JSON") from error
    if not isinstance(message, dict):
        raise FrameError("the message is not a JSON object")
    return message


def _exactly(receive: Callable[[int], bytes], count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = receive(min(count - len(data), 1 << 16))
        if not part:
            break
        data += part
    return bytes(data)
