"""Errors of the engine that runs the work: exit codes 39 and 80 to 89."""

from config.errors.base import SealdockError
from config.messages import mark


class EngineError(SealdockError):
    """Base: the engine cannot run the work now."""


class EngineBusyError(EngineError):
    """Another process runs this home's engine. Facts: home."""

    code = "engine-busy"
    exit_code = 80
    happened = mark("Another sealdock process is working on the home {home}.")
    safe = mark("That process goes on undisturbed; nothing was started twice.")
    todo = mark("Wait until it has ended or stop it, then run this command again.")
    retriable = True


class EngineFailedError(EngineError):
    """A workflow ended with an error that nobody foresaw. Facts: problem."""

    code = "engine-failed"
    exit_code = 81
    happened = mark("The work ended with an unexpected error: {problem}.")
    safe = mark("Clips that were reported safe are safe; the others are still on the card.")
    todo = mark("Dock the card again; if it happens again, report what is printed here.")


class EngineUnavailableError(EngineError):
    """The engine's database cannot be reached, or lets it not in. Facts: url, problem."""

    code = "engine-unavailable"
    exit_code = 39
    happened = mark("The engine's database {url} cannot be used: {problem}.")
    safe = mark("Nothing was started; clips that were reported safe are safe, the others are on the card.")
    todo = mark(
        "See that the server runs and that engine.url is right; the role needs a database in which it may "
        "make schemas. Then run the command again."
    )


class DerivationFailedError(EngineError):
    """Previews could not be made for some clips. Facts: failed (their number)."""

    code = "derivation-failed"
    exit_code = 82
    happened = mark("For {failed} clips no preview could be made, for a reason that may go away by itself.")
    safe = mark("The clips themselves are not affected.")
    todo = mark("Look into the log and at `sealdock status`; the next `sealdock derive` tries again.")
    retriable = True
