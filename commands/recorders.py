"""``sealdock recorders``: which cameras were seen, and who carries them."""

from datetime import datetime

import click

from commands.common import Moment, aware, json_option, local, open_node, print_json, shown
from commands.words import OfficerNumber
from config.messages import _


@click.group()
def recorders() -> None:
    """List recorders and say who carries them."""


@recorders.command("list")
@json_option
@click.pass_context
def recorders_list(ctx: click.Context, as_json: bool) -> None:
    """List every recorder that was docked, and who carried it. Its identity is what its cards claim.

    \b
    Examples:
      sealdock recorders list
      sealdock recorders list --json
    """  # noqa: D301
    from metadata.repo import recorders as repo

    with open_node(ctx) as node, node.register.read() as session:
        rows = repo.all_recorders(session)
        carried = {row.id: repo.assignments(session, row.id) for row in rows}
    if as_json:
        print_json(
            [
                {
                    "id": row.id,
                    "identity": row.identity,
                    "serial": row.serial,
                    "profile": row.profile,
                    "claimed": row.claimed,
                    "accepted": row.accepted,
                    "first_seen": row.first_seen,
                    "assignments": [
                        {"officer": one.officer_id, "from": one.starts_at, "to": one.ends_at}
                        for one in carried[row.id]
                    ],
                }
                for row in rows
            ]
        )
        return
    for row in rows:
        zone = node.settings.time_zone
        seen = local(row.first_seen, zone)
        note = "" if row.accepted else _("not accepted")
        click.echo(f"{row.id}  {row.profile:14} {shown(row.identity)}  {seen}  {note}".rstrip())
        for one in carried[row.id]:
            end = _("until further notice") if one.ends_at is None else f"- {local(one.ends_at, zone)}"
            click.echo(f"  {shown(one.officer_id)}  {local(one.starts_at, zone)} {end}")


@recorders.command("accept")
@click.argument("recorder")
@json_option
@click.pass_context
def recorders_accept(ctx: click.Context, recorder: str, as_json: bool) -> None:
    """Let the station service dock a recorder in quarantine.

    \b
    Examples:
      sealdock recorders accept 01JC…
    """  # noqa: D301
    from jobs.acceptance import accept_named

    with open_node(ctx) as node:
        changed = accept_named(node, recorder)
    if as_json:
        print_json({"recorder": recorder, "accepted": True, "changed": changed})
        return
    click.echo(_("Recorder {recorder} is accepted.").format(recorder=recorder))


@recorders.command("assign")
@click.argument("recorder")
@click.option("--officer", metavar="ID", type=OfficerNumber(), required=True, help="Officer number.")
@click.option("--from", "start", type=Moment(), required=True, help="From when.")
@click.option("--to", "end", type=Moment(), help="Until when (default: until further notice).")
@json_option
@click.pass_context
def recorders_assign(
    ctx: click.Context, recorder: str, officer: str, start: datetime, end: datetime | None, as_json: bool
) -> None:
    """Say that an officer carries a recorder. Clips without a better claim are ascribed to that officer.

    An earlier assignment until further notice ends when this one begins; any other overlap is refused.

    \b
    Examples:
      sealdock recorders assign 01JC… --officer 012345 --from 2026-03-01
    """  # noqa: D301
    from jobs.assigning import assign

    with open_node(ctx) as node:
        zone = node.settings.time_zone
        starts, ends = aware(start, zone), None if end is None else aware(end, zone)
        if ends is not None and ends <= starts:
            raise click.UsageError(_("--to is not after --from."))
        assign(node, recorder, officer, starts, ends)
    if as_json:
        print_json(
            {
                "recorder": recorder,
                "officer": officer,
                "from": starts,
                "to": ends,
            }
        )
        return
    click.echo(_("Recorder {recorder} is carried by {officer}.").format(recorder=recorder, officer=officer))
