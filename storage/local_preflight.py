"""What a local vault honours. Its locks are advisory, and that is said before anything else.

Nothing is stored: a version of this vault cannot be removed again. What is tried is tried on a temporary
file.
"""

from collections.abc import Iterator

from config.messages import mark
from storage.checks import Check, Outcome, check
from storage.local import LocalVault
from storage.vault import ReadBack


def preflight(vault: LocalVault, *, allowed: bool) -> Iterator[Check]:
    """Try a local vault, check by check; ``allowed`` says whether the settings allow its locks.

    Raises VaultUnavailableError or VaultFullError if it cannot be tried at all.
    """
    how, immutable = vault.trial()
    yield Check("lock-mode", mark("a lock binds everybody"), required=True, outcome=Outcome.ADVISORY)
    yield check("allowed", mark("the settings allow that (allow_advisory)"), allowed)
    yield check(
        "read-back",
        mark("what was written is read back from the medium"),
        how is ReadBack.MEDIA,
        required=False,
    )
    yield check(
        "immutable",
        mark("objects are guarded against mistakes (immutable attribute)"),
        immutable,
        required=False,
    )
