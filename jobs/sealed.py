"""What lies beside an object in a vault: its clip's manifest, seal and timestamp, and whether they hold."""

from sqlalchemy.exc import NoResultFound

from config.errors import ManifestInvalidError, SealInvalidError
from hashing import seal
from hashing.digest import Digest
from hashing.manifest import Manifest
from jobs.node import MAIN, Node, Store
from jobs.storing import documents
from metadata.models import Clip, Seal, SealTimestamp, StoredObject
from metadata.repo import objects
from storage.integrity import Finding, Level, Target, check


def with_seal(
    node: Node, store: Store, clip: Clip, stored: StoredObject, finding: Finding, level: Level
) -> str | None:
    """Return the object's problem, else the first one of the clip's documents in that vault, and its seal.

    What another vault than the main one never had of them is no problem, and the seal is looked at once.
    """
    if finding.problem is not None:
        return finding.problem
    try:
        with node.register.read() as session:
            beside = list(documents(session, clip))
            rows = {item.key: objects.versions_at(session, store.name, item.key) for item in beside}
            sealed = session.get_one(Seal, clip.manifest_sha256)
            stamped = session.get(SealTimestamp, clip.manifest_sha256)
    except (ValueError, LookupError, NoResultFound):
        return "not-sealed"
    for item in beside:
        if not rows[item.key]:
            if store.name != MAIN:
                continue
            return f"{item.kind.value}: missing"
        row = rows[item.key][-1]
        content = Digest.sha256(item.data)
        target = Target(item.key, row.version, row.size, row.lock_until, content, held=row.held)
        problem = check(store.vault, target, level).problem
        if problem is not None:
            return f"{item.kind.value}: {problem}"
    if level is Level.LOCK or store.name != MAIN:
        return None
    return _seal_problem(node, clip, stored, sealed) or _timestamp_problem(node, sealed, stamped)


def _seal_problem(node: Node, clip: Clip, stored: StoredObject, sealed: Seal) -> str | None:
    """Check the signature, and that the manifest speaks of this clip and these bytes."""
    try:
        seal.verify(sealed.manifest, sealed.signature, trust_roots=node.trust_roots, moment=sealed.created_at)
        manifest = Manifest.decode(sealed.manifest)
    except SealInvalidError as error:
        return seal_word(error)
    except ManifestInvalidError:
        return "manifest"
    chunks = objects.chunks(stored)
    said = (manifest.clip.id, manifest.clip.sha256.hex, manifest.chunks.digest.hex)
    if said != (clip.id, clip.sha256, chunks.root.hex):
        return "manifest"
    return None


def seal_word(error: SealInvalidError) -> str:
    """Return the word for a seal that does not hold; another station's authority may only be unknown here."""
    return "seal-untrusted" if error.facts.get("what") == "certificate" else "seal"


def _timestamp_problem(node: Node, sealed: Seal, stamped: SealTimestamp | None) -> str | None:
    """Check a trusted timestamp, where its authority's roots are configured."""
    if stamped is None or node.authority is None or not node.authority.trust_roots:
        return None
    roots = node.authority.trust_roots
    try:
        facts = seal.verify(
            sealed.manifest, stamped.signature, trust_roots=node.trust_roots, timestamp_roots=roots
        )
    except SealInvalidError:
        return "timestamp"
    return None if facts.timestamp == stamped.time else "timestamp"
