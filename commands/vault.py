"""``sealdock vault``: the vault itself."""

from typing import TYPE_CHECKING

import click

from commands.common import json_option, open_node, print_json
from config.messages import _, mark, ngettext

if TYPE_CHECKING:
    from storage.s3.preflight import Check


@click.group()
def vault() -> None:
    """Try what a vault can do."""


@vault.command()
@json_option
@click.pass_context
def preflight(ctx: click.Context, as_json: bool) -> None:
    """Prove with throw-away objects what the store of a bucket honours.

    The objects are locked for 20 seconds (or as long as the bucket's default retention is) and stay
    below "preflight/" in the vault until a later run finds their locks over and removes them. What dock
    needs and the store does not do ends in an exit code; the rest is a warning. Use a credential that
    may delete: one that may not proves no refusal. dock works with a bucket only after this has passed.

    \b
    Examples:
      sealdock vault preflight
      sealdock vault preflight --json
    """  # noqa: D301
    from config.errors import InvalidSettingError, VaultWithoutLockError
    from config.messages import Phrase
    from jobs.proving import remember
    from storage.s3.preflight import preflight as run
    from storage.s3.preflight import remove_leftovers
    from storage.s3.vault import S3Vault

    with open_node(ctx) as node:
        if not isinstance(node.vault, S3Vault):
            problem = Phrase(mark("preflight tries a vault in a bucket"))
            raise InvalidSettingError(key="vault.url", problem=problem)
        found = []
        for check in run(node.vault):
            found.append(check)
            if not as_json:
                click.echo(_line(check))
        failed = remember(node, found)
        removed = 0 if failed else remove_leftovers(node.vault)
    if as_json:
        print_json(
            {
                "vault": node.vault.url,
                "ok": not failed,
                "checks": [
                    {"name": check.name, "outcome": check.outcome.value, "required": check.required}
                    for check in found
                ],
                "removed": removed,
            }
        )
    elif removed:
        told = ngettext(
            "{count} object of earlier runs removed.", "{count} objects of earlier runs removed.", removed
        )
        click.echo(told.format(count=removed))
    if failed:
        raise VaultWithoutLockError(vault=node.vault.url, problem=", ".join(failed))


def _line(check: "Check") -> str:
    words = {
        ("yes", True): _("yes"),
        ("yes", False): _("yes"),
        ("no", True): _("NO"),
        ("no", False): _("no (warning)"),
        ("untried", True): _("not proved: this credential may not delete, or a default retention locks"),
    }
    return f"{check.name:28}  {_(check.title)}: {words[check.outcome.value, check.required]}"
