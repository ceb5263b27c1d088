"""``sealdock locks``: how long what is in the vault is locked, and moving that on."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from commands.common import json_option, local, open_node, print_json
from config.errors import LocksBehindError
from config.messages import _

if TYPE_CHECKING:
    from jobs.rolling import Lock, Rolled


@click.group()
def locks() -> None:
    """Show and move on the locks of what is in the vault."""


@locks.command("roll")
@json_option
@click.pass_context
def locks_roll(ctx: click.Context, as_json: bool) -> None:
    """Move on the locks that are capped and have to last longer; for cron.

    A lock never reaches further than retention.lock_cap_months. When less than retention.roll_percent
    of that is left, it is moved on and read back. Locks that are behind raise an alert and end in an
    exit code of their own.

    \b
    Examples:
      sealdock locks roll
      sealdock locks roll --json
    """  # noqa: D301
    from jobs.rolling import roll

    with open_node(ctx) as node:
        report = roll(node)
    if as_json:
        print_json(_report(report))
    else:
        told = _("{due} locks were due, {extended} moved on, {failed} failed, {behind} behind")
        click.echo(
            told.format(due=report.due, extended=report.extended, failed=report.failed, behind=report.behind)
        )
        for item in report.failures:
            click.echo(f"  {item.problem}: {item.key} {item.version}")
    if report.behind:
        raise LocksBehindError(behind=report.behind)
    if report.away is not None:
        raise report.away


def _report(report: "Rolled") -> dict[str, Any]:
    return {
        "due": report.due,
        "extended": report.extended,
        "failed": report.failed,
        "behind": report.behind,
        "finished": report.away is None,
        "failures": [
            {
                "key": item.key,
                "version": item.version,
                "lock_until": item.lock_until,
                "problem": item.problem,
                "vault": item.vault,
            }
            for item in report.failures
        ],
    }


@locks.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to list.")
@click.option("--behind", is_flag=True, help="Only those that are behind.")
@json_option
@click.pass_context
def locks_list(ctx: click.Context, limit: int, behind: bool, as_json: bool) -> None:
    """List stored versions with their lock and legal date. The lock that ends first leads.

    \b
    Examples:
      sealdock locks list --behind
      sealdock locks list --limit 1000 --json
    """  # noqa: D301
    from jobs.rolling import ending, horizon

    with open_node(ctx) as node:
        zone, dates = node.settings.time_zone, horizon(node)
        found = ending(node, dates, dates.alarm if behind else None)
        wanted = (lock for lock in found if not behind or lock.is_behind(lock.row.lock_until, dates.alarm))
        rows = [_row(lock) for lock in islice(wanted, limit + 1)]
    more, rows = len(rows) > limit, rows[:limit]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        until = local(row["lock_until"], zone) if row["lock_until"] else _("none")
        legal = _("permanent") if row["permanent"] else "-"
        if row["retain_until"]:
            legal = local(row["retain_until"], zone)
        vault = "" if row["vault"] == "main" else f"  ({row['vault']})"
        click.echo(f"{row['lock_mode']:10}  {until:16}  {legal:16}  {row['key']}{vault}")
    if more:
        click.echo(_("There are more than these {limit}: --limit lists them.").format(limit=limit))


def _row(lock: "Lock") -> dict[str, Any]:
    legal = None if lock.keeper is None else lock.keeper.legal
    return {
        "key": lock.row.key,
        "version": lock.row.version,
        "kind": lock.row.kind,
        "lock_mode": lock.row.lock_mode,
        "lock_until": lock.row.lock_until,
        "retain_until": None if legal is None else legal.until,
        "permanent": legal is not None and legal.permanent,
        "vault": lock.row.vault,
    }
