"""``sealdock health``: whether the station works, for probes."""

import click

from commands.common import build_node, home_of, json_option, print_json, settings_of
from config.messages import _


@click.command()
@click.option(
    "--alive", is_flag=True, help="Only whether the service goes round; ask neither register nor vault."
)
@json_option
@click.pass_context
def health(ctx: click.Context, alive: bool, as_json: bool) -> None:
    """Tell whether station service, register and vault work.

    Exit code 0 if all is well, 78 if not. `watch` answers the same questions at /healthz and /readyz where
    metrics.listen is set.

    \b
    Examples:
      sealdock health
      sealdock health --alive
    """  # noqa: D301
    from config.errors import UnhealthyError
    from jobs.health import Health, health_of
    from jobs.liveness import look

    if alive:
        settings_of(ctx)
        found = Health(look(home_of(ctx)), None, None)
    else:
        node = build_node(home_of(ctx), settings_of(ctx))
        try:
            found = health_of(node)
        finally:
            node.close()
    if as_json:
        print_json({"alive": found.alive} if alive else found.to_json())
    elif not found.problems:
        click.echo(_("The station is well."))
    if found.problems:
        raise UnhealthyError(problems=found.problems)
