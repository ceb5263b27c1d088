"""What must be known before work begins: the station to the register, and what its vaults can do.

A bucket passed preflight as it is addressed now; a local vault was allowed by name.
"""

from collections.abc import Iterator, Sequence

from ulid import ULID

from config.errors import StationUnknownError, VaultAdvisoryError, VaultUntriedError
from config.settings import Settings
from hashing.digest import Digest
from jobs.node import MAIN, Node, Store
from metadata import events
from metadata.events import EventKind
from metadata.models import SigningKey, Station
from storage import local_preflight
from storage.checks import Check, Outcome
from storage.local import LocalVault
from storage.s3.preflight import TRIALS, remove_leftovers
from storage.s3.preflight import preflight as try_bucket
from storage.s3.vault import S3Vault
from storage.vault import LockMode, Vault


def tried(node: Node, store: Store) -> Iterator[Check]:
    """Try what a vault honours, check by check. Raises VaultUnavailableError if it cannot be tried at all."""
    if isinstance(store.vault, S3Vault):
        yield from try_bucket(store.vault)
    elif isinstance(store.vault, LocalVault):
        yield from local_preflight.preflight(store.vault, allowed=_is_allowed(node.settings, store))


def lock_mode(vault: Vault, failed: Sequence[str]) -> LockMode:
    """Return how binding a vault's locks are, after it was tried."""
    if isinstance(vault, LocalVault):
        return LockMode.ADVISORY
    return LockMode.NONE if failed else LockMode.COMPLIANCE


def remove_trials(vault: Vault) -> int:
    """Remove what earlier trials left in a bucket and nothing locks any more; return how many versions."""
    return remove_leftovers(vault) if isinstance(vault, S3Vault) else 0


def remember(node: Node, vault: Vault, checks: Sequence[Check]) -> list[str]:
    """Log how a preflight of a vault ended; return the names of the checks that it did not pass."""
    failed = _named(checks, Outcome.NO, required=True)
    with node.register.write() as session:
        events.append(
            session,
            EventKind.PREFLIGHT,
            node.actor,
            node.clock.now(),
            attempt=str(ULID()),
            subject=_subject(vault),
            facts={
                "vault": vault.url,
                "trials": TRIALS,
                "ok": not failed,
                "failed": failed,
                "warnings": _named(checks, Outcome.NO, required=False),
                "unproved": _named(checks, Outcome.UNTRIED, required=True),
            },
        )
    return failed


def require_proved(node: Node, *, every: bool = False) -> None:
    """Raise VaultUntriedError unless the last preflight of each required vault's very address passed.

    VaultAdvisoryError for a local vault that nobody has allowed. ``every``: the others are asked for, too.
    """
    for store in node.stores if every else node.required:
        require_allowed(node.settings, store)
        if isinstance(store.vault, LocalVault):
            continue
        with node.register.read() as session:
            last = events.last_facts(session, EventKind.PREFLIGHT, subject=_subject(store.vault))
        if last is None or not last["ok"] or last["trials"] != TRIALS:
            command = "sealdock vault preflight" + ("" if store.name == MAIN else " --second")
            raise VaultUntriedError(vault=store.vault.url, command=command)


def require_station(node: Node) -> None:
    """Raise StationUnknownError unless the register knows this station, and the key that it signs with."""
    with node.register.read() as session:
        known = session.get(Station, node.station_id) and session.get(SigningKey, node.signer.key_id)
    if known is None:
        raise StationUnknownError(url=node.register.url, station=node.station_id, key=node.signer.key_id[:16])


def require_allowed(settings: Settings, store: Store) -> None:
    """Raise VaultAdvisoryError for a local vault that ``allow_advisory`` does not allow.

    Where nothing is said of it, the vault in the home is allowed: making it was what ``init`` was asked for.
    """
    if isinstance(store.vault, LocalVault) and not _is_allowed(settings, store):
        name = "vault" if store.name == MAIN else "second_vault"
        raise VaultAdvisoryError(vault=store.vault.url, section=name)


def _is_allowed(settings: Settings, store: Store) -> bool:
    section = settings.vault if store.name == MAIN else settings.second_vault
    return not section.url if section.allow_advisory is None else section.allow_advisory


def _subject(vault: Vault) -> str:
    """Return what names a vault's address in an event: it may be longer than a subject can be."""
    return Digest.sha256(vault.url.encode()).hex


def _named(checks: Sequence[Check], outcome: Outcome, *, required: bool) -> list[str]:
    return [check.name for check in checks if check.outcome is outcome and check.required is required]
