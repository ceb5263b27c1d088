"""``sealdock keys`` and ``seals``: who signs, and timestamps that are pending."""

from datetime import UTC, datetime
from typing import Any

import click

from commands.common import json_option, local, open_node, print_json
from config.messages import _


@click.group()
def keys() -> None:
    """List and rotate the keys that seal footage."""


@keys.command("list")
@json_option
@click.pass_context
def keys_list(ctx: click.Context, as_json: bool) -> None:
    """List the keys that sign or signed, and which are trusted here. Those of all stations of the register.

    \b
    Examples:
      sealdock keys list
      sealdock keys list --json
    """  # noqa: D301
    from jobs.trust import unknown_authorities
    from metadata.repo import seals as repo

    with open_node(ctx) as node, node.register.read() as session:
        warning, zone = node.settings.keys.expiry_warning, node.settings.time_zone
        found = repo.keys(session)
        unknown = unknown_authorities(found, node.trust_roots)
        rows: list[dict[str, Any]] = [
            {
                "id": row.id,
                "station": row.station_id,
                "trusted": row.id not in unknown,
                "purpose": row.purpose,
                "not_before": row.not_before,
                "not_after": row.not_after,
                "retired": row.retired_at,
                "expires_soon": row.retired_at is None and row.not_after - datetime.now(UTC) <= warning,
            }
            for row in found
        ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        note = _("retired") if row["retired"] else _("EXPIRES SOON") if row["expires_soon"] else ""
        trust = "" if row["trusted"] else _("NOT TRUSTED here, see `sealdock keys trust`")
        about = "  ".join(filter(None, (note, trust)))
        click.echo(
            f"{row['id']}  {row['station']}  {row['purpose']:8} "
            f"{local(row['not_before'], zone)} - {local(row['not_after'], zone)}  {about}".rstrip()
        )


@keys.command("trust")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@json_option
@click.pass_context
def keys_trust(ctx: click.Context, ids: tuple[str, ...], as_json: bool) -> None:
    """Trust the authorities of other stations' keys. This is logged.

    A station that joined the register later signs with an authority that this one does not know. Compare the
    authority's digest with what that station shows before you trust it.

    \b
    Examples:
      sealdock keys trust 5f0c4d1e9a7b
    """  # noqa: D301
    from jobs.trust import trust_by_id

    with open_node(ctx) as node:
        try:
            trusted = trust_by_id(node.register, node.settings, ids, node.actor)
        except LookupError as error:
            raise click.BadParameter(
                _("there is no key {key}, or several begin so").format(key=error.args[0]), param_hint="ID"
            ) from None
    if as_json:
        print_json([{"key": row.id, "station": row.station_id, "authority": of} for row, of in trusted])
        return
    for row, of in trusted:
        click.echo(
            _("Trusted from now on: station {station}, authority {authority}").format(
                station=row.station_id, authority=of
            )
        )


@keys.command("rotate")
@json_option
@click.pass_context
def keys_rotate(ctx: click.Context, as_json: bool) -> None:
    """Make a new station key. Seals of the old one stay valid; its private half is deleted.

    \b
    Examples:
      sealdock keys rotate
    """  # noqa: D301
    from jobs.rotating import rotate

    with open_node(ctx) as node:
        old, fresh = node.signer.key_id, rotate(node)
    if as_json:
        print_json({"retired": old, "current": fresh.key_id, "not_after": fresh.expires_at})
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
    """Tell how many seals have, or wait for, a trusted timestamp.

    \b
    Examples:
      sealdock seals status
      sealdock seals status --json
    """  # noqa: D301
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
    """Ask the timestamp authority for what is pending. The exit code is 1 while some is left.

    \b
    Examples:
      sealdock seals complete
    """  # noqa: D301
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
