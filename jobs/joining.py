"""A station joins a register that others use: what must fit, and whose seals it trusts from then on."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from config.errors import InvalidSettingError, ObjectMissingError, RegisterVersionError
from config.messages import Phrase, mark
from config.settings import Settings
from hashing import canonical
from hashing.keys import key_id
from jobs.node import MAIN, Store
from jobs.trust import certificates, trust, unknown_authorities
from metadata.actor import Actor
from metadata.events import EventKind
from metadata.models import CustodyEvent, SigningKey, Station, StoredVersion
from metadata.register import Register
from metadata.repo import seals

_FIRST = (EventKind.INITIALISED.value, EventKind.STATION_JOINED.value)


@dataclass(frozen=True, slots=True)
class Joined:
    """The stations that were in the register before, and the ids of the authorities trusted on joining."""

    stations: list[str]
    trusted: dict[str, list[str]]
    """By station: SHA-256 of each authority's SubjectPublicKeyInfo, to be compared with that station's."""


def taken() -> InvalidSettingError:
    """Return the error for a station whose name another one of the register has."""
    problem = Phrase(
        mark("another station of the register has this name; every station needs one of its own")
    )
    return InvalidSettingError(key="station.id", problem=problem)


def refuse_taken(settings: Settings) -> None:
    """Raise InvalidSettingError if a PostgreSQL register has a station of this name already."""
    register = Register(settings.database.owner_url or settings.database_url)
    try:
        if register.engine == "sqlite":
            return
        register.check_version()
        with register.read() as session:
            if session.get(Station, settings.station.id) is not None:
                raise taken()
    except RegisterVersionError as error:
        if error.facts.get("found") != "none":
            raise
    finally:
        register.close()


def others(session: Session) -> list[str]:
    """Return the names of the stations in the register."""
    return list(session.scalars(select(Station.id).order_by(Station.created_at)))


def require_same_vault(session: Session, store: Store) -> None:
    """Raise InvalidSettingError unless this is the vault in which the register's other stations store.

    The register names objects by key and version, so all of its stations need one vault. It must show the
    newest object of the register; as long as there is none, the addresses have to name the same place.
    """
    query = select(StoredVersion).where(StoredVersion.vault == store.name)
    newest = session.scalar(query.order_by(StoredVersion.id.desc()).limit(1))
    same = True
    if newest is not None:
        try:
            store.vault.head(newest.key, newest.version)
        except ObjectMissingError:
            same = False
    elif store.name == MAIN:
        used = {_place(canonical.decode(body)["facts"]["vault"]) for body in session.scalars(_beginnings())}
        same = not used or _place(store.vault.url) in used
    if not same:
        problem = Phrase(mark("the other stations of the register keep their clips in another vault"))
        raise InvalidSettingError(key=store.setting, problem=problem)


def _beginnings() -> Select[bytes]:
    return select(CustodyEvent.body).where(CustodyEvent.kind.in_(_FIRST))


def _place(url: str) -> tuple[str, str, str]:
    """Return what names a vault whoever asks; a store may have another address from elsewhere."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path.strip("/")


def trust_others(session: Session, settings: Settings, stations: list[str], actor: Actor) -> Joined:
    """Trust the authorities of the stations that are there: joining their register is trusting it."""
    keys = [key for key in seals.keys(session) if key.station_id != settings.station.id]
    roots = certificates(settings.trust_root_paths)
    trusted: dict[str, list[str]] = {}
    seen: set[x509.Certificate] = set()
    for of, authority in unknown_authorities(keys, roots).items():
        if authority not in seen:
            seen.add(authority)
            key = session.get_one(SigningKey, of)
            trust(session, settings, key, authority, actor)
            trusted.setdefault(key.station_id, []).append(key_id(authority))
    return Joined(stations, trusted)
