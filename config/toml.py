"""Reading a table of our own in TOML, with errors that a person can act on."""

import re
import tomllib
from pathlib import Path
from typing import Any

from config.errors import SettingsFileInvalidError
from config.messages import Phrase, mark

_TWICE = re.compile(r"Cannot declare (?P<name>\(.*\)) twice \((?P<where>[^()]*)\)")
_AGAIN = re.compile(r"Cannot overwrite a value \((?P<where>[^()]*)\)")
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
        raise SettingsFileInvalidError(path=path, problem=_problem(str(error))) from None


def _problem(said: str) -> Phrase | str:
    """Return what the parser said, in words for people where it speaks of its own insides."""
    if found := _TWICE.fullmatch(said):
        name = ".".join(re.findall(r"'([^']*)'", found["name"]))
        problem = mark("the section [{name}] is there twice ({where})")
        return Phrase(problem, name=name, where=found["where"])
    if found := _AGAIN.fullmatch(said):
        problem = mark("a key is there twice, or a section is called like a key ({where})")
        return Phrase(problem, where=found["where"])
    return said
