"""Errors of the ledger and of what it is compared with: exit codes 100 to 107."""

from config.errors.base import SealdockError
from config.errors.integrity import IntegrityError
from config.messages import mark


class LedgerError(SealdockError):
    """Base: the ledger cannot go on, or cannot do what was asked."""


class LedgerForeignError(IntegrityError):
    """A checkpoint in a vault was not signed by the register's log. Facts: key, problem."""

    code = "ledger-foreign"
    exit_code = 100
    happened = mark("{key} in the vault is no checkpoint of this register's log: {problem}.")
    safe = mark("Nothing was written; the object was left as it is, for whoever looks into it.")
    todo = mark(
        "Find out who put it there. Compare the verifier key in the keys folder with what was made public."
    )


class LedgerBehindError(LedgerError):
    """The register has fewer events than others hold of its log. Facts: size, held, holder."""

    code = "ledger-behind"
    exit_code = 101
    happened = mark(
        "The register has {size} events, but {holder} holds a checkpoint of {held}: it looks like an old "
        "backup."
    )
    safe = mark("Nothing was written: what were appended now would be another history.")
    todo = mark(
        "Run `sealdock ledger catch-up`: it replays what the register lacks from the vault. If nobody of you "
        "put an old register in place, report it."
    )


class LedgerForkedError(IntegrityError):
    """Others hold a history that this register does not have. Facts: size, holder, key."""

    code = "ledger-forked"
    exit_code = 102
    happened = mark(
        "The register's history is another one than {holder} holds: the first {size} events do not have the "
        "root that was signed."
    )
    safe = mark("Nothing was written; the signed checkpoint, {key}, proves the difference.")
    todo = mark(
        "Stop the stations of this register and keep it as it is. `sealdock ledger check` names what was "
        "edited; a register made anew by `sealdock rebuild --from-vault` shows the history that was signed."
    )


class LedgerCheckFailedError(IntegrityError):
    """The register does not say what its ledger says. Facts: count."""

    code = "ledger-check-failed"
    exit_code = 103
    happened = mark("The register and its ledger differ in {count} places.")
    safe = mark("Nothing was changed. Footage is proved by its seals, whatever the register says.")
    todo = mark(
        "Find out who changed the rows that are named. `sealdock rebuild --from-vault` shows what was logged."
    )


class LedgerKeyMissingError(LedgerError):
    """This home does not have the private key of the log. Facts: origin."""

    code = "ledger-key-missing"
    exit_code = 104
    happened = mark("This home does not have the key of the log {origin}, so it cannot sign checkpoints.")
    safe = mark("Events are logged all the same; the home that has the key publishes them.")
    todo = mark(
        "Run the command in the home that made the register, which keeps the log's key in its keys folder."
    )


class RebuildRefusedError(LedgerError):
    """A register cannot be made from the vault here. Facts: problem."""

    code = "rebuild-refused"
    exit_code = 105
    happened = mark("The register cannot be made from the vault: {problem}.")
    safe = mark("Nothing was written.")
    todo = mark("See docs/operations.md, chapter Backup.")


class LedgerIncompleteError(IntegrityError):
    """The vault does not hold all of the log that a checkpoint in it promises. Facts: first, problem."""

    code = "ledger-incomplete"
    exit_code = 106
    happened = mark("The vault does not hold event {first} of the log as it was signed: {problem}.")
    safe = mark("Nothing was written to the register.")
    todo = mark(
        "Try the second vault, or a newer backup of the register. Find out what became of the object."
    )


class EventNotFoundError(LedgerError):
    """The log has no event of this number or name. Facts: event."""

    code = "event-not-found"
    exit_code = 107
    happened = mark("The log has no event {event}.")
    safe = mark("Nothing was changed.")
    todo = mark("See `sealdock ledger show` for the events and their numbers.")


class LedgerDamagedError(LedgerError):
    """The register lacks events or hashes of its own log. Facts: level, first."""

    code = "ledger-damaged"
    exit_code = 109
    happened = mark("The register lacks hashes of its log, from number {first} of level {level} on.")
    safe = mark("Nothing was written. Footage, manifests and seals in the vault are not affected.")
    todo = mark(
        "Somebody removed events: keep the register as it is. `sealdock ledger check` names what is missing; "
        "`sealdock rebuild --from-vault` makes a whole register from what was published."
    )


class EventUnsignedError(LedgerError):
    """No checkpoint covers an event yet. Facts: event."""

    code = "event-unsigned"
    exit_code = 96
    happened = mark("The log has event {event}, but no checkpoint that covers it yet.")
    safe = mark("Nothing was changed.")
    todo = mark("Sign and publish what there is with `sealdock ledger publish`, then ask again.")
    retriable = True
