"""Where settings come from: the file of a home, files that hold a secret, names in the environment."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from config.errors import InvalidSettingError, SecretInFileError, UnknownSettingError
from config.masking import holds_secret
from config.messages import Phrase, mark
from config.nearest import nearest
from config.secret_file import read_secret
from config.sections import section_types
from config.toml import read_toml

FILE_NAME = "sealdock.toml"
PREFIX = "SEALDOCK_"
HOME_VARIABLE = "SEALDOCK_HOME"
"""Says where the settings are, so it cannot be one of them."""


def file_values(model: type[BaseModel], home: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of ``sealdock.toml`` as the arguments of the settings class ``model``.

    Every name in the file and every SEALDOCK_ name in the environment is checked; a value whose rival in the
    environment wins is left out; the content of a file that ``url_file``, ``secret_key_file`` and their like
    name is filled in as the value itself.
    """
    try:
        values = read_toml(home / FILE_NAME)
    except FileNotFoundError:
        values = {}
    known = known_names(model)
    _refuse_unknown(values, known)
    _refuse_secrets(values)
    _refuse_secret_settings(model, values)
    variables = _variables(environ, known)
    _choose_credentials(values, variables)
    for section, kind in section_types(model).items():
        for key in kind.model_fields:
            if f"{key}_file" in kind.model_fields:
                _fill_in(section, key, values, variables, home)
    return values


def known_names(model: type[BaseModel]) -> dict[str, str]:
    """Return every setting by its dotted name, with the variable that sets it."""
    names = []
    sections = section_types(model)
    for name in model.model_fields:
        kind = sections.get(name)
        names += [f"{name}.{key}" for key in kind.model_fields] if kind else [name]
    return {name: PREFIX + name.replace(".", "_", 1).upper() for name in names}


def _refuse_unknown(values: Mapping[str, Any], known: Mapping[str, str]) -> None:
    sections = {name.partition(".")[0] for name in known if "." in name}
    for name, value in values.items():
        if name in sections:
            if not isinstance(value, dict):
                problem = Phrase(mark("it is a section and needs keys of its own"))
                raise InvalidSettingError(key=name, problem=problem)
            given = [f"{name}.{key}" for key in value]
        elif name in known:
            given = []
        else:
            given = [f"{name}.{key}" for key in value] if isinstance(value, dict) and value else [name]
        for key in given:
            if key not in known:
                raise UnknownSettingError(key=key, nearest=nearest(key, known))


def _refuse_secrets(values: Mapping[str, Any], above: str = "") -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _refuse_secrets(value, f"{above}{name}.")
        elif any(holds_secret(text) for text in _texts(value)):
            raise SecretInFileError(key=above + name)


def _refuse_secret_settings(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Refuse settings in the file that are nothing but a secret."""
    for section, kind in section_types(model).items():
        for key, field in kind.model_fields.items():
            if field.annotation is SecretStr and values.get(section, {}).get(key):
                raise SecretInFileError(key=f"{section}.{key}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _variables(environ: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the environment makes, by dotted name; an empty variable makes none."""
    by_variable = {variable: name for name, variable in known.items()}
    found = {}
    for variable, value in environ.items():
        if not variable.upper().startswith(PREFIX) or variable == HOME_VARIABLE:
            continue
        name = by_variable.get(variable.upper())  # pydantic-settings takes either case
        if name is None:
            raise UnknownSettingError(key=variable, nearest=nearest(variable, [*by_variable, HOME_VARIABLE]))
        if value:
            found[name] = value
    return found


def _choose_credentials(values: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """Let credentials of a vault from the environment, in either form, replace those that the file names."""
    keys = ("access_key", "secret_key_file", "session_token_file")
    for section in ("vault", "second_vault"):
        in_file: dict[str, Any] = values.get(section, {})
        if f"{section}.access_key" in variables:
            in_file.pop("credentials_file", None)
        elif f"{section}.credentials_file" in variables:
            for key in keys:
                in_file.pop(key, None)


def _fill_in(
    section: str, key: str, values: dict[str, Any], variables: Mapping[str, str], home: Path
) -> None:
    """Make a value of the file that holds it. The environment's choice of the two beats the file's."""
    names = (key, f"{key}_file")
    in_file: dict[str, Any] = values.get(section, {})
    here: Mapping[str, Any] = {name: in_file[name] for name in names if in_file.get(name)}
    given = {name: variables[f"{section}.{name}"] for name in names if f"{section}.{name}" in variables}
    if given:
        for name in here:
            del in_file[name]
        here = given
    setting = f"{section}.{key}_file"
    if len(here) > 1:
        problem = Phrase(mark("{other} is set as well"), other=f"{section}.{key}")
        raise InvalidSettingError(key=setting, problem=problem)
    if isinstance(named := here.get(f"{key}_file"), str):
        path = home / Path(named).expanduser()
        values.setdefault(section, {})[key] = read_secret(setting, path)
