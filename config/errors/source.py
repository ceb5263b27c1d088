"""Errors of the recorder's card and of the spool that receives it: exit codes 25 to 33."""

from config.errors.base import SealdockError
from config.messages import mark


class SourceError(SealdockError):
    """Base: the recorder's card, or the way from it to the spool, fails."""


class SourceMissingError(SourceError):
    """No such folder or device. Facts: source."""

    code = "source-missing"
    exit_code = 25
    happened = mark("There is nothing at {source}.")
    safe = mark("Nothing was read, and no recorder was changed.")
    todo = mark("Check that the recorder is docked, unlocked and mounted, and that the path is right.")


class SourceNotADirectoryError(SourceError):
    """The source is no folder. Facts: source."""

    code = "source-not-a-directory"
    exit_code = 26
    happened = mark("{source} is not a folder.")
    safe = mark("Nothing was read, and no recorder was changed.")
    todo = mark("Name the folder at which the card is mounted.")


class SourceUnreadableError(SourceError):
    """A file or folder of the card cannot be read. Facts: path, problem."""

    code = "source-unreadable"
    exit_code = 27
    happened = mark("{path} on the recorder cannot be read: {problem}.")
    safe = mark(
        "Other clips are offloaded as usual; the card was not written to, so the footage is still on it."
    )
    todo = mark("Do not clear or format the card. Dock it again, with another reader if this comes back.")


class SourceVanishedError(SourceError):
    """The card went away during the docking. Facts: source."""

    code = "source-vanished"
    exit_code = 28
    happened = mark("The recorder at {source} was unplugged before its docking had ended.")
    safe = mark("Clips already confirmed are safe; all others are still on the recorder.")
    todo = mark("Dock the recorder again; the work goes on where it stopped.")


class FileVanishedError(SourceError):
    """A file of the inventory is gone from a recorder that is still there. Facts: path."""

    code = "file-vanished"
    exit_code = 35
    happened = mark("The file {path} went away from the recorder during the docking.")
    safe = mark("The other clips are not affected; the docking's inventory keeps the file's name and size.")
    todo = mark("Find out who or what deleted it; leave the recorder alone until its docking has ended.")


class SourceChangedError(SourceError):
    """A file changed while it was read. Facts: path."""

    code = "source-changed"
    exit_code = 29
    happened = mark("{path} changed while it was being read.")
    safe = mark("The copy was not accepted; the file on the recorder was not touched.")
    todo = mark("Stop the recording on the recorder, then dock it again.")


class VolumeSwappedError(SourceError):
    """Another volume than that of the inventory. Facts: source, expected, found."""

    code = "volume-swapped"
    exit_code = 30
    happened = mark("The card at {source} was swapped: expected {expected}, found {found}.")
    safe = mark("Nothing was taken from the new card under the name of the old one.")
    todo = mark("Dock each card on its own; put the first one back to complete its docking.")


class VolumeRefusedError(SourceError):
    """A recorder that nobody has accepted, at a station that refuses those. Facts: source, identity."""

    code = "volume-refused"
    exit_code = 36
    happened = mark("The volume at {source} ({identity}) is not known here and was refused.")
    safe = mark("Nothing was read from it, and nothing on it was changed.")
    todo = mark("If it belongs to this station, dock it by hand once: `sealdock dock {source}`.")


class CardTooLargeError(SourceError):
    """More entries or deeper folders than the limit. Facts: source, limit."""

    code = "card-too-large"
    exit_code = 31
    happened = mark("The folder {source} goes beyond the limit for one card: {limit}.")
    safe = mark("Nothing was read, and no recorder was changed.")
    todo = mark(
        "Check that this is a recorder's card; if it is, raise docking.max_entries or docking.max_depth."
    )


class DockingUnfinishedError(SourceError):
    """All clips are stored, but the docking waits for vault or register. Facts: docking, problem."""

    code = "docking-unfinished"
    exit_code = 37
    happened = mark(
        "Docking {docking} could not be completed; the vault or the register did not answer: {problem}."
    )
    safe = mark("Nothing is lost; but the vault could not be asked whether it still holds every clip.")
    todo = mark("Keep the recorder as it is, see `sealdock status`, and dock it again.")
    retriable = True


class SourceForbiddenError(SourceError):
    """A source that holds, or lies in, sealdock's own folders. Facts: source, own."""

    code = "source-forbidden"
    exit_code = 38
    happened = mark("{source} cannot be docked: it and sealdock's own folder {own} lie in each other.")
    safe = mark("Nothing was read, and no key or register left its place.")
    todo = mark("Name the folder in which the recorder's card is mounted.")


class SpoolFullError(SourceError):
    """No room for the next clip. Facts: path, needed, free (both bytes)."""

    code = "spool-full"
    exit_code = 32
    happened = mark("The spool {path} is full: {needed} bytes are needed, {free} are free.")
    safe = mark("The clip is still on the recorder; clips already offloaded go on to the vault.")
    todo = mark("Leave the recorder docked until stored clips have made room, or make room on that disk.")
    retriable = True


class DockingIncompleteError(SourceError):
    """Clips of a docking are not confirmed. Facts: docking, unsafe (how many).

    Retriable only where the docking waits for a disk or a vault: whoever raises it knows.
    """

    code = "docking-incomplete"
    exit_code = 33
    happened = mark("The docking {docking} left clips that are not confirmed: {unsafe}.")
    safe = mark(
        "All other clips of this docking are confirmed in the vault; the recorder was not cleared of these."
    )
    todo = mark(
        "Do not clear the recorder. See the reasons with `sealdock clips`. Clips that wait for a disk or a "
        "vault go on with the next `dock`; for the others dock this recorder again."
    )


class SpoolUnavailableError(SourceError):
    """The spool cannot be written to. Facts: path, problem."""

    code = "spool-unavailable"
    exit_code = 34
    happened = mark("The spool {path} cannot be written: {problem}.")
    safe = mark("The clip is still on the card; what was stored before is safe.")
    todo = mark("Check the disk that holds the spool; the docking goes on by itself.")
    retriable = True
