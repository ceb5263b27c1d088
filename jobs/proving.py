"""Which vault may be used: a bucket that passed preflight as it is addressed now, or one allowed by name."""

from collections.abc import Sequence

from ulid import ULID

from config.errors import VaultAdvisoryError, VaultUntriedError
from config.settings import Settings
from hashing.digest import Digest
from jobs.node import Node
from metadata import events
from metadata.events import EventKind
from storage.local import LocalVault
from storage.s3.preflight import TRIALS, Check, Outcome
from storage.vault import Vault


def remember(node: Node, checks: Sequence[Check]) -> list[str]:
    """Log how a preflight of the node's vault ended; return the names of the checks that it did not pass."""
    failed = _named(checks, Outcome.NO, required=True)
    with node.register.write() as session:
        events.append(
            session,
            EventKind.PREFLIGHT,
            node.actor,
            node.clock.now(),
            attempt=str(ULID()),
            subject=_subject(node.vault),
            facts={
                "vault": node.vault.url,
                "trials": TRIALS,
                "ok": not failed,
                "failed": failed,
                "warnings": _named(checks, Outcome.NO, required=False),
                "unproved": _named(checks, Outcome.UNTRIED, required=True),
            },
        )
    return failed


def require_proved(node: Node) -> None:
    """Raise VaultUntriedError unless the last preflight of this very address passed.

    VaultAdvisoryError for a local vault that nobody has allowed.
    """
    require_allowed(node.settings, node.vault)
    if isinstance(node.vault, LocalVault):
        return
    with node.register.read() as session:
        last = events.last_facts(session, EventKind.PREFLIGHT, subject=_subject(node.vault))
    if last is None or not last["ok"] or last["trials"] != TRIALS:
        raise VaultUntriedError(vault=node.vault.url)


def require_allowed(settings: Settings, vault: Vault) -> None:
    """Raise VaultAdvisoryError for a local vault that ``vault.allow_advisory`` does not allow.

    Where nothing is said of it, the vault in the home is allowed: making it was what ``init`` was asked for.
    """
    allowed = settings.vault.allow_advisory
    if isinstance(vault, LocalVault) and not (not settings.vault.url if allowed is None else allowed):
        raise VaultAdvisoryError(vault=vault.url)


def _subject(vault: Vault) -> str:
    """Return what names a vault's address in an event: it may be longer than a subject can be."""
    return Digest.sha256(vault.url.encode()).hex


def _named(checks: Sequence[Check], outcome: Outcome, *, required: bool) -> list[str]:
    return [check.name for check in checks if check.outcome is outcome and check.required is required]
