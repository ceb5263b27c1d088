"""A secret in a file of its own."""

import os
import stat
from pathlib import Path

from config.errors import InvalidSettingError, KeyFileExposedError
from config.messages import Phrase, mark

MAX_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(key: str, path: Path) -> str:
    """Read the secret that the setting ``key`` points to: one line of text, without its line end.

    Raises as ``read_private``, and InvalidSettingError when it is no single line. The secret is in no
    message.
    """
    text = read_private(key, path).rstrip("\r\n")
    if not text or not text.isprintable():
        raise InvalidSettingError(
            key=key, problem=Phrase(mark("the file that it names must hold one line of text"))
        )
    return text


def read_private(key: str, path: Path) -> str:
    """Read the text file that the setting ``key`` points to and that nobody else may read.

    The mode is checked on the open descriptor, so the file read is the file judged. Raises
    KeyFileExposedError when group or others have any right on it, InvalidSettingError when it cannot be read,
    is too long or no text.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not block
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise InvalidSettingError(
                    key=key, problem=Phrase(mark("the file that it names is no regular file"))
                )
            if facts.st_mode & _OTHERS:
                raise KeyFileExposedError(path=path, mode=f"{stat.S_IMODE(facts.st_mode):04o}")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidSettingError(key=key, problem=error.strerror or str(error)) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    # A file of other bytes or without end is no line of text either.
    return text if len(data) <= MAX_BYTES else ""
