"""Legal holds: the register says which clips must not go, the vaults hold the objects that they share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from config.errors import ObjectMissingError, SealdockError
from hashing.digest import Digest
from jobs.node import MAIN, Node
from metadata import events
from metadata.events import EventKind
from metadata.models import Case, Clip, StoredVersion
from metadata.repo import cases, clips, holds, objects
from metadata.repo.clips import ClipFilter, ClipRecord
from metadata.repo.holds import Held
from storage import layout


@dataclass(frozen=True, slots=True)
class Listed:
    """A hold that stands, and whether the vaults hold every version of its object."""

    hold: Held
    in_vault: bool


def hold(node: Node, references: Sequence[str], number: str | None, reason: str) -> list[ClipRecord]:
    """Hold clips, for a case if one is named; without references all clips of that case. Safe to repeat.

    The register comes first, so that nothing is disposed of meanwhile; then the vault is told, and asked.
    Raises ClipNotFoundError, ClipAmbiguousError, CaseNotFoundError, and VaultError where the vault does not
    hold what the register holds now.
    """
    at = node.clock.now()
    with node.register.write() as session:
        case = _case(session, number)
        of_case = clips.find(session, ClipFilter(case=case.number)) if case and not references else []
        found = of_case or _resolved(session, references)
        for clip in found:
            row = holds.set_hold(session, clip, case, reason, node.actor.to_json(), at)
            if row is not None:
                events.append(
                    session,
                    EventKind.HOLD_SET,
                    node.actor,
                    at,
                    attempt=row.id,
                    clip=clip.id,
                    facts={"reason": reason, "case": None if case is None else case.number},
                )
    return _settled(node, found)


def release(node: Node, references: Sequence[str], number: str | None, reason: str) -> list[ClipRecord]:
    """Lift the holds for a case, or for none, from clips; the vault lets go of what no clip holds any more.

    Without references every hold for the case, whichever case its clip is in now. Raises as ``hold`` does.
    """
    at = node.clock.now()
    with node.register.write() as session:
        case = _case(session, number)
        held = [item.clip for item in holds.standing(session, case)] if case and not references else []
        found = _resolved(session, held or references)
        for clip in found:
            row = holds.current(session, clip.id, case)
            if row is not None:
                row.ended_at = at
                session.flush()
                events.append(
                    session,
                    EventKind.HOLD_RELEASED,
                    node.actor,
                    at,
                    attempt=row.id,
                    clip=clip.id,
                    facts={"reason": reason, "case": None if case is None else case.number},
                )
    return _settled(node, found)


def listed(node: Node, number: str | None) -> list[Listed]:
    """Return the holds that stand, the oldest first. Raises CaseNotFoundError."""
    with node.register.read() as session:
        case = _case(session, number)
        return [
            Listed(item, in_vault=_is_settled(session, node, item.sha256))
            for item in holds.standing(session, case)
        ]


def settle(node: Node, digest: str) -> None:
    """Let every vault hold an object's versions if, and only if, a clip that shares it is held.

    Raises the first VaultError, after all versions were tried.
    """
    while True:
        with node.register.read() as session:
            held = holds.is_held(session, digest)
            rows = [row for store in node.stores for row in _versions(session, store.name, digest)]
        failed: list[SealdockError] = []
        for row in rows:
            try:
                found = node.store(row.vault).vault.hold(row.key, row.version, held=held)
            except SealdockError as error:
                if not (isinstance(error, ObjectMissingError) and _is_superseded(node, row)):
                    failed.append(error)
                continue
            if found.held is not row.held:
                with node.register.write() as session:
                    session.get_one(StoredVersion, row.id).held = found.held
        if failed:
            raise failed[0]
        with node.register.read() as session:
            if holds.is_held(session, digest) is held:  # nobody came in between
                return


def settle_all(node: Node) -> Iterator[tuple[str, SealdockError]]:
    """Hold versions that came after the hold on their object; yield the objects that this failed for."""
    last = ""
    while True:
        with node.register.read() as session:
            page = holds.held_objects(session, last)
            open_ = [digest for digest in page if not _is_settled(session, node, digest)]
        if not page:
            return
        for digest in open_:
            try:
                settle(node, digest)
            except SealdockError as error:
                yield digest, error
        last = page[-1]


def _case(session: Session, number: str | None) -> Case | None:
    return None if number is None else cases.get(session, number)


def _resolved(session: Session, references: Sequence[str]) -> list[Clip]:
    return [clips.resolve(session, reference) for reference in references]


def _settled(node: Node, found: Sequence[Clip]) -> list[ClipRecord]:
    for digest in dict.fromkeys(clip.sha256 for clip in found):
        if digest is not None:
            settle(node, digest)
    with node.register.read() as session:
        return clips.records(session, [session.get_one(Clip, clip.id) for clip in found])


def _versions(session: Session, vault: str, digest: str) -> list[StoredVersion]:
    """Return the versions that a hold is about: the original, its manifests and seals."""
    of = Digest.of_sha256(digest)
    return objects.below(session, vault, [layout.clip_key(of)], layout.seals_prefix(of))


def _is_settled(session: Session, node: Node, digest: str | None) -> bool:
    """Tell whether all versions are held; what the second vault never had, it need not hold."""
    rows = [] if digest is None else _versions(session, MAIN, digest)
    if not rows or digest is None:
        return False
    rows += [row for store in node.stores[1:] for row in _versions(session, store.name, digest)]
    return all(row.held or objects.is_superseded(session, row) for row in rows)


def _is_superseded(node: Node, row: StoredVersion) -> bool:
    with node.register.read() as session:
        return objects.is_superseded(session, row)
