"""What commands share: the composition root of a node, options, and ways to print."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.words import is_text
from config.errors import (
    DurationInvalidError,
    HomeForeignError,
    HomeMissingError,
    HomeUnfinishedError,
    InvalidSettingError,
    RegisterMissingError,
    RegisterVersionError,
)
from config.messages import _, ngettext

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.node import Node
    from metadata.repo.clips import ClipRecord
    from storage.vault import Vault

_MEDIA = frozenset({"video", "still", "audio"})
"""Kinds of files that a name promises to be media."""
_LONGEST_SHOWN = 4096
"""Characters; as long as a path may be."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def home_of(ctx: click.Context) -> Path:
    """Return the home that this call is about: ``--home``, else SEALDOCK_HOME, else the default."""
    from config.settings import home_from

    explicit: Path | None = ctx.find_root().obj
    home = home_from(explicit, os.environ)
    if not is_text(str(home)):
        raise click.UsageError(
            _("The path of a home has to be text in UTF-8: {path}").format(path=shown(home))
        )
    return home


def settings_of(ctx: click.Context) -> "Settings":
    """Load the settings of the home and use their language and log level. Raises HomeMissingError."""
    from config import logs, messages
    from config.settings import FILE_NAME, Settings

    home = home_of(ctx)
    if not home.is_dir():
        raise HomeMissingError(home=str(home))
    _require_own(home)
    if not (home / FILE_NAME).exists():
        raise HomeMissingError(home=str(home))
    settings = Settings.load(home)
    messages.use(settings.language)
    level = settings.log.level
    if level == "auto":
        level = "info" if ctx.info_name == "watch" else "warning"
    try:
        logs.use(level, settings.log.format, settings.log_path)
    except OSError as error:
        raise InvalidSettingError(key="log.file", problem=error.strerror) from error
    return settings


def _require_own(home: Path) -> None:
    """Raise HomeForeignError for another user's home: what this one made there the owner could not use."""
    owner, user = home.stat().st_uid, os.geteuid()
    if owner != user:
        raise HomeForeignError(home=str(home), owner=_user(owner), user=_user(user))


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


@contextmanager
def open_node(ctx: click.Context) -> Iterator["Node"]:
    """Put a node together from its home and close it afterwards."""
    settings = settings_of(ctx)
    node = build_node(home_of(ctx), settings)
    try:
        _require_register(node)
        if _rotation_cut_off(node):
            node.close()
            node = build_node(home_of(ctx), settings)
        node.register.guard = partial(_compare, node)
        yield node
    finally:
        node.close()


def _require_register(node: "Node") -> None:
    """Raise HomeUnfinishedError for a home that `init` left in the middle, else what the register lacks."""
    from jobs.ledger.keys import VKEY
    from metadata.repo import recorders

    try:
        node.register.require()
        node.register.check_version()
    except (RegisterMissingError, RegisterVersionError) as error:
        if error.facts.get("found", "none") == "none" and not (node.settings.keys_path / VKEY).exists():
            raise _unfinished(node) from error
        raise
    with node.register.read() as session:
        if not recorders.has_station(session, node.station_id):
            raise _unfinished(node)


def _unfinished(node: "Node") -> HomeUnfinishedError:
    return HomeUnfinishedError(home=str(node.home), url=node.register.url, station=node.station_id)


def _compare(node: "Node") -> None:
    """Compare the log with what the vaults hold, before anything is appended to it; log changed settings."""
    from jobs import configuring
    from jobs.ledger.standing import compare

    compare(node)
    configuring.note(node)


def _rotation_cut_off(node: "Node") -> bool:
    """Finish a `keys rotate` that was killed; True if the node's keys have to be loaded again."""
    from jobs.trust import NEXT_KEY

    if not (node.settings.keys_path / NEXT_KEY).exists():
        return False
    from jobs.rotating import finish

    return finish(node)


def build_node(home: Path, settings: "Settings") -> "Node":
    """Put a node together; the register need not have its schema yet."""
    from config.profiles import load_profiles
    from config.retention import load_schedule
    from jobs.node import Node
    from jobs.trust import load_keys, timestamp_authority
    from metadata.actor import system_user
    from metadata.register import Register
    from storage.confirm import Confirmation
    from storage.opening import open_vault

    signer, roots = load_keys(settings)
    return Node(
        settings=settings,
        home=home,
        register=Register(settings.database_url),
        vault=open_vault(
            settings.vault_url,
            immutable=settings.vault.immutable,
            state=settings.uploads_path,
            credentials=settings.vault_credentials,
            confirmation=Confirmation(settings.vault.confirmation),
        ),
        signer=signer,
        trust_roots=roots,
        schedule=load_schedule(settings.schedule_path),
        profiles=load_profiles(settings.profiles_path),
        actor=system_user(),
        authority=timestamp_authority(settings),
        second=_second_vault(settings),
    )


def _second_vault(settings: "Settings") -> "Vault | None":
    from storage.confirm import Confirmation
    from storage.opening import open_vault

    if not settings.second_vault.url:
        return None
    return open_vault(
        settings.second_vault.url,
        immutable=settings.second_vault.immutable,
        state=settings.second_uploads_path,
        credentials=settings.second_vault_credentials,
        confirmation=Confirmation(settings.second_vault.confirmation),
        section="second_vault",
    )


def owner_warning(role: str | None, *, owns_tables: bool) -> str | None:
    """Return what has to be said of a database role that could undo the register's own protection."""
    if role is None or not owns_tables:
        return None
    return _(
        "The register's role {role} owns its tables: it could take away what keeps records from being "
        "changed. docs/operations.md says how to give the tables an owner of their own."
    ).format(role=role)


def print_json(value: Any) -> None:
    """Print a value as JSON, names as they are but for characters that a terminal would obey.

    Times may stand in it as they are: they are spelled here, all of them alike.
    """
    from config.times import spelled

    lines = json.dumps(value, ensure_ascii=False, indent=2, default=spelled).split("\n")
    click.echo("\n".join(line if line.isprintable() else _escaped(line) for line in lines))


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def print_clips(records: "list[ClipRecord]", zone: tzinfo) -> None:
    """Print clips as a table: a line each, times in ``zone``."""
    for record in records:
        start = local(record.recorded_at, zone) if record.recorded_at else "-"
        wrong = _("FAILED A CHECK: {problem}").format(problem=record.integrity) if record.integrity else None
        about = "  ".join(filter(None, (wrong, record.case, damage(record), record.reason)))
        digest = (record.sha256 or "-")[:12]
        click.echo(
            f"{record.id}  {digest:12}  {record.state:18} {size(record.size):>9}  {start:16}  "
            f"{shown(record.path)}  {about}".rstrip()
        )
    count = len(records)
    click.echo(
        ngettext("{count} clip", "{count} clips", count).format(count=count) if count else _("No clips.")
    )


def shown(name: Any) -> str:
    """Show a text from a card or a table on one line: a terminal must not obey it."""
    from config.masking import printable

    # An inventory holds names that are not UTF-8 as {text, bytes_b64}.
    return printable(str(name["text"] if isinstance(name, dict) else name), limit=_LONGEST_SHOWN)


def damage(record: "ClipRecord") -> str | None:
    """Return the condition of a clip that is not the media that its name promises: somebody should know."""
    sound = {"intact"} if record.kind in _MEDIA else {"intact", "not_media"}
    if record.condition is None or record.condition in sound:
        return None
    from metadata.media.condition import SHOWN, Condition

    return _(SHOWN[Condition(record.condition)])


def local(at: datetime, zone: tzinfo) -> str:
    """Show a time in the station's zone, to the minute."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def size(count: float) -> str:
    """Show a size in bytes for people: powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[timedelta]):
    """A duration such as ``90s``, ``10m``, ``2h`` or ``1d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ARG002
        """Read a duration; raises DurationInvalidError."""
        if isinstance(value, timedelta):
            return value
        text = str(value).strip().lower()
        number, unit = text[:-1], text[-1:]
        if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 6:  # noqa: PLR2004
            raise DurationInvalidError(text=str(value))
        return timedelta(seconds=int(number) * _UNITS[unit])


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601; one without a zone stays naive until ``aware`` gives it the station's."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a time."""
        from metadata.clock import sensible

        if isinstance(value, datetime):
            return value
        try:
            return sensible(datetime.fromisoformat(str(value)))
        except ValueError:
            told = _("{text} is not a time like 2026-03-01 or 2026-03-01T09:30+08:00")
            self.fail(told.format(text=shown(value)), param, ctx)


def aware(at: datetime, zone: tzinfo) -> datetime:
    """Return a time with its zone; one without was meant in the station's."""
    return at if at.tzinfo else at.replace(tzinfo=zone)
