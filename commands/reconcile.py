"""``sealdock reconcile``: register, vault, spool and uploads compared."""

from typing import TYPE_CHECKING, Any

import click

from commands.common import json_option, open_node, print_json, shown
from config.errors import ReconcileOpenError
from config.messages import _

if TYPE_CHECKING:
    from jobs.findings import Finding

_LISTED = 10_000
"""As many findings are in the JSON document; all of them are counted."""


@click.command()
@click.option(
    "--repair", is_flag=True, help="Mend what a digest proves; nothing is deleted that is not proved."
)
@click.option(
    "--no-locks", is_flag=True, help="Compare lists only; do not ask for the lock of every version."
)
@json_option
@click.pass_context
def reconcile(ctx: click.Context, repair: bool, no_locks: bool, as_json: bool) -> None:
    """Find what lies where the register does not say so.

    Compares the register with the vault, its unfinished uploads, and the spool, and explains each difference:
    what it says lies where it does not, too. What a docking works on is none. Ends with 79 while something
    is open.

    \b
    Examples:
      sealdock reconcile
      sealdock reconcile --repair --json
    """  # noqa: D301
    from jobs.reconcile import Reconciliation

    listed: list[dict[str, Any]] = []
    with open_node(ctx) as node:
        run = Reconciliation(node, repair=repair, locks=not no_locks)
        for finding in run.findings():
            if not as_json:
                _print(finding)
            elif len(listed) < _LISTED:
                listed.append(finding.to_json())
    if as_json:
        print_json(
            {
                "ok": run.open == 0,
                "found": run.found,
                "open": run.open,
                "repaired": run.repaired,
                "of_other_stations": run.of_others,
                "findings": listed,
            }
        )
    else:
        told = _("{found} findings: {open} open, {repaired} repaired; {others} objects of other stations")
        click.echo(told.format(found=run.found, open=run.open, repaired=run.repaired, others=run.of_others))
    if run.open:
        if not as_json:
            click.echo(ReconcileOpenError(open=run.open).sentence(), err=True)
        ctx.exit(ReconcileOpenError.exit_code)


def _print(finding: "Finding") -> None:
    from jobs.findings import MEANINGS

    meaning = MEANINGS[finding.kind]
    place = "" if finding.vault in {None, "main"} else f" ({finding.vault})"
    click.echo(f"{finding.kind.value}{place}: {shown(finding.what)} {shown(finding.detail)}".rstrip())
    click.echo(f"  {_(meaning.why)}")
    if finding.repaired:
        click.echo("  " + _("Repaired."))
        return
    click.echo(f"  {_(meaning.todo)}")
    if finding.problem is not None:
        click.echo("  " + _("Not repaired: {problem}").format(problem=shown(finding.problem)))
