"""``sealdock verify`` and ``derive``: what cron runs."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from commands.common import Duration, json_option, open_node, print_json, shown, size
from commands.progress import counting
from config.errors import DerivationFailedError, VerificationFailedError
from config.messages import ngettext

if TYPE_CHECKING:
    from jobs.verifying import Report


@click.command()
@click.option(
    "--level",
    type=click.Choice(["lock", "sample", "full"]),
    default="sample",
    show_default=True,
    help="lock: presence and locks; sample: some random chunks; full: every byte and every seal.",
)
@click.option("--budget", type=Duration(), help="Stop after this long, such as 90s, 10m or 2h.")
@json_option
@click.pass_context
def verify(ctx: click.Context, level: str, budget: timedelta | None, as_json: bool) -> None:
    """Check what the vault holds. What was checked longest ago is checked first.

    Anything wrong is logged, raises an alert and ends in an exit code of its own.

    \b
    Examples:
      sealdock verify --level lock
      sealdock verify --level full --budget 10m --json
    """  # noqa: D301
    from jobs.verifying import verify as run
    from storage.integrity import Level

    with open_node(ctx) as node, counting(quiet=as_json) as show:
        report = run(node, Level(level), budget, show and (lambda so_far: show(*_standing(so_far))))
    if as_json:
        print_json(
            {
                "level": level,
                "checked": report.checked,
                "ok": report.ok,
                "failed": [
                    {
                        "clip": item.clip,
                        "name": item.name,
                        "sha256": item.sha256,
                        "problem": item.problem,
                        "vault": item.vault,
                    }
                    for item in report.failed
                ],
                "remaining": report.remaining,
            }
        )
    else:
        told = ngettext(
            "{checked} clip checked ({level}), {bytes} read, {failed} failed, {remaining} left for next time",
            "{checked} clips checked ({level}), {bytes} read, {failed} failed, "
            "{remaining} left for next time",
            report.checked,
        )
        click.echo(
            told.format(
                checked=report.checked,
                level=level,
                bytes=size(report.bytes_read),
                failed=len(report.failed),
                remaining=report.remaining,
            )
        )
        for item in report.failed:
            click.echo(f"  {item.problem}: {item.clip or '-'} {shown(item.name)} sha256:{item.sha256}")
    if not report.ok:
        if not as_json:
            error = VerificationFailedError(failed=len(report.failed), checked=report.checked)
            click.echo(error.sentence(), err=True)
        ctx.exit(VerificationFailedError.exit_code)
    if report.away is not None:
        raise report.away


def _standing(report: "Report") -> tuple[int, int, str]:
    failed = len(report.failed)
    note = ngettext("{count} failed", "{count} failed", failed).format(count=failed) if failed else ""
    return report.checked, report.total, note


@click.command()
@json_option
@click.pass_context
def derive(ctx: click.Context, as_json: bool) -> None:
    """Make poster frames; look for black or frozen pictures. Only of clips that are safe.

    \b
    Examples:
      sealdock derive
    """  # noqa: D301
    from jobs.deriving import derive_all

    with open_node(ctx) as node:
        done = derive_all(node)
    if as_json:
        print_json({"derived": done.made, "failed": done.failed})
    else:
        told = ngettext(
            "{count} clip looked at for previews.", "{count} clips looked at for previews.", done.made
        )
        click.echo(told.format(count=done.made))
    if done.failed:
        if not as_json:
            click.echo(DerivationFailedError(failed=done.failed).sentence(), err=True)
        ctx.exit(DerivationFailedError.exit_code)
