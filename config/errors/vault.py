"""Errors of the vault: exit codes 48 to 59, 76, 77 and 83."""

from config.errors.base import SealdockError
from config.errors.integrity import IntegrityError
from config.messages import mark


class VaultError(SealdockError):
    """Base: the vault does not do, or does not hold, what it should."""


class ObjectMissingError(VaultError, IntegrityError):
    """An object that should be there is not. Facts: key."""

    code = "object-missing"
    exit_code = 50
    happened = mark("The vault does not hold {key}.")
    safe = mark("Nothing was changed; other objects are not affected.")
    todo = mark(
        "Tell the administrator of the vault, and do not clear any recorder that still has the footage."
    )


class ObjectConflictError(VaultError, IntegrityError):
    """Other bytes lie under a key that names its content. Facts: key, expected, found."""

    code = "object-conflict"
    exit_code = 51
    happened = mark("The vault holds other bytes under {key}: expected {expected}, found {found}.")
    safe = mark(
        "The bytes in the vault were not overwritten; the clip is still in the spool or on the recorder."
    )
    todo = mark("Leave the object as it is and tell the evidence clerk and the administrator of the vault.")


class LockShorteningError(VaultError):
    """A lock was to be shortened. Facts: key, current, asked (times)."""

    code = "lock-shortening"
    exit_code = 52
    happened = mark("The lock of {key} lasts until {current} and cannot be shortened to {asked}.")
    safe = mark("The lock stays as it is; the object cannot be deleted before its date.")
    todo = mark("Nothing has to be done; a lock may only be extended.")


class LockMissingError(VaultError, IntegrityError):
    """The lock of the stored version is not the one asked for. Facts: key, expected, found."""

    code = "lock-missing"
    exit_code = 53
    happened = mark("{key} is not locked as it should be: expected {expected}, found {found}.")
    safe = mark("The object is in the vault, but it does not count as safe; the recorder is not cleared.")
    todo = mark("Tell the administrator of the vault; object lock has to be on. Then run `sealdock verify`.")


class VaultFullError(VaultError):
    """No room in the vault. Facts: vault, problem."""

    code = "vault-full"
    exit_code = 54
    happened = mark("The vault {vault} has no room left: {problem}.")
    safe = mark("Clips that are not stored yet stay in the spool and on the recorder; nothing was deleted.")
    todo = mark(
        "Extend the vault's storage; storing goes on by itself. Do not clear the recorder until then."
    )
    retriable = True


class VaultUnavailableError(VaultError):
    """The vault cannot be reached or opened. Facts: vault, problem."""

    code = "vault-unavailable"
    exit_code = 55
    happened = mark("The vault {vault} cannot be reached: {problem}.")
    safe = mark("Clips are offloaded and sealed as usual and wait in the spool; nothing was deleted.")
    todo = mark(
        "Check the network and vault.url; storing goes on by itself. Do not clear the recorder until then."
    )
    retriable = True


class VaultRefusedError(VaultUnavailableError):
    """The store answers, and refuses. Facts: vault, problem."""

    code = "vault-refused"
    exit_code = 58
    happened = mark("The vault {vault} refuses: {problem}.")
    safe = mark("Clips are offloaded and sealed as usual and wait in the spool; nothing was deleted.")
    todo = mark(
        "Check the credentials, the bucket's name and its policy; storing goes on by itself. "
        "Do not clear the recorder until then."
    )


class VaultWithoutLockError(VaultError):
    """A store that cannot lock is no vault. Facts: vault, problem."""

    code = "vault-without-lock"
    exit_code = 59
    happened = mark("The bucket of the vault {vault} cannot lock what is stored in it: {problem}.")
    safe = mark("Nothing was stored in it.")
    todo = mark(
        "Make a new bucket with object lock (it switches versioning on, too) and name it in vault.url; most "
        "stores cannot switch it on later."
    )


class LocksBehindError(VaultError):
    """Locks that should have been moved on by now and were not. Facts: behind (how many versions)."""

    code = "locks-behind"
    exit_code = 49
    happened = mark("Locks are behind: {behind} of the stored versions should be locked for longer by now.")
    safe = mark("Nothing was deleted or shortened; what is still locked stays so until its date.")
    todo = mark(
        "See which with `sealdock locks list --behind`, put the vault right, then run `sealdock locks roll`."
    )


class VaultUntriedError(VaultError):
    """A bucket that never passed preflight, or not as it is addressed now. Facts: vault, command."""

    code = "vault-untried"
    exit_code = 76
    happened = mark("Nobody has proved yet that the vault {vault} locks what is stored in it.")
    safe = mark("Nothing was stored, and no recorder was read.")
    todo = mark("Run `{command}`; it has to pass once for every address of a vault.")


class VaultAdvisoryError(VaultError):
    """A local vault that nobody has allowed. Facts: vault, section (of the settings)."""

    code = "vault-advisory"
    exit_code = 77
    happened = mark("The locks of the local vault {vault} are advisory, and nobody has allowed that.")
    safe = mark("Nothing was stored, and no recorder was read.")
    todo = mark(
        "Set {section}.allow_advisory = true if that is meant, or name a bucket with object lock in "
        "{section}.url."
    )


class CopyIncompleteError(VaultError):
    """The second vault could not be given all that it lacks. Facts: failed, remaining (how many versions)."""

    code = "copy-incomplete"
    exit_code = 83
    happened = mark("{failed} stored versions could not be brought to the second vault.")
    safe = mark(
        "The main vault holds what it held; what was brought is proved and locked. {remaining} are left."
    )
    todo = mark("See the problems above, put the vaults right, then run `sealdock vault copy` again.")


class VaultKeyInvalidError(VaultError):
    """A name that is no key of the vault. Facts: key."""

    code = "vault-key-invalid"
    exit_code = 56
    happened = mark("This is not a name of an object in the vault: {key}.")
    safe = mark("Nothing was read or written.")
    todo = mark("Take the name from `sealdock clips`, or from the manifest.")


class RetrievalIncompleteError(VaultError):
    """Some of the clips asked for were not given out. Facts: refused (ids and reasons), given (how many)."""

    code = "retrieval-incomplete"
    exit_code = 48
    happened = mark("Not all clips could be given out: {refused}.")
    safe = mark("{given} clips were given out, whole and logged; of the others nothing appeared.")
    todo = mark("Do not present these copies as complete; see `sealdock clips` and run `sealdock verify`.")


class RetrievalTargetError(VaultError):
    """The place for a retrieved copy cannot be used. Facts: path, problem."""

    code = "retrieval-target"
    exit_code = 57
    happened = mark("The copy cannot be written to {path}: {problem}.")
    safe = mark("The original in the vault is not affected; nothing that existed was overwritten.")
    todo = mark("Name a new file in a folder that this user may write to.")
