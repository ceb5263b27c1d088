"""Compare the log with what others hold of it, before anything is appended to it.

A vault holds signed checkpoints, a witness the last one that it cosigned. A register that has fewer
events than one of them is an old backup: what it appended now would be a second history under the same
numbers. One that has as many, but another root, was rewritten. In both cases nothing is appended. Where
nobody answers, work goes on and it is written down since when the log is unchecked.
"""

from config.errors import (
    LedgerBehindError,
    LedgerForeignError,
    LedgerForkedError,
    ObjectMissingError,
    VaultUnavailableError,
)
from hashing import log
from hashing.checkpoint import Checkpoint
from jobs.asking import in_time
from jobs.ledger import reading, witnessing
from jobs.ledger.witnessing import Witness
from jobs.node import Node, Store
from jobs.witnessing_client import WitnessingError
from metadata.repo import integrity, ledger
from metadata.repo.ledger import Hashes

ALERT = "ledger"


def compare(node: Node) -> None:
    """Ask every vault and witness for the newest checkpoint it holds, and see that the log has it.

    Raises LedgerBehindError, LedgerForkedError, and LedgerForeignError for a checkpoint the log did not sign;
    each of them raises an alert first.
    """
    for store in node.stores:
        compare_vault(node, store)
    for witness in witnessing.witnesses(node):
        compare_witness(node, witness)


def compare_witness(node: Node, witness: Witness) -> bool:
    """Do so with one witness; tell whether it answered. Raises as ``compare`` does."""
    try:
        head = witnessing.seen(node, witness)
        if head is not None:
            require(node, head, holder=witness.url, key=witness.name)
    except WitnessingError:
        note(node, witness.name, problem=witnessing.UNAVAILABLE)
        return False
    except LedgerForeignError as error:
        # Whatever answers there, it is not the witness: that keeps nothing waiting, but somebody must know.
        alarm(node, witness.name, error.code)
        note(node, witness.name, problem=error.code)
        return False
    except (LedgerBehindError, LedgerForkedError) as error:
        alarm(node, witness.name, error.code)
        if isinstance(error, LedgerForkedError) and head is not None:
            witnessing.show_fork(node, witness, head.size)
        raise
    with node.register.read() as session:
        cosigned = ledger.newest_cosigned(session, str(witness.vkey))
    if cosigned > (0 if head is None else head.size):
        alarm(node, witness.name, witnessing.WENT_BACK)
    note(node, witness.name, size=0 if head is None else head.size)
    return True


def compare_vault(node: Node, store: Store) -> bool:
    """Do so with one vault; tell whether it answered. Raises as ``compare`` does."""
    with node.register.read() as session:
        known = ledger.standing(session, store.name)
    try:
        kept = in_time(store.vault, lambda: reading.newest(store.vault, node.log, known.size if known else 0))
        if kept is not None:
            require(node, kept.checkpoint, holder=store.vault.url, key=kept.key)
    except (VaultUnavailableError, ObjectMissingError) as error:
        note(node, store.name, problem=error.code)
        return False
    except (LedgerBehindError, LedgerForkedError, LedgerForeignError) as error:
        alarm(node, store.name, error.code)
        raise
    note(node, store.name, size=0 if kept is None else kept.checkpoint.size)
    return True


def alarm(node: Node, holder: str, problem: str) -> None:
    """Raise one alert for a log that is not what somebody else holds of it."""
    facts = {"holder": holder, "problem": problem}
    with node.register.write() as session:
        integrity.raise_alert(session, ALERT, node.clock.now(), facts=facts, once=True)


def require(node: Node, head: Checkpoint, *, holder: str, key: str) -> None:
    """See that the log goes on from a signed head. Raises LedgerBehindError and LedgerForkedError."""
    with node.register.read() as session:
        size = ledger.size(session)
        if size < head.size:
            raise LedgerBehindError(size=size, held=head.size, holder=holder)
        root = log.tree_root(Hashes(session), head.size)
    if root != head.root:
        raise LedgerForkedError(size=head.size, holder=holder, key=key)


def note(node: Node, holder: str, *, size: int | None = None, problem: str | None = None) -> None:
    """Write down what a holder answered, or why it did not."""
    with node.register.write() as session:
        ledger.note_standing(session, holder, node.clock.now(), size=size, problem=problem)
