"""``sealdock rebuild``: a register made anew from the vault."""

import click

from commands.common import build_node, home_of, json_option, settings_of
from commands.progress import counting


@click.command()
@click.option(
    "--from-vault", "from_vault", is_flag=True, required=True, help="Read everything from the vault."
)
@json_option
@click.pass_context
def rebuild(ctx: click.Context, from_vault: bool, as_json: bool) -> None:  # noqa: ARG001 - the option says what is done
    """Make a lost register anew from the vault. Clips, seals, cases, tags, events: all of it.

    The home needs its settings and keys folder back, and no register, or an empty one. Every event is checked
    against the newest signed checkpoint in the vault. `sealdock verify --level full` checks the seals and the
    footage afterwards.

    \b
    Examples:
      sealdock rebuild --from-vault
    """  # noqa: D301
    from commands.ledger import print_replayed
    from jobs.ledger.rebuilding import prepared_rebuild

    node = build_node(home_of(ctx), settings_of(ctx))
    try:
        with counting(quiet=as_json) as bar:
            show = None if bar is None else lambda what, number, total: bar(number, total, what)
            done = prepared_rebuild(node, show)
    finally:
        node.close()
    print_replayed(done, as_json=as_json)
