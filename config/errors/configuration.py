"""Errors of settings, of the home folder and of the system below: exit codes 10 to 22."""

from config.errors.base import SealdockError
from config.messages import mark


class ConfigurationError(SealdockError):
    """Base: nothing has been started, because the settings or the system do not allow it."""


class UnknownSettingError(ConfigurationError):
    """A setting that does not exist. Facts: key; nearest, the nearest known name or None."""

    code = "unknown-setting"
    exit_code = 10
    happened = mark("There is no setting named {key}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark("Correct or remove the name; the nearest known name is: {nearest}.")


class InvalidSettingError(ConfigurationError):
    """A setting whose value cannot be used. Facts: key, problem."""

    code = "invalid-setting"
    exit_code = 11
    happened = mark("The setting {key} cannot be used: {problem}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark("Correct the value in the settings file or in the environment, then run the command again.")


class SettingsFileInvalidError(ConfigurationError):
    """A settings file that cannot be read or is no TOML. Facts: path, problem."""

    code = "settings-file-invalid"
    exit_code = 12
    happened = mark("The settings file {path} cannot be read: {problem}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark("Correct the file; it has to be TOML text that this user may read.")


class SecretInFileError(ConfigurationError):
    """A password in the settings file. Facts: key."""

    code = "secret-in-file"
    exit_code = 13
    happened = mark("The settings file holds a secret under {key}.")
    safe = mark("Nothing was started; the secret was not used and is not shown here.")
    todo = mark(
        "Give the value through the environment, or put it into a file that only this user can read and "
        "name that file with the setting that ends in _file. "
        "Change the secret if others could read the settings file."
    )


class HomeMissingError(ConfigurationError):
    """No home where one was expected. Facts: home."""

    code = "home-missing"
    exit_code = 14
    happened = mark("There is no sealdock home at {home}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark("Name another home with --home or SEALDOCK_HOME, or make one here with `sealdock init`.")


class HomeUnfinishedError(ConfigurationError):
    """A home whose ``init`` did not come to its end. Facts: home, url, station."""

    code = "home-unfinished"
    exit_code = 86
    happened = mark(
        "The register {url} does not know the station {station}: the home {home} was not made to its end, or "
        "its station.id was changed."
    )
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark(
        "Run `sealdock init` again: it goes on where it stopped, and says what was in its way. Or put the "
        "old station.id back."
    )


class HomeForeignError(ConfigurationError):
    """A home of another user. Facts: home, owner, user."""

    code = "home-foreign"
    exit_code = 22
    happened = mark("The home {home} belongs to {owner}, and this is {user}.")
    safe = mark("Nothing was started: files made by another user would lock the owner out.")
    todo = mark("Run the command as {owner}, or use a home of your own.")


class HomeUnwritableError(ConfigurationError):
    """A home that cannot be made. Facts: home, problem."""

    code = "home-unwritable"
    exit_code = 23
    happened = mark("No home can be made at {home}: {problem}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark("Choose an empty folder in which this user may write, on a disk with room.")


class HomeExistsError(ConfigurationError):
    """A home where a new one was to be made. Facts: home."""

    code = "home-exists"
    exit_code = 15
    happened = mark("There is a sealdock home at {home} already.")
    safe = mark("The existing home was not changed.")
    todo = mark("Use it as it is, or choose an empty folder for the new home.")


class ClockImplausibleError(ConfigurationError):
    """The station's clock cannot be right. Facts: clock, reference (both times)."""

    code = "clock-implausible"
    exit_code = 16
    happened = mark("The clock of this computer says {clock}, which cannot be right beside {reference}.")
    safe = mark("Nothing was changed: no home was made, no clock was confirmed, and no lock was moved on.")
    todo = mark("Set the clock, best by time synchronisation, then run the command again.")


class DurationInvalidError(ConfigurationError):
    """A text that is no duration. Facts: text."""

    code = "duration-invalid"
    exit_code = 17
    happened = mark("This is not a duration: {text}.")
    safe = mark("Nothing was changed.")
    todo = mark("Write a number and a unit, such as 30s, 10m, 24h or 7d.")


class SandboxError(ConfigurationError):
    """The child process that parses media cannot be started or kept. Facts: problem."""

    code = "sandbox-failed"
    exit_code = 18
    happened = mark("The separate process that examines media files does not work: {problem}.")
    safe = mark("Clips are kept, sealed and stored without it; they are marked as not examined.")
    todo = mark("Run `sealdock status` to see what the system lacks.")


class SystemToolMissingError(ConfigurationError):
    """Programs of the system that are needed and absent. Facts: tools."""

    code = "system-tool-missing"
    exit_code = 19
    happened = mark("Programs that sealdock needs are not installed: {tools}.")
    safe = mark("Nothing was started, and no footage was touched.")
    todo = mark("Install them with the package manager of the system, then run the command again.")


class CategoryUnknownError(ConfigurationError):
    """A retention category that is not in the schedule. Facts: category; nearest, or None; known (all)."""

    code = "category-unknown"
    exit_code = 20
    happened = mark("The retention schedule has no category named {category}.")
    safe = mark("No retention period was changed.")
    todo = mark(
        "Choose a category of the schedule ({known}); the nearest name is: {nearest}. "
        "`sealdock config categories` explains them."
    )


class ScheduleInvalidError(ConfigurationError):
    """A retention schedule that cannot be used. Facts: path, key, problem."""

    code = "schedule-invalid"
    exit_code = 21
    happened = mark("The retention schedule {path} cannot be used, at {key}: {problem}.")
    safe = mark("Nothing was started; every retention period and lock stays as it is.")
    todo = mark("Correct the file, or remove the setting retention.schedule to use the schedule shipped.")
