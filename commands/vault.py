"""``sealdock vault``: the vault itself."""

from typing import TYPE_CHECKING

import click

from commands.common import json_option, print_json, settings_of
from config.messages import _, mark

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
    below "preflight/" in the vault. What dock needs and the store does not do ends in an exit code;
    the rest is a warning. Use a credential that may delete: one that may not proves no refusal.

    \b
    Examples:
      sealdock vault preflight
      sealdock vault preflight --json
    """  # noqa: D301
    from config.errors import InvalidSettingError, VaultWithoutLockError
    from config.messages import Phrase
    from storage.s3.preflight import Outcome
    from storage.s3.preflight import preflight as run
    from storage.s3.vault import S3Vault

    settings = settings_of(ctx)
    if not settings.vault_url.startswith("s3:"):
        problem = Phrase(mark("preflight tries a vault in a bucket"))
        raise InvalidSettingError(key="vault.url", problem=problem)
    opened = S3Vault(settings.vault_url, state=settings.uploads_path, credentials=settings.vault_credentials)
    found = []
    try:
        for check in run(opened):
            found.append(check)
            if not as_json:
                click.echo(_line(check))
    finally:
        opened.close()
    failed = [check.name for check in found if check.required and check.outcome is Outcome.NO]
    if as_json:
        print_json(
            {
                "vault": opened.url,
                "ok": not failed,
                "checks": [
                    {"name": check.name, "outcome": check.outcome.value, "required": check.required}
                    for check in found
                ],
            }
        )
    if failed:
        raise VaultWithoutLockError(vault=opened.url, problem=", ".join(failed))


def _line(check: "Check") -> str:
    words = {
        ("yes", True): _("yes"),
        ("yes", False): _("yes"),
        ("no", True): _("NO"),
        ("no", False): _("no (warning)"),
        ("untried", True): _("not proved: this credential may not delete, or a default retention locks"),
    }
    return f"{check.name:28}  {_(check.title)}: {words[check.outcome.value, check.required]}"
