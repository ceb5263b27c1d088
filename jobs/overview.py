"""The state of a home in one record, for ``status``."""

import dataclasses
from typing import Any

from config.errors import SandboxError
from config.times import spelled
from jobs import spooling
from jobs.asking import vault_problem
from jobs.ledger.overview import lag
from jobs.node import MAIN, SECOND, Node
from metadata import roles
from metadata.repo import clips, dockings, holds, integrity, objects, seals
from storage.vault import Vault

_ALERTS_SHOWN = 10


def overview(node: Node) -> dict[str, Any]:
    """Return register, clips by state, open dockings, alerts, clock, key, spool, sandbox as JSON values."""
    clock = node.read_clock()
    with node.register.read() as session:
        found: dict[str, Any] = {
            "station": node.station_id,
            "vault": node.vault.url,
            "clips": dict(sorted(clips.state_counts(session).items())),
            "confirmed_by": objects.confirmation_counts(session, MAIN),
            "holds": holds.count(session),
            "unfinished_dockings": dockings.unclosed(session, node.station_id),
            "unfinished_elsewhere": dockings.unclosed_elsewhere(session, node.station_id),
            "timestamps": seals.timestamp_counts(session),
            "ledger": lag(session),
            "to_derive": len(integrity.underived(session)),
            "spool_high": integrity.is_open(session, spooling.REASON),
            "alert_counts": integrity.alert_counts(session),
            "alerts": [
                {
                    "id": row.id,
                    "at": spelled(row.at),
                    "kind": row.kind,
                    "clip": row.clip_id or "",
                    "facts": row.facts,
                }
                for row, _ in integrity.alerts_with_answers(session, _ALERTS_SHOWN, every=False)
            ],
        }
    found["clock"] = {
        "at": spelled(clock.at),
        "synchronised": clock.synchronised,
        "plausible": clock.plausible,
    }
    expires = node.signer.expires_at
    warning = node.settings.keys.expiry_warning
    found["key"] = {
        "id": node.signer.key_id,
        "not_after": spelled(expires),
        "expires_soon": expires - clock.at <= warning,
    }
    found["vault_problem"] = _problem(node.vault)
    found["second_vault"] = _second_vault(node)
    found["register"] = {"engine": node.register.engine} | dataclasses.asdict(roles.ownership(node.register))
    found["spool"] = _spool(node) | {"high": found.pop("spool_high")}
    found["sandbox"] = _sandbox(node)
    return found


def _second_vault(node: Node) -> dict[str, Any] | None:
    """Return the second vault and how many versions it lacks, as far as the register knows."""
    if node.second is None:
        return None
    with node.register.read() as session:
        lacks = objects.lacking(session, MAIN, SECOND)
        confirmed_by = objects.confirmation_counts(session, SECOND)
    return {
        "url": node.second.url,
        "required": node.settings.second_vault.required,
        "lacks": lacks,
        "confirmed_by": confirmed_by,
        "problem": _problem(node.second),
    }


def _problem(vault: Vault) -> str | None:
    problem = vault_problem(vault)
    return None if problem is None else str(problem)


def _spool(node: Node) -> dict[str, Any]:
    found = spooling.look(node)
    return {"files": found.files, "bytes": found.used, "free_bytes": found.free, "share": found.share}


def _sandbox(node: Node) -> dict[str, Any]:
    try:
        with node.probers().one() as prober:
            return dataclasses.asdict(prober.sandbox)
    except SandboxError as error:
        return {"problem": error.code}
