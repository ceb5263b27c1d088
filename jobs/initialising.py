"""Make a home: folders, keys, settings, register."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import (
    ClockImplausibleError,
    HomeExistsError,
    HomeUnwritableError,
    InvalidSettingError,
    RegisterVersionError,
)
from config.messages import Phrase, mark
from config.settings import FILE_NAME, Settings
from hashing import durable, keys
from jobs import configuring, joining
from jobs.joining import Joined
from jobs.ledger import keys as log_keys
from jobs.ledger.keys import Log
from jobs.node import Store
from jobs.proving import require_allowed
from jobs.trust import note_key
from metadata import events, roles, schema
from metadata.actor import Actor
from metadata.clock import FURTHEST, RELEASED, now_utc
from metadata.events import EventKind
from metadata.models import CustodyEvent, SigningKey, Station
from metadata.register import Register
from metadata.repo import recorders

_BEGUN = {"keys", "keys.new", "lost+found"}
"""What may lie in a folder before its settings file: keys that were put there, a disk's own folder."""


def prepare(home: Path) -> Settings:
    """Make the folder, its settings file and, unless others are configured, its keys.

    Safe to repeat after an interruption: what stands already is kept, a key is never overwritten.
    Raises ClockImplausibleError: certificates made by a clock far off would be worth nothing;
    HomeUnwritableError for a folder that holds something else; InvalidSettingError for a station whose name
    another one has in the register.
    """
    at = now_utc()
    if not RELEASED <= at <= RELEASED + FURTHEST:
        raise ClockImplausibleError(clock=at.isoformat(), reference=RELEASED.isoformat())
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnwritableError(home=str(home), problem=error.strerror) from error
    _refuse_strange(home)
    if not os.access(home, os.W_OK | os.X_OK):
        raise HomeUnwritableError(home=str(home), problem=os.strerror(errno.EACCES))
    settings = Settings.load(home)
    if not settings.station_certificate_path.exists():
        joining.refuse_taken(settings)  # before the name is written down and into a certificate
    if not (home / FILE_NAME).exists():
        text = (
            "# Settings of this sealdock home; every key has a default: see `sealdock config show`.\n"
            f'[station]\nid = "{settings.station.id}"\n'
        )
        if settings.vault_url.startswith("file:"):
            text += (
                "\n[vault]\n"
                "# The locks of a local vault are advisory: whoever runs the machine can remove them.\n"
                "allow_advisory = true\n"
            )
        durable.write_new(home / FILE_NAME, text.encode(), mode=0o640)
        settings = Settings.load(home)
    if makes_own_keys(settings):
        _make_keys(settings)
    return settings


def _refuse_strange(home: Path) -> None:
    """Raise HomeUnwritableError unless the folder is empty, or what lies there is of a home begun."""
    names = {entry.name for entry in os.scandir(home) if not entry.name.startswith(durable.TEMP_PREFIX)}
    if FILE_NAME not in names and not names <= _BEGUN:
        raise HomeUnwritableError(home=str(home), problem=Phrase(mark("the folder is not empty")))


def makes_own_keys(settings: Settings) -> bool:
    """Tell whether the home signs with a key that ``init`` makes: proof of integrity, not of identity."""
    return not settings.keys.station_key and not settings.keys.station_certificate


def _make_keys(settings: Settings) -> None:
    if settings.station_certificate_path.exists():
        return
    # The station's certificate is written last; without it everything before is made again.
    building = settings.keys_path.with_name(f"{settings.keys_path.name}.new")
    if building.exists():
        shutil.rmtree(building)
    building.mkdir(mode=0o700, parents=True)
    authority = keys.create_authority(building, settings.station_name)
    keys.create_station_key(building, settings.station.id, authority)
    durable.fsync_dir(building)
    building.rename(settings.keys_path)
    durable.fsync_dir(settings.keys_path.parent)


def initialise_register(
    register: Register, settings: Settings, stores: Sequence[Store], signer: keys.Signer, actor: Actor
) -> Joined | None:
    """Prepare the vaults; create the schema, the station and its first event.

    The schema is made by the role of ``database.owner_url``, which then grants the register's role what
    it needs; without that setting one role does both. A PostgreSQL register that other stations use is
    joined: then it says what this station trusts from now on.

    Raises HomeExistsError if it stands already, InvalidSettingError where the station does not fit into the
    register, VaultWithoutLockError for a bucket that cannot lock, VaultAdvisoryError for a local vault that
    nobody allowed.
    """
    with owner_of(register, settings) as owned:
        _refuse_finished(owned, settings, signer)
        for store in stores:
            require_allowed(settings, store)
        for store in stores:
            store.vault.prepare()
        make_schema(register, owned)
    with register.read() as session:
        for store in stores:
            joining.require_same_vault(session, store)
    at = now_utc()
    with register.write() as session:
        others = joining.others(session)
        if not recorders.add_station(session, settings.station.id, settings.station_name, at):
            raise joining.taken()
        its_log = _log(session, settings)
        events.append(
            session,
            EventKind.STATION_JOINED if others else EventKind.INITIALISED,
            actor,
            at,
            attempt="0",
            subject=settings.station.id,
            facts={
                "station": settings.station.id,
                "vault": settings.vault_url,
                "ledger": str(its_log.vkey),
                "settings": configuring.in_force(settings),
            },
        )
        note_key(session, signer, "station", actor, station=settings.station.id)
        return joining.trust_others(session, settings, others, actor) if others else None


def _log(session: Session, settings: Settings) -> Log:
    """Return the log of the register: the one that its first event names, or a new one."""
    named = log_keys.of_register(session)
    return log_keys.make(settings) if named is None else log_keys.follow(settings, named)


def make_schema(register: Register, owned: Register) -> None:
    """Make the tables as their owner, and give the register's own role what it needs."""
    schema.upgrade(owned)
    if owned is not register:
        roles.grant(owned, roles.role_of(register))
        register.check_version()  # both addresses may lead to different databases


@contextmanager
def owner_of(register: Register, settings: Settings) -> Iterator[Register]:
    """Give the register as its owner uses it. Raises InvalidSettingError for an owner that is none."""
    owned = _owned(register, settings)
    try:
        yield owned
    finally:
        if owned is not register:
            owned.close()


def _owned(register: Register, settings: Settings) -> Register:
    if not settings.database.owner_url:
        return register
    owned = Register(settings.database.owner_url)
    problem = None
    if {register.engine, owned.engine} != {"postgresql"}:
        problem = mark("only a PostgreSQL register has an owner")
    elif roles.role_of(owned) == roles.role_of(register):
        problem = mark("it names the same role as database.url")
    if problem is None:
        return owned
    owned.close()
    raise InvalidSettingError(key="database.owner_url", problem=Phrase(problem))


def _refuse_finished(owned: Register, settings: Settings, signer: keys.Signer) -> None:
    """Raise HomeExistsError for a home that is finished: its station's first event is in the register."""
    try:
        owned.check_version()
    except RegisterVersionError as error:
        if error.facts.get("found") != "none":
            raise
        return
    with owned.read() as session:
        if owned.engine == "sqlite" and session.scalar(select(CustodyEvent.sequence).limit(1)) is not None:
            raise HomeExistsError(home=str(settings.home))
        key = session.get(SigningKey, signer.key_id)
        if key is not None and key.station_id == settings.station.id:
            raise HomeExistsError(home=str(settings.home))
        if session.get(Station, settings.station.id) is not None:
            raise joining.taken()
