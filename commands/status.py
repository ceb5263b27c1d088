"""``sealdock status``: how this home is, at a glance."""

from datetime import datetime, tzinfo
from typing import Any

import click

from commands.alert_texts import told
from commands.common import json_option, local, open_node, owner_warning, print_json, shown, size
from config.messages import _


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show clips by state, what waits, alerts, keys, clock and more.

    \b
    Examples:
      sealdock status
      sealdock status --json
    """  # noqa: D301
    from jobs.overview import overview

    with open_node(ctx) as node:
        found = overview(node)
        zone = node.settings.time_zone
    if as_json:
        print_json(found)
        return
    _print(found, zone)


def _print(found: dict[str, Any], zone: tzinfo) -> None:
    click.echo(_("Station {station}, vault {vault}").format(**found))
    if found["vault_problem"]:
        click.echo(_("VAULT: {problem}").format(problem=found["vault_problem"]))
    if second := found["second_vault"]:
        click.echo(_("Second vault {url}; it lacks {lacks} stored versions").format(**second))
        if second["problem"]:
            click.echo(_("SECOND VAULT: {problem}").format(problem=second["problem"]))
    register = found["register"]
    click.echo(_("Register: {engine}").format(engine=register["engine"]))
    if warning := owner_warning(register["role"], owns_tables=register["owns_tables"]):
        click.echo(warning)
    _print_clips(found)
    click.echo(_("Spool: {free} free").format(free=size(found["spool"]["free_bytes"])))
    if found["spool"]["high"]:
        click.echo(_("SPOOL: {share:.0f} % full; no clip is copied until it drains").format(**found["spool"]))
    stamps = found["timestamps"]
    click.echo(_("Timestamps: {timestamped} set, {pending} pending").format(**stamps))
    its_log = found["ledger"]
    click.echo(_("Ledger: {size} events").format(size=its_log["size"]))
    for name, held in its_log["holders"].items():
        told_of = _("{holder}: {problem}") if held["problem"] else _("{holder}: {size} events")
        click.echo("  " + told_of.format(holder=shown(name), **held))
    if its_log["unchecked_since"]:
        click.echo(_("LEDGER: nobody could be asked since {time}").format(time=its_log["unchecked_since"]))
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
    _print_alerts(found, zone)


def _print_clips(found: dict[str, Any]) -> None:
    for state, count in found["clips"].items():
        click.echo(f"  {state:18} {count}")
    if by_checksum := found["confirmed_by"].get("checksum"):
        click.echo(_("Confirmed by checksum, not read back yet: {count}").format(count=by_checksum))
    if found["holds"]:
        click.echo(_("Legal holds: {count}").format(count=found["holds"]))
    click.echo(_("Unfinished dockings: {count}").format(count=len(found["unfinished_dockings"])))
    for station, count in found["unfinished_elsewhere"].items():
        click.echo(_("  at station {station}: {count}").format(station=station, count=count))


def _print_alerts(found: dict[str, Any], zone: tzinfo) -> None:
    for alert in found["alerts"]:
        at = local(datetime.fromisoformat(alert["at"]), zone)
        click.echo(_("ALERT {at}  {text}").format(at=at, text=told(alert["kind"], alert["facts"])))
    if rest := sum(found["alert_counts"].values()) - len(found["alerts"]):
        click.echo(_("... and {count} more: `sealdock alerts list`").format(count=rest))
