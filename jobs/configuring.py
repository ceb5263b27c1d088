"""What a station is set to: the log has it from the first event on, and whenever it changes.

A retention that was shortened for an hour, or clearing that was switched on, is part of what happened. What
only concerns how sealdock speaks (language, log, metrics) is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from ulid import ULID

from config.settings import Settings
from hashing import canonical
from hashing.digest import Digest
from jobs.node import Node
from metadata import events
from metadata.events import EventKind
from metadata.models import CustodyEvent

_ASIDE = frozenset({"language", "log", "metrics"})
_KINDS = [EventKind.INITIALISED.value, EventKind.STATION_JOINED.value, EventKind.CONFIGURED.value]
_HOME = "{home}"
_LONGEST_FILE = 1 << 20


def in_force(settings: Settings) -> dict[str, Any]:
    """Return every setting that is not the usual one, secrets as ``***``, and digests of files they name.

    A path in the home begins with ``{home}``: to move a home changes nothing.
    """
    found: dict[str, Any] = {}
    for section, values in settings.masked().items():
        if section not in _ASIDE:
            usual = _usual(section)
            found |= {
                f"{section}.{name}": _in_home(value, settings.home)
                for name, value in values.items()
                if value != usual.get(name)
            }
    for path in _files(settings):
        try:
            with path.open("rb") as file:
                data = file.read(_LONGEST_FILE)
        except OSError:
            continue  # whoever needs the file says so
        found[f"file:{_in_home(str(path), settings.home)}"] = str(Digest.sha256(data))
    return found


def note(node: Node) -> None:
    """Log the settings in force if they are not those that the log has of this station."""
    now = in_force(node.settings)
    with node.register.read() as session:
        if _noted(session, node.station_id) == now:
            return
    with node.register.write() as session:
        before = _noted(session, node.station_id) or {}
        if before == now:
            return
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        events.append(
            session,
            EventKind.CONFIGURED,
            node.actor,
            node.clock.now(),
            attempt=str(ULID()),
            subject=node.station_id,
            facts={"settings": now, "changed": changed},
        )


def _noted(session: Session, station: str) -> dict[str, Any] | None:
    """Return the settings that the log has of a station."""
    query = select(CustodyEvent.body).where(CustodyEvent.subject == station, CustodyEvent.kind.in_(_KINDS))
    body = session.scalar(query.order_by(CustodyEvent.sequence.desc()).limit(1))
    return None if body is None else canonical.decode(body)["facts"].get("settings")


def _usual(section: str) -> dict[str, Any]:
    make = Settings.model_fields[section].default_factory
    if make is None:
        raise ValueError(f"{section} is no section of the settings")
    usual: dict[str, Any] = make().model_dump(mode="json")  # type: ignore[call-arg]
    return usual


def _files(settings: Settings) -> Iterator[Path]:
    if settings.schedule_path is not None:
        yield settings.schedule_path
    if settings.profiles_path is not None:
        yield from sorted(settings.profiles_path.glob("*.toml"))


def _in_home(value: Any, home: Path) -> Any:
    if isinstance(value, str):
        return value.replace(home.as_uri(), f"file://{_HOME}").replace(str(home), _HOME)
    if isinstance(value, list):
        return [_in_home(item, home) for item in value]
    return value
