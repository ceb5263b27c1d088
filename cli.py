"""The command ``sealdock``: finds commands, chooses the language, turns errors into exit codes."""

import gc
import importlib
import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from commands import output
from config import messages
from config.errors import OutputLostError, SealdockError
from config.messages import _

_log = logging.getLogger("sealdock.cli")

COMMANDS = {
    "init": "commands.home:init",
    "dock": "commands.dock:dock",
    "watch": "commands.watch:watch",
    "status": "commands.status:status",
    "alerts": "commands.alerts:alerts",
    "health": "commands.health:health",
    "clips": "commands.clips:clips",
    "tag": "commands.clips:tag",
    "link": "commands.clips:link",
    "retrieve": "commands.clips:retrieve",
    "case": "commands.cases:case",
    "recorders": "commands.recorders:recorders",
    "dockings": "commands.dockings:dockings",
    "verify": "commands.integrity:verify",
    "reconcile": "commands.reconcile:reconcile",
    "derive": "commands.integrity:derive",
    "ledger": "commands.ledger:ledger",
    "rebuild": "commands.rebuild:rebuild",
    "hold": "commands.hold:hold",
    "locks": "commands.locks:locks",
    "vault": "commands.vault:vault",
    "seals": "commands.keys:seals",
    "keys": "commands.keys:keys",
    "witness": "commands.witness:witness",
    "clock": "commands.home:clock",
    "config": "commands.home:config",
    "errors": "commands.home:errors",
}
"""Name of each command and where it is; in the order of help."""


class LazyGroup(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _colon, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        from commands.words import strict

        return _localised(strict(command))


def _localised(command: click.Command) -> click.Command:
    if messages.current() == "en":
        return command
    from commands.helptext import localise

    return localise(command)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of this station's register, keys and vault (default: SEALDOCK_HOME).",
)
@click.version_option(package_name="sealdock", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, home: Path | None) -> None:
    """Bring footage from recorders into a write-once vault, with proof, and find it again.

    \b
    A first round:
      sealdock init
      sealdock case add "苏吴城管罚字〔2026〕第25号"
      sealdock dock /media/recorder --officer 012345
      sealdock retrieve --case "苏吴城管罚字〔2026〕第25号" --purpose "hearing" --to out
      sealdock verify --level full
    """  # noqa: D301 - \b is click's mark for "do not wrap", not an escape
    ctx.obj = home


def main() -> None:
    """Run the command line and leave with its exit code (docs/errors.md lists them)."""
    # Imports make hundreds of thousands of objects, none of them garbage: look for it rarely (default: 700).
    gc.set_threshold(400_000)
    asked = messages.named(os.environ.get("SEALDOCK_LANGUAGE", "auto"))
    messages.use(asked if asked in messages.LANGUAGES else "auto")
    output.watch()
    try:
        if messages.current() != "en":
            from commands.helptext import use_for_click

            use_for_click(root.context_settings)
        code = _localised(root).main(prog_name="sealdock", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo(
            _("Stopped. Whatever was reported safe is safe; the rest goes on at the next start."), err=True
        )
        _leave(130)
    except click.ClickException as error:
        error.show()
        _leave(error.exit_code)
    except SealdockError as error:
        _log.debug("command-failed", extra={"code": error.code}, exc_info=True)
        _report(error)
        _leave(error.exit_code)
    except BrokenPipeError:
        _unread()
    except SystemExit as error:  # how click ends a shell's completion, and when nobody reads its output
        if error.code:
            _unread()
        _leave(0)
    except Exception:  # noqa: BLE001 - a mistake of ours: whoever meets it gets the sentences, too
        _log.exception("unexpected")
        _report(SealdockError())
        _leave(SealdockError.exit_code)
    _leave(code if isinstance(code, int) else 0)


def _unread() -> NoReturn:
    """Leave as a program does that SIGPIPE ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _leave(141)


def _report(error: SealdockError) -> None:
    """Say what happened, what is safe and what to do; scripts that asked for JSON get the facts, too."""
    with suppress(OSError):  # then the exit code has to do
        if "--json" in sys.argv:
            click.echo(json.dumps(error.to_json(), ensure_ascii=False), err=True)
        else:
            click.echo(error.sentence(), err=True)


def _leave(code: int) -> NoReturn:
    """End the process at once, output flushed.

    Workflows that wait (a full disk, a store that is away) sleep in threads of the engine; they
    are recorded and go on at the next start, so nothing is gained by waiting for them here.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except OutputLostError as error:
        if code == 0:
            _report(error)
            code = error.exit_code
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
