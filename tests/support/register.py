"""A register on disk, and rows to fill it with. Times are fixed, so that failures read alike."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from metadata import schema
from metadata.actor import Actor, ActorKind
from metadata.models import Clip, Docking, Officer, Recorder, Station, StoredObject
from metadata.register import Register

AT = datetime(2026, 11, 20, 8, 30, 15, 123456, tzinfo=UTC)
ACTOR = Actor(ActorKind.SYSTEM_USER, "tester", "os-uid")
STATION, RECORDER, DOCKING = "station-1", "recorder-1", "docking-1"

_SERIAL = count(1)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@contextmanager
def opened(where: Path | str, *, busy_timeout: timedelta = timedelta(seconds=20)) -> Iterator[Register]:
    """A register in a file, or in what a URL leads to."""
    register = Register(where if isinstance(where, str) else url_of(where), busy_timeout=busy_timeout)
    try:
        yield register
    finally:
        register.close()


@contextmanager
def made(where: Path | str) -> Iterator[Register]:
    """A new register with a station, a recorder and a docking."""
    with opened(where) as register:
        schema.upgrade(register)
        # Past the ledger: what tests begin with is no history.
        with Session(register._backend.writer) as session, session.begin():
            session.add(Station(id=STATION, name="Station", created_at=AT))
            session.flush()
            add_docking(session)
        yield register


def add_officer(session: Session, name: str) -> str:
    session.add(Officer(id=name, name=None, created_at=AT))
    session.flush()
    return name


def add_docking(session: Session, name: str = DOCKING, recorder: str = RECORDER, **facts: Any) -> Docking:
    if session.get(Recorder, recorder) is None:
        session.add(
            Recorder(
                id=recorder,
                identity=f"serial:{recorder}",
                serial=recorder,
                profile="plain",
                claimed=True,
                accepted=True,
                first_seen=AT,
            )
        )
        session.flush()
    inventory = f"inventory of {name}".encode()
    row = Docking(
        **{
            "id": name,
            "station_id": STATION,
            "recorder_id": recorder,
            "source": "/media/card",
            "volume": {"identity": "folder:1:2"},
            "operator": ACTOR.to_json(),
            "clock": {"plausible": True},
            "clock_plausible": True,
            "started_at": AT,
            "inventory": inventory,
            "inventory_digest": hashlib.sha256(inventory).hexdigest(),
            "inventory_seal": b"",
        }
        | facts
    )
    session.add(row)
    session.flush()
    return row


def add_object(session: Session, sha256: str) -> str:
    if session.get(StoredObject, sha256) is None:
        session.add(
            StoredObject(
                sha256=sha256,
                size=1,
                other_digests=[],
                chunk_size=8 << 20,
                chunk_root=sha256,
                chunk_leaves=bytes.fromhex(sha256),
                created_at=AT,
            )
        )
        session.flush()
    return sha256


def add_clip(session: Session, path: str = "DCIM/clip.mp4", **facts: Any) -> Clip:
    """Add a clip with an id of 26 characters; ``sha256`` brings its object along."""
    if facts.get("sha256"):
        add_object(session, facts["sha256"])
    row = Clip(
        **{
            "id": f"01TEST{next(_SERIAL):020d}",
            "recorder_id": RECORDER,
            "docking_id": DOCKING,
            "name": path.rsplit("/", 1)[-1],
            "path": path,
            "path_bytes": path.encode(),
            "kind": "video",
            "size": 1,
            "mtime_ns": 0,
            "state": "found",
            "time_source": "unknown",
            "created_at": AT,
        }
        | facts
    )
    session.add(row)
    session.flush()
    return row
