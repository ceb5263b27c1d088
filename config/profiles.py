"""Recorder profiles: what the names on a card say, by maker. A table of patterns, never code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from os.path import splitext
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from config.errors import InvalidSettingError, SettingsFileInvalidError
from config.messages import Phrase, mark
from config.nearest import nearest
from config.pattern import Kind, NameFacts, Pattern, compile_expression
from config.toml import read_toml

__all__ = ["Kind", "NameFacts", "Pattern", "Profile", "kind_of_suffix", "load_profiles"]

SHIPPED = Path(__file__).parent / "defaults" / "profiles.toml"
LAST = "plain"
"""The profile for cards that no other explains; it stays the last one."""

_KINDS = {
    Kind.VIDEO: "mp4 mov avi mkv m4v mpg mpeg ts mts m2ts 3gp 3g2 wmv asf flv webm dav h264 h265 264 265 360",
    Kind.AUDIO: "wav mp3 m4a aac amr ogg oga opus flac wma",
    Kind.STILL: "jpg jpeg png heic heif gif bmp tif tiff webp dng cr2 cr3 nef arw gpr raw",
    Kind.SIDE: "thm lrv srt vtt ass sub lrc gpx nmea gps log txt xml json csv idx inf sec",
}
_KIND_OF_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_PROFILE_KEYS = {"title", "time_zone", "side_files", "patterns"}
_PATTERN_KEYS = {"regex", "kind", "start_format"}


@dataclass(frozen=True, slots=True)
class Profile:
    """How one make of recorder names its files.

    ``time_zone``: the zone that its clock is set to; None: the station's. ``side_files``: suffixes, in lower
    case with their dot, of files that only accompany a clip.
    """

    name: str
    title: str
    patterns: tuple[Pattern, ...]
    time_zone: str | None = None
    side_files: tuple[str, ...] = ()

    def match(self, path: str) -> NameFacts | None:
        """Read a POSIX path below the card's root with the first pattern that fits; None if none does."""
        default = Kind.SIDE if path.lower().endswith(self.side_files) else kind_of_suffix(path)
        for pattern in self.patterns:
            facts = pattern.match(path, default)
            if facts is not None:
                return facts
        return None


def kind_of_suffix(name: str) -> Kind:
    """Return what a file is by the suffix of its name or path alone; ``other`` when that says nothing."""
    # A path object for each of 100,000 files takes seconds.
    return _KIND_OF_SUFFIX.get(splitext(name)[1][1:].lower(), Kind.OTHER)  # noqa: PTH122


def load_profiles(directory: Path | None) -> tuple[Profile, ...]:
    """Return all profiles, in the order in which they are tried; ``plain`` is the last.

    Profiles of the ``*.toml`` files in ``directory`` (in the order of the files' names) come before those
    shipped; one with a shipped name takes its place. Raises InvalidSettingError for a table that cannot be
    used, SettingsFileInvalidError for a file that cannot be read.
    """
    shipped = _read(SHIPPED)
    own: dict[str, Profile] = {}
    if directory is not None:
        try:
            files = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
        except OSError as error:
            raise InvalidSettingError(
                key="profiles.directory", problem=error.strerror or str(error)
            ) from error
        for path in files:
            for name, profile in _read(path).items():
                if name in own:
                    _refuse(path, name, Phrase(mark("there is another profile of this name")))
                own[name] = profile
    profiles = {**{name: own[name] for name in own if name not in shipped}, **shipped, **own}
    return (*(profile for name, profile in profiles.items() if name != LAST), profiles[LAST])


def _read(path: Path) -> dict[str, Profile]:
    try:
        tables = read_toml(path)
    except FileNotFoundError as error:
        raise SettingsFileInvalidError(path=path, problem=error.strerror or str(error)) from error
    return {name: _profile(path, name, table) for name, table in tables.items()}


def _profile(path: Path, name: str, table: Any) -> Profile:
    values = _table(path, name, table, _PROFILE_KEYS)
    title = _text(path, f"{name}.title", values.get("title", name))
    zone = values.get("time_zone")
    if zone is not None:
        try:
            ZoneInfo(_text(path, f"{name}.time_zone", zone))
        except (ValueError, OSError, LookupError):
            _refuse(
                path,
                f"{name}.time_zone",
                Phrase(mark("there is no such time zone; write it like Asia/Shanghai")),
            )
    side_files = values.get("side_files", [])
    if not isinstance(side_files, list) or not all(
        isinstance(suffix, str) and suffix.startswith(".") for suffix in side_files
    ):
        _refuse(path, f"{name}.side_files", Phrase(mark("a list of suffixes such as .thm is needed")))
    patterns = values.get("patterns", [])
    if not isinstance(patterns, list):
        _refuse(path, f"{name}.patterns", Phrase(mark("a list is needed")))
    return Profile(
        name=name,
        title=title,
        patterns=tuple(_pattern(path, f"{name}.patterns.{i}", table) for i, table in enumerate(patterns, 1)),
        time_zone=zone,
        side_files=tuple(suffix.lower() for suffix in side_files),
    )


def _pattern(path: Path, key: str, table: Any) -> Pattern:
    values = _table(path, key, table, _PATTERN_KEYS)
    try:
        expression = compile_expression(_text(path, f"{key}.regex", values.get("regex")))
    except ValueError as error:
        _refuse(path, f"{key}.regex", Phrase(str(error)))
    kind = values.get("kind")
    if kind is not None and kind not in set(Kind):
        _refuse(path, f"{key}.kind", Phrase(mark("it must be one of {expected}"), expected=", ".join(Kind)))
    start_format = values.get("start_format")
    if ("start" in expression.groupindex) != (start_format is not None):
        _refuse(path, f"{key}.start_format", Phrase(mark("it goes together with a group named start")))
    if start_format is not None:
        _check_format(path, f"{key}.start_format", _text(path, f"{key}.start_format", start_format))
    return Pattern(expression, Kind(kind) if kind else None, start_format)


def _check_format(path: Path, key: str, start_format: str) -> None:
    """Refuse a format that does not bring back the date it wrote, or that speaks of a zone."""
    sample = datetime(2026, 11, 23, 17, 45, 59)  # noqa: DTZ001 - a recorder names no zone
    try:
        read = datetime.strptime(sample.strftime(start_format), start_format)  # noqa: DTZ007 - same
    except ValueError:
        read = None
    if read is None or read.tzinfo is not None or read.date() != sample.date():
        _refuse(
            path, key, Phrase(mark("a strptime format with year, month and day is needed, without a zone"))
        )


def _table(path: Path, key: str, table: Any, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        _refuse(path, key, Phrase(mark("it is a section and needs keys of its own")))
    for name in table:
        if name not in known:
            near = nearest(name, known)
            _refuse(
                path,
                f"{key}.{name}",
                Phrase(mark("there is no such key; the nearest is {near}"), near=near or "-"),
            )
    return dict(table)


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        _refuse(path, key, Phrase(mark("text is needed")))
    return value


def _refuse(path: Path, key: str, problem: Phrase) -> NoReturn:
    raise InvalidSettingError(key=f"{path}: {key}", problem=problem)
