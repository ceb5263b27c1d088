"""``sealdock vault``: the vaults themselves."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from commands.common import Duration, json_option, open_node, print_json, size
from commands.progress import counting
from config.errors import CopyIncompleteError
from config.messages import _, mark, ngettext

if TYPE_CHECKING:
    from jobs.copying import Copied
    from jobs.node import Node, Store
    from storage.checks import Check


@click.group()
def vault() -> None:
    """Try what a vault can do; fill the second one."""


@vault.command()
@click.option("--second", is_flag=True, help="Try the second vault.")
@json_option
@click.pass_context
def preflight(ctx: click.Context, second: bool, as_json: bool) -> None:
    """Prove what a vault honours, bucket or folder.

    A bucket's store is tried with throw-away objects, a folder with a temporary file.

    The objects are locked for 20 seconds (or as long as the bucket's default retention is) and stay
    below "preflight/" in the vault until a later run finds their locks over and removes them. What dock
    needs and the store does not do ends in an exit code; the rest is a warning. Use a credential that
    may delete: one that may not proves no refusal. dock works with a bucket only after this has passed.

    The locks of a local vault are advisory, and it passes only where the settings allow that.

    \b
    Examples:
      sealdock vault preflight
      sealdock vault preflight --second --json
    """  # noqa: D301
    from config.errors import VaultWithoutLockError
    from jobs import proving

    with open_node(ctx) as node:
        store = _store(node, second=second)
        found = []
        for check in proving.tried(node, store):
            found.append(check)
            if not as_json:
                click.echo(_line(check))
        failed = proving.remember(node, store.vault, found)
        removed = 0 if failed else proving.remove_trials(store.vault)
    if as_json:
        print_json(
            {
                "vault": store.vault.url,
                "ok": not failed,
                "lock_mode": proving.lock_mode(store.vault, failed).value,
                "checks": [
                    {"name": check.name, "outcome": check.outcome.value, "required": check.required}
                    for check in found
                ],
                "removed": removed,
            }
        )
    elif removed:
        told = ngettext(
            "{count} object of earlier runs removed.", "{count} objects of earlier runs removed.", removed
        )
        click.echo(told.format(count=removed))
    if failed:
        proving.require_allowed(node.settings, store)
        raise VaultWithoutLockError(vault=store.vault.url, problem=", ".join(failed))


@vault.command()
@json_option
@click.pass_context
def prepare(ctx: click.Context, as_json: bool) -> None:
    """Make the second vault of a home that is there already. Of a bucket it checks that it can lock.

    Where `init` finds a second vault in the settings it does this itself. Nothing else ever makes the folder
    of a vault: a disk that is not mounted must not be taken for an empty one. Harmless to repeat.

    \b
    Examples:
      sealdock vault prepare
    """  # noqa: D301
    from jobs.proving import require_allowed

    with open_node(ctx) as node:
        store = _store(node, second=True)
        require_allowed(node.settings, store)
        store.vault.prepare()
    if as_json:
        print_json({"vault": store.vault.url})
    else:
        click.echo(_("Second vault {vault}").format(vault=store.vault.url))


@vault.command()
@click.option("--budget", type=Duration(), help="Stop after this long, such as 90s, 10m or 2h.")
@json_option
@click.pass_context
def copy(ctx: click.Context, budget: timedelta | None, as_json: bool) -> None:
    """Bring to the second vault what it lacks; for cron.

    Each object is fetched, its digest is compared before it is stored, it is locked as its clip asks and
    confirmed. What was brought stands; a run that was ended goes on with the next one. What could not be
    brought ends in an exit code of its own.

    \b
    Examples:
      sealdock vault copy
      sealdock vault copy --budget 2h --json
    """  # noqa: D301
    from jobs.copying import copy as run

    def standing(report: "Copied") -> tuple[int, int, str]:
        return report.copied + report.failed, report.lacking, ""

    with open_node(ctx) as node, counting(quiet=as_json) as show:
        report = run(node, budget, show and (lambda so_far: show(*standing(so_far))))
    if as_json:
        print_json(
            {
                "copied": report.copied,
                "bytes": report.bytes_copied,
                "failed": report.failed,
                "remaining": report.remaining,
                "finished": report.finished,
                "failures": [{"key": item.key, "problem": item.problem} for item in report.failures],
            }
        )
    else:
        told = _("{copied} versions brought ({bytes}), {failed} failed, {remaining} left")
        click.echo(
            told.format(
                copied=report.copied,
                bytes=size(report.bytes_copied),
                failed=report.failed,
                remaining=report.remaining,
            )
        )
        for item in report.failures:
            click.echo(f"  {item.problem}: {item.key}")
    if report.stopped is not None:
        raise report.stopped
    if report.failed:
        raise CopyIncompleteError(failed=report.failed, remaining=report.remaining)


def _store(node: "Node", *, second: bool) -> "Store":
    """Return the vault that is meant. Raises InvalidSettingError where there is no second one."""
    from config.errors import InvalidSettingError
    from config.messages import Phrase

    if second and node.second is None:
        raise InvalidSettingError(key="second_vault.url", problem=Phrase(mark("there is no second vault")))
    return node.stores[1 if second else 0]


def _line(check: "Check") -> str:
    words = {
        ("yes", True): _("yes"),
        ("yes", False): _("yes"),
        ("no", True): _("NO"),
        ("no", False): _("no (warning)"),
        ("advisory", True): _("advisory: sealdock keeps it, whoever administers this computer need not"),
        ("untried", True): _("not proved: this credential may not delete"),
        ("untried", False): _("not proved: this credential may not ask, or there is none"),
    }
    return f"{check.name:28}  {_(check.title)}: {words[check.outcome.value, check.required]}"
