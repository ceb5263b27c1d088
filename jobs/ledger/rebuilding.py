"""``sealdock rebuild --from-vault``: the schema, then everything that the vault knows."""

from config.errors import RegisterVersionError
from jobs.initialising import make_schema, owner_of
from jobs.ledger.replaying import Replayed, rebuild
from jobs.ledger.writing import Progress
from jobs.node import Node


def prepared_rebuild(node: Node, on_progress: Progress | None = None) -> Replayed:
    """Make the tables where there are none, and fill them. Raises as ``replaying.rebuild`` does."""
    try:
        node.register.check_version()
    except RegisterVersionError as error:
        if error.facts.get("found") != "none":
            raise
        with owner_of(node.register, node.settings) as owned:
            make_schema(node.register, owned)
    return rebuild(node, on_progress)
