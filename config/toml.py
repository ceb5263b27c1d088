"""Reading a table of our own in TOML, with errors that a person can act on."""

import tomllib
from pathlib import Path
from typing import Any

from config.errors import SettingsFileInvalidError
from config.messages import Phrase, mark

MAX_BYTES = 1 << 20  # 1 MiB; a table that people write by hand is far below


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of at most 1 MiB.

    Raises FileNotFoundError when it does not exist, SettingsFileInvalidError for everything else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsFileInvalidError(path=path, problem=error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise SettingsFileInvalidError(path=path, problem=Phrase(mark("it is larger than 1 MiB")))
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise SettingsFileInvalidError(path=path, problem=Phrase(mark("it is not UTF-8 text"))) from None
    except tomllib.TOMLDecodeError as error:
        # The parser names line and column and never repeats the line, which could hold a secret.
        raise SettingsFileInvalidError(path=path, problem=str(error)) from None
