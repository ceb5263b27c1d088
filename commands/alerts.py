"""``sealdock alerts``: what somebody must look at, and who has."""

from typing import Any

import click

from commands.alert_texts import told
from commands.common import json_option, local, open_node, print_json, shown
from config.messages import _, ngettext

MAX_NOTE = 500
_SHORT = 10
"""Characters of an alert's id that are shown: its end, which no two share."""


@click.group()
def alerts() -> None:
    """List what somebody must look at, and say that it was looked at."""


@alerts.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that were acknowledged.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="At most so many."
)
@json_option
@click.pass_context
def alerts_list(ctx: click.Context, every: bool, limit: int, as_json: bool) -> None:
    """List alerts that nobody has acknowledged, the newest first.

    \b
    Examples:
      sealdock alerts list
      sealdock alerts list --all --json
    """  # noqa: D301
    from metadata.repo import integrity

    with open_node(ctx) as node, node.register.read() as session:
        zone = node.settings.time_zone
        found = integrity.alerts_with_answers(session, limit, every=every)
    if as_json:
        print_json([_record(alert, answer) for alert, answer in found])
        return
    for alert, answer in found:
        line = f"{alert.id[-_SHORT:]}  {local(alert.at, zone)}  {told(alert.kind, alert.facts)}"
        click.echo(f"{line}  {_('clip {clip}').format(clip=alert.clip_id)}" if alert.clip_id else line)
        if answer is not None:
            click.echo(
                _("    {at} {who}: {note}").format(
                    at=local(answer.at, zone), who=shown(answer.actor["id"]), note=shown(answer.note)
                )
            )
    count = len(found)
    click.echo(
        ngettext("{count} alert", "{count} alerts", count).format(count=count) if count else _("No alerts.")
    )


@alerts.command("acknowledge")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--note", required=True, help="What was found, or done; it is logged.")
@json_option
@click.pass_context
def alerts_acknowledge(ctx: click.Context, ids: tuple[str, ...], note: str, as_json: bool) -> None:
    """Say that alerts were looked at, and what came of it. They are kept, with who said so and when.

    ID is an alert's id or the end of it, as the list shows it.

    \b
    Examples:
      sealdock alerts acknowledge 7Q2M4X9ABC --note "card was damaged, clip docked again"
    """  # noqa: D301
    from jobs.alerting import acknowledge

    note = note.strip()
    if not 0 < len(note) <= MAX_NOTE or not note.isprintable():
        raise click.BadParameter(f"1 to {MAX_NOTE} printable characters", param_hint="--note")
    with open_node(ctx) as node:
        try:
            done = acknowledge(node, ids, note)
        except LookupError as error:
            problem = _("there is no alert {alert}, or several end so").format(alert=error.args[0])
            raise click.BadParameter(problem, param_hint="ID") from None
    if as_json:
        print_json([{"id": alert.id, "kind": alert.kind, "acknowledged": fresh} for alert, fresh in done])
        return
    for alert, fresh in done:
        text = _("Acknowledged: {alert}") if fresh else _("Acknowledged before: {alert}")
        click.echo(text.format(alert=told(alert.kind, alert.facts)))


def _record(alert: Any, answer: Any) -> dict[str, Any]:
    return {
        "id": alert.id,
        "at": alert.at,
        "kind": alert.kind,
        "clip": alert.clip_id,
        "facts": alert.facts,
        "text": told(alert.kind, alert.facts),
        "acknowledged": None
        if answer is None
        else {"at": answer.at, "by": answer.actor, "note": answer.note},
    }
