"""``sealdock status``: how this home is, at a glance."""

from typing import Any

import click

from commands.common import json_option, open_node, owner_warning, print_json, size
from config.messages import _


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show the register, clips by state, what waits, alerts, keys, clock, spool and sandbox.

    \b
    Examples:
      sealdock status
      sealdock status --json
    """  # noqa: D301
    from jobs.overview import overview

    with open_node(ctx) as node:
        found = overview(node)
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    click.echo(_("Station {station}, vault {vault}").format(**found))
    if found["vault_problem"]:
        click.echo(_("VAULT: {problem}").format(problem=found["vault_problem"]))
    register = found["register"]
    click.echo(_("Register: {engine}").format(engine=register["engine"]))
    if warning := owner_warning(register["role"], owns_tables=register["owns_tables"]):
        click.echo(warning)
    for state, count in found["clips"].items():
        click.echo(f"  {state:18} {count}")
    click.echo(_("Unfinished dockings: {count}").format(count=len(found["unfinished_dockings"])))
    click.echo(_("Spool: {free} free").format(free=size(found["spool"]["free_bytes"])))
    if found["spool"]["high"]:
        click.echo(_("SPOOL: {share:.0f} % full; no clip is copied until it drains").format(**found["spool"]))
    stamps = found["timestamps"]
    click.echo(_("Timestamps: {timestamped} set, {pending} pending").format(**stamps))
    click.echo(_("Previews to make: {count}").format(count=found["to_derive"]))
    missing = ", ".join(name for name, holds in found["sandbox"].items() if not holds and name != "problem")
    problem = found["sandbox"].get("problem") or missing
    click.echo(_("Media sandbox: {facts}").format(facts=problem or _("whole")))
    if not found["clock"]["plausible"]:
        click.echo(_("CLOCK: not plausible; see `sealdock clock`"))
    key = found["key"]
    click.echo(_("Station key valid until {date}").format(date=key["not_after"][:10]))
    if key["expires_soon"]:
        click.echo(_("KEY: it expires soon; run `sealdock keys rotate`"))
    for alert in found["alerts"]:
        click.echo(_("ALERT {at} {kind} {clip} {facts}").format(**alert))
