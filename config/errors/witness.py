"""Errors of a witness, the separate service that cosigns checkpoints: exit codes 92 to 95."""

from config.errors.base import SealdockError
from config.messages import mark


class WitnessError(SealdockError):
    """Base: a witness cannot work, or has something to tell."""


class WitnessFolderError(WitnessError):
    """A folder that holds no witness, or cannot take one. Facts: folder, problem."""

    code = "witness-folder"
    exit_code = 92
    happened = mark("The folder {folder} cannot be used for a witness: {problem}.")
    safe = mark("Nothing was started or signed, and nothing that was in the folder was changed.")
    todo = mark("Name the folder of a witness, or make one in a new folder with `sealdock witness init`.")


class WitnessStateError(WitnessError):
    """A state that is damaged, or does not belong to the key. Facts: path, problem."""

    code = "witness-state"
    exit_code = 93
    happened = mark("The state of the witness in {path} cannot be used: {problem}.")
    safe = mark("Nothing was signed; cosignatures that were given stay valid.")
    todo = mark(
        "Do not put an older copy back: the witness could then sign what contradicts its own signatures. "
        "Make a new witness with a new key, as docs/witness.md says."
    )


class WitnessBusyError(WitnessError):
    """Another process serves this witness. Facts: folder."""

    code = "witness-busy"
    exit_code = 94
    happened = mark("Another process serves the witness in {folder} already.")
    safe = mark("That process goes on undisturbed; nothing was started twice.")
    todo = mark("Stop it first, for instance with `systemctl stop sealdock-witness`.")
    retriable = True


class WitnessForkedError(WitnessError):
    """Evidence that nobody has dealt with. Facts: forks, suspected (how many)."""

    code = "witness-forked"
    exit_code = 95
    happened = mark("The witness holds evidence against logs: {forks} forks, {suspected} suspected.")
    safe = mark("It has cosigned none of what contradicts; both notes of each case are kept.")
    todo = mark("Ask whoever runs the log, and do as docs/witness.md says under the heading Alarm.")
