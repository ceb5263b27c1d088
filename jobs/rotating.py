"""Rotate the station's key: the new one signs from now on, seals of the old one stay valid."""

import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from config.errors import KeyFileInvalidError
from hashing import durable, keys
from jobs.initialising import makes_own_keys
from jobs.node import Node
from jobs.trust import NEXT, NEXT_CERTIFICATE, NEXT_KEY, RETIRED, note_key
from metadata import events
from metadata.events import EventKind
from metadata.models import SigningKey
from metadata.repo import seals


def rotate(node: Node) -> keys.Signer:
    """Make a new station key, retire the old one, and return the new signer.

    The old private key is deleted: nothing is left that could sign in its name. Its certificate is
    kept in ``keys/retired``. Raises KeyFileInvalidError for a home whose key is configured: then
    whoever issued the certificate renews it.
    """
    settings = node.settings
    if not makes_own_keys(settings):
        raise KeyFileInvalidError(
            path=str(settings.station_key_path), problem="it was configured; renew it where it was issued"
        )
    folder = settings.keys_path
    authority = keys.load_signer(folder / "authority.key", folder / "authority.pem")
    fresh = _cut_off(node, folder)
    if fresh is None:
        for leftover in (NEXT_KEY, NEXT_CERTIFICATE):
            (folder / leftover).unlink(missing_ok=True)
        fresh = keys.create_station_key(folder, settings.station.id, authority, name=NEXT)
        _keep_certificate(node)
        _write(node, fresh)
    _put_in_place(node)
    return fresh


def finish(node: Node) -> bool:
    """Finish a rotation that was cut off; True if there was one, and ``node`` still has the retired key."""
    if not makes_own_keys(node.settings) or _cut_off(node, node.settings.keys_path) is None:
        return False
    _put_in_place(node)
    return True


def _put_in_place(node: Node) -> None:
    """Rename the next key and certificate; another command may be doing the same."""
    settings = node.settings
    # The key goes first: between the two renames the pair does not fit, and whoever loads it mends that.
    with suppress(FileNotFoundError):
        (settings.keys_path / NEXT_KEY).rename(settings.station_key_path)
    with suppress(FileNotFoundError):
        (settings.keys_path / NEXT_CERTIFICATE).rename(settings.station_certificate_path)
    durable.fsync_dir(settings.keys_path)


def _cut_off(node: Node, folder: Path) -> keys.Signer | None:
    """Return the key of a rotation that the register knows of and that was cut off before the renames."""
    try:
        begun = keys.load_signer(folder / NEXT_KEY, folder / NEXT_CERTIFICATE)
    except KeyFileInvalidError:
        return None
    with node.register.read() as session:
        known = session.get(SigningKey, begun.key_id)
    return begun if known is not None and known.retired_at is None else None


def _write(node: Node, fresh: keys.Signer) -> None:
    with node.register.write() as session:
        note_key(session, fresh, "station", node.actor, station=node.station_id)
        at = datetime.now(UTC)
        seals.retire(session, node.signer.key_id, at)
        events.append(
            session,
            EventKind.KEY_RETIRED,
            node.actor,
            at,
            attempt=node.signer.key_id,
            subject=node.signer.key_id,
            facts={"key": node.signer.key_id, "next": fresh.key_id},
        )


def _keep_certificate(node: Node) -> None:
    retired = node.settings.keys_path / RETIRED
    retired.mkdir(mode=0o700, exist_ok=True)
    target = retired / f"{node.signer.key_id[:16]}.pem"
    if not target.exists():
        shutil.copyfile(node.settings.station_certificate_path, target)
        durable.fsync_dir(retired)
