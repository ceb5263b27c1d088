"""``sealdock init``, ``clock``, ``config`` and ``errors``: the home itself."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.common import (
    build_node,
    home_of,
    json_option,
    local,
    open_node,
    owner_warning,
    print_json,
    settings_of,
    shown,
)
from config.messages import _, ngettext

if TYPE_CHECKING:
    from config.retention import Term
    from jobs.joining import Joined


@click.command()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Folder to make.")
@json_option
@click.pass_context
def init(ctx: click.Context, home: Path | None, as_json: bool) -> None:
    """Make a home, or join a register that others use. It is settings, keys, register and vault.

    Without configured keys it makes a local authority and a station certificate: they prove that
    footage has not been changed since, not who the station is.

    \b
    Examples:
      sealdock init --home /srv/sealdock
      SEALDOCK_HOME=/srv/sealdock sealdock init
    """  # noqa: D301
    from jobs.initialising import initialise_register, makes_own_keys, prepare
    from metadata.roles import ownership

    if home is not None:
        ctx.find_root().obj = home
    where = home_of(ctx).absolute()
    settings = prepare(where)
    node = build_node(where, settings)
    try:
        joined = initialise_register(node.register, settings, node.stores, node.signer, node.actor)
        owner = ownership(node.register)
    finally:
        node.close()
    own = makes_own_keys(settings)
    if as_json:
        print_json(
            {
                "home": str(where),
                "station": settings.station.id,
                "vault": node.vault.url,
                "second_vault": None if node.second is None else node.second.url,
                "own_keys": own,
                "owns_tables": owner.owns_tables,
                "joined": None if joined is None else asdict(joined),
            }
        )
        return
    click.echo(_("Home {home}, station {station}").format(home=shown(where), station=settings.station.id))
    click.echo(_("Vault {vault}").format(vault=shown(node.vault.url)))
    if node.second is not None:
        click.echo(_("Second vault {vault}").format(vault=node.second.url))
    if joined is not None:
        _tell_joined(joined)
    if warning := owner_warning(owner.role, owns_tables=owner.owns_tables):
        click.echo(warning)
    if own:
        click.echo(
            _(
                "The keys were made here: seals prove integrity, not identity. "
                "Configure a certificate of your authority to prove both."
            )
        )
    if node.vault.url.startswith("file:"):
        click.echo(
            _(
                "The local vault's locks are advisory: whoever administers this machine could remove them. "
                "Use it for one station or for trying things out."
            )
        )


def _tell_joined(joined: "Joined") -> None:
    click.echo(_("Joined the register of: {stations}").format(stations=", ".join(joined.stations)))
    for station, authorities in joined.trusted.items():
        for authority in authorities:
            click.echo(
                _("Trusted from now on: station {station}, authority {authority}").format(
                    station=station, authority=authority
                )
            )
    click.echo(_("The other stations trust this one's seals after `sealdock keys trust` there."))


@click.command()
@click.option("--confirm", is_flag=True, help="State that the clock is right now; this is logged.")
@json_option
@click.pass_context
def clock(ctx: click.Context, confirm: bool, as_json: bool) -> None:
    """Show whether this station's clock can be believed. After a long rest it can be confirmed.

    \b
    Examples:
      sealdock clock
      sealdock clock --confirm
    """  # noqa: D301
    from jobs.clock import confirm_clock

    with open_node(ctx) as node:
        if confirm:
            confirm_clock(node)
        reading = node.read_clock()
    if as_json:
        print_json(
            {
                "at": reading.at,
                "synchronised": reading.synchronised,
                "plausible": reading.plausible,
                "locks_from": reading.trusted,
            }
        )
        return
    words = {True: _("synchronised"), False: _("not synchronised"), None: _("synchronisation unknown")}
    verdict = (
        _("plausible") if reading.plausible else _("NOT plausible: locks are computed from an earlier date")
    )
    click.echo(f"{local(reading.at, node.settings.time_zone)}  {words[reading.synchronised]}, {verdict}")
    if not reading.plausible:
        ctx.exit(1)


@click.group()
def config() -> None:
    """Show the settings in force, and the tables that they name."""


@config.command("show")
@json_option
@click.pass_context
def config_show(ctx: click.Context, as_json: bool) -> None:
    """Print every setting in force, secrets masked. Defaults are shown as the places that they stand for.

    \b
    Examples:
      sealdock config show
      sealdock config show --json
    """  # noqa: D301
    shown = settings_of(ctx).masked()
    if as_json:
        print_json(shown)
        return
    for section, values in shown.items():
        if isinstance(values, dict):
            for key, value in values.items():
                click.echo(f"{section}.{key} = {value}")
        else:
            click.echo(f"{section} = {values}")


@config.command("categories")
@json_option
@click.pass_context
def config_categories(ctx: click.Context, as_json: bool) -> None:
    """List the categories of the retention schedule. It says what they mean, and how long footage is kept.

    \b
    Examples:
      sealdock config categories
      sealdock config categories --json
    """  # noqa: D301
    from config.messages import current
    from config.retention import load_schedule

    schedule = load_schedule(settings_of(ctx).schedule_path)
    if as_json:
        print_json(
            {
                "floor_months": schedule.floor.months,
                "case_months": schedule.case_term.months,
                "categories": [
                    {
                        "name": each.name,
                        "title_zh": each.title_zh,
                        "title_en": each.title_en,
                        "months": each.term.months,
                    }
                    for each in schedule.categories.values()
                ],
            }
        )
        return
    for each in schedule.categories.values():
        click.echo(f"{each.name:20}  {_kept(each.term):>10}  {each.title(current())}")
    click.echo(
        _("Every clip: {term}. In a case: {case}.").format(
            term=_kept(schedule.floor), case=_kept(schedule.case_term)
        )
    )


def _kept(term: "Term") -> str:
    if term.months is None:
        return _("permanent")
    return ngettext("{count} month", "{count} months", term.months).format(count=term.months)


@config.command("profiles")
@json_option
@click.pass_context
def config_profiles(ctx: click.Context, as_json: bool) -> None:
    """List the recorder profiles. They are tried in this order.

    \b
    Examples:
      sealdock config profiles
    """  # noqa: D301
    from config.profiles import load_profiles

    profiles = load_profiles(settings_of(ctx).profiles_path)
    if as_json:
        print_json([{"name": each.name, "title": each.title} for each in profiles])
        return
    for each in profiles:
        click.echo(f"{each.name:16}  {_(each.title)}")


@click.command()
@json_option
def errors(as_json: bool) -> None:
    """List every error with its exit code and what to do. What is safe then is said, too.

    \b
    Examples:
      sealdock errors
      sealdock errors --json
    """  # noqa: D301
    from config.errors import all_errors

    if as_json:
        print_json(
            [
                {"exit_code": kind.exit_code, "code": kind.code, **kind.template()._asdict()}
                for kind in all_errors()
            ]
        )
        return
    for kind in all_errors():
        told = kind.template()
        click.echo(f"{kind.exit_code:3}  {kind.code}")
        for line in told:
            click.echo(f"     {line}")
