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

    The mode is checked on the open descriptor, so the file read is the file judged. Raises
    KeyFileExposedError when group or others have any right on it, InvalidSettingError when it cannot be read
    or is no single line. The secret is in no message.
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
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(data) > MAX_BYTES or not text.isprintable():
        raise InvalidSettingError(
            key=key, problem=Phrase(mark("the file that it names must hold one line of text"))
        )
    return text
