"""Errors of looking after a station: exit codes 78, 79 and 90."""

from config.errors.base import SealdockError
from config.messages import mark


class OperationError(SealdockError):
    """Base: something about the station needs a person."""


class UnhealthyError(OperationError):
    """The station service, the register or the vault does not answer. Facts: problems."""

    code = "unhealthy"
    exit_code = 78
    happened = mark("The station is not well: {problems}.")
    safe = mark("Nothing was changed; what waits goes on by itself when the cause has gone.")
    todo = mark("See `sealdock status`, the log of the service, and its manual, docs/operations.md.")
    retriable = True


class ReconcileOpenError(OperationError):
    """Register, vault and spool do not agree. Facts: open (how many findings)."""

    code = "reconcile-open"
    exit_code = 79
    happened = mark("Register, vault and spool do not agree in all: {open} findings are open.")
    safe = mark("Nothing was deleted that is not proved to be in the vault.")
    todo = mark("Each finding above says what to do; those that can be repaired are by --repair.")


class ChainOpenError(OperationError):
    """What recorders recorded and what was docked does not add up. Facts: open (how many findings)."""

    code = "chain-open"
    exit_code = 90
    happened = mark("What was docked does not add up in all: {open} findings are open.")
    safe = mark("Nothing was changed; clips that were reported safe stay safe.")
    todo = mark(
        "See what `sealdock dockings RECORDER` says of each finding; what was explained is shown again."
    )


class OutputLostError(OperationError):
    """What a command had to say could not be written. Facts: problem."""

    code = "output-lost"
    exit_code = 108
    happened = mark("What this command had to say could not be written to its standard output: {problem}.")
    safe = mark("What it did until then stands and is in the register.")
    todo = mark("Make room where the output goes, then see `sealdock status` or run the command again.")
