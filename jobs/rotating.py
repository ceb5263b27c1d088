"""Rotate the station's key: the new one signs from now on, seals of the old one stay valid."""

import shutil
from datetime import UTC, datetime

from config.errors import KeyFileInvalidError
from hashing import durable, keys
from jobs.initialising import makes_own_keys
from jobs.node import Node
from jobs.trust import RETIRED, note_key
from metadata import events
from metadata.events import EventKind
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
    for leftover in ("next.key", "next.pem"):
        (folder / leftover).unlink(missing_ok=True)
    fresh = keys.create_station_key(folder, settings.station.id, authority, name="next")
    _keep_certificate(node)
    with node.register.write() as session:
        note_key(session, fresh, "station", node.actor)
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
    # The key goes first: between the two renames the pair does not fit, and loading says so.
    (folder / "next.key").rename(settings.station_key_path)
    (folder / "next.pem").rename(settings.station_certificate_path)
    durable.fsync_dir(folder)
    return fresh


def _keep_certificate(node: Node) -> None:
    retired = node.settings.keys_path / RETIRED
    retired.mkdir(mode=0o700, exist_ok=True)
    target = retired / f"{node.signer.key_id[:16]}.pem"
    if not target.exists():
        shutil.copyfile(node.settings.station_certificate_path, target)
        durable.fsync_dir(retired)
