"""``sealdock keys`` and ``seals``: who signs, and timestamps that are pending."""

from datetime import UTC, datetime

import click

from commands.common import json_option, open_node, print_json
from config.messages import _


@click.group()
def keys() -> None:
    """List and rotate the keys that seal footage."""


@keys.command("list")
@json_option
@click.pass_context
def keys_list(ctx: click.Context, as_json: bool) -> None:
    """List every key that signs or signed here, and whether it is about to expire."""
    from metadata.repo import seals as repo

    with open_node(ctx) as node, node.register.read() as session:
        warning = node.settings.keys.expiry_warning
        rows = [
            {
                "id": row.id,
                "purpose": row.purpose,
                "not_before": row.not_before.isoformat(),
                "not_after": row.not_after.isoformat(),
                "retired": None if row.retired_at is None else row.retired_at.isoformat(),
                "expires_soon": row.retired_at is None and row.not_after - datetime.now(UTC) <= warning,
            }
            for row in repo.keys(session)
        ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        note = _("retired") if row["retired"] else _("EXPIRES SOON") if row["expires_soon"] else ""
        click.echo(
            f"{row['id']}  {row['purpose']:8} {row['not_before']} - {row['not_after']}  {note}".rstrip()
        )


@keys.command("rotate")
@json_option
@click.pass_context
def keys_rotate(ctx: click.Context, as_json: bool) -> None:
    """Make a new station key. Seals of the old one stay valid; its private half is deleted."""
    from jobs.rotating import rotate

    with open_node(ctx) as node:
        old, fresh = node.signer.key_id, rotate(node)
    if as_json:
        print_json({"retired": old, "current": fresh.key_id, "not_after": fresh.expires_at.isoformat()})
    else:
        click.echo(
            _("New key {key}, valid until {date}").format(key=fresh.key_id, date=fresh.expires_at.date())
        )


@click.group()
def seals() -> None:
    """See and complete trusted timestamps on seals."""


@seals.command("status")
@json_option
@click.pass_context
def seals_status(ctx: click.Context, as_json: bool) -> None:
    """Tell how many seals carry a trusted timestamp, and how many wait for one."""
    from metadata.repo import seals as repo

    with open_node(ctx) as node, node.register.read() as session:
        counts = repo.timestamp_counts(session)
    if as_json:
        print_json(counts)
    else:
        click.echo(_("Timestamps: {timestamped} set, {pending} pending").format(**counts))


@seals.command("complete")
@json_option
@click.pass_context
def seals_complete(ctx: click.Context, as_json: bool) -> None:
    """Ask the timestamp authority for what is pending; exit code 1 while some is left."""
    from jobs.stamping import complete

    with open_node(ctx) as node:
        done = complete(node)
    if as_json:
        print_json({"completed": done.completed, "pending": done.pending})
    else:
        click.echo(
            _("{completed} timestamps set, {pending} pending").format(
                completed=done.completed, pending=done.pending
            )
        )
    if done.pending:
        ctx.exit(1)
