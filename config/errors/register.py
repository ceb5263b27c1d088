"""Errors of the register, and of looking things up in it: exit codes 24, 60 to 75, 84 and 88."""

from config.errors.base import SealdockError
from config.errors.integrity import IntegrityError
from config.messages import mark


class RegisterError(SealdockError):
    """Base: the register cannot be used, or refuses."""


class RegisterLockedError(RegisterError):
    """Another process holds the register. Facts: url."""

    code = "register-locked"
    exit_code = 60
    happened = mark("The register {url} is locked by another process.")
    safe = mark("Nothing was half written; what was recorded before stands.")
    todo = mark("Wait until the other command has ended, then run this one again.")
    retriable = True


class RegisterUnavailableError(RegisterError):
    """The register's file or server cannot be reached, read or written just now. Facts: url, problem."""

    code = "register-unavailable"
    exit_code = 73
    happened = mark("The register {url} cannot be used just now: {problem}.")
    safe = mark("Nothing was half written; what was recorded before stands.")
    todo = mark(
        "A file: see that its disk has room and works, and that this user may write there. "
        "A server: see that it runs and can be reached. Work that waits for it goes on by itself."
    )
    retriable = True


class RegisterMissingError(RegisterError):
    """There is no register where the settings say. Facts: url."""

    code = "register-missing"
    exit_code = 74
    happened = mark("There is no register at {url}.")
    safe = mark("No register was made in its place; footage, manifests and seals are in the vault.")
    todo = mark("Put the file back, from the last backup if it is lost, or correct database.url.")


class StationUnknownError(RegisterError):
    """The register does not know the key that this home signs with. Facts: url, station, key."""

    code = "station-unknown"
    exit_code = 84
    happened = mark("The register {url} does not know station {station} of this home with its key {key}.")
    safe = mark("Nothing was written: what another home's register holds is not mixed with this one's.")
    todo = mark(
        "See whether database.url, or SEALDOCK_DATABASE_URL in this shell, leads to the register of another "
        "home. To let this station join that register, run `sealdock init` with its settings in a new home."
    )


class RegisterRefusedError(RegisterError):
    """The database server lets this role not in, or not do what it has to. Facts: url, problem."""

    code = "register-refused"
    exit_code = 75
    happened = mark("The database of the register {url} refuses: {problem}.")
    safe = mark("Nothing was changed.")
    todo = mark(
        "Check role, password and database in database.url, and what the role may do; "
        "docs/operations.md says how roles and database are made."
    )


class RegisterCorruptError(RegisterError, IntegrityError):
    """The register's own check fails. Facts: url, problem."""

    code = "register-corrupt"
    exit_code = 61
    happened = mark("The register {url} is damaged: {problem}.")
    safe = mark("Footage, manifests and seals are in the vault and are not affected.")
    todo = mark("Stop all work on this register, keep a copy of it as it is, and restore the last backup.")


class RegisterVersionError(RegisterError):
    """A register of another schema version. Facts: url, found, expected."""

    code = "register-version"
    exit_code = 62
    happened = mark("The register {url} has schema version {found}; this program needs {expected}.")
    safe = mark("The register was not changed.")
    todo = mark("Make a backup of the register, then use the version of sealdock that fits it.")


class RegisterUnsupportedError(RegisterError):
    """A database that sealdock does not speak. Facts: url."""

    code = "register-unsupported"
    exit_code = 63
    happened = mark("The register cannot be kept in this database: {url}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark(
        "Set database.url to an SQLite file, sqlite:////folder/register.db, "
        "or to a PostgreSQL database, postgresql+psycopg://role@host/database."
    )


class IllegalTransitionError(RegisterError):
    """A step in the wrong order. Facts: clip, current, asked (states)."""

    code = "illegal-transition"
    exit_code = 64
    happened = mark("The clip {clip} is {current} and cannot become {asked} now.")
    safe = mark("The clip keeps its state; nothing was skipped.")
    todo = mark("Look at the clip with `sealdock clips`; report this if no other command was working on it.")


class RecordError(RegisterError):
    """Base: a clip or case that was named cannot be found, made or tied."""


class ClipNotFoundError(RecordError):
    """No such clip. Facts: clip."""

    code = "clip-not-found"
    exit_code = 65
    happened = mark("There is no clip {clip}.")
    safe = mark("Nothing was changed.")
    todo = mark("Look for the clip with `sealdock clips`.")


class ClipAmbiguousError(RecordError):
    """A shortened name that fits several clips. Facts: clip, count."""

    code = "clip-ambiguous"
    exit_code = 66
    happened = mark("{clip} fits more than one clip: {count}.")
    safe = mark("Nothing was changed.")
    todo = mark("Give more characters of the clip's id or digest.")


class CaseNotFoundError(RecordError):
    """No such case. Facts: number."""

    code = "case-not-found"
    exit_code = 67
    happened = mark("There is no case {number}.")
    safe = mark("Nothing was changed.")
    todo = mark("Check the case number, or add the case with `sealdock case add`.")


class CaseExistsError(RecordError):
    """The case number is taken. Facts: number."""

    code = "case-exists"
    exit_code = 68
    happened = mark("There is a case {number} already.")
    safe = mark("The existing case was not changed.")
    todo = mark("Use the existing case, or check the number.")


class CaseNumberInvalidError(RecordError):
    """A text that is no case number. Facts: number."""

    code = "case-number-invalid"
    exit_code = 69
    happened = mark("This is not a case number: {number}.")
    safe = mark("Nothing was changed.")
    todo = mark("Write it like 苏吴城管罚字〔2026〕第25号: region, agency, kind, year in brackets, number.")


class AlreadyLinkedError(RecordError):
    """The clip belongs to another case already. Facts: clip, case (that one)."""

    code = "already-linked"
    exit_code = 70
    happened = mark("The clip {clip} is linked to the case {case} already.")
    safe = mark("The link, and the retention that it brings, stay as they are.")
    todo = mark("If it belongs to the other case, run `sealdock link` with --move; both are logged.")


class ImportRefusedError(RecordError):
    """A table that cannot be read, or rows of it cannot be taken over. Facts: file; rows, what is wrong."""

    code = "import-refused"
    exit_code = 71
    happened = mark("{file} was not imported: {rows}.")
    safe = mark("No row of the file was taken over; the register is as it was before.")
    todo = mark("Put that right and import the file again.")


class DockingNotFoundError(RecordError):
    """No docking has this id. Facts: docking."""

    code = "docking-not-found"
    exit_code = 88
    happened = mark("There is no docking {docking}.")
    safe = mark("Nothing was changed.")
    todo = mark("The receipt of `sealdock dock` names it; `sealdock clips --json` gives each clip's.")


class RecorderNotFoundError(RecordError):
    """No recorder has this id. Facts: recorder."""

    code = "recorder-not-found"
    exit_code = 72
    happened = mark("There is no recorder {recorder}.")
    safe = mark("Nothing was changed.")
    todo = mark("List recorders with `sealdock recorders list`.")


class AssignmentOverlapError(RecordError):
    """Somebody carries the recorder at that time. Facts: recorder, officer; start, end (None: open)."""

    code = "assignment-overlap"
    exit_code = 24
    happened = mark(
        "The recorder {recorder} is carried by {officer} from {start} to {end}, at the same time."
    )
    safe = mark("Nothing was changed.")
    todo = mark("List assignments with `sealdock recorders list`, and give times that do not overlap.")
