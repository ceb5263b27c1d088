"""``sealdock hold``: legal holds on clips."""

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import click

from commands.common import json_option, local, open_node, print_json, shown
from config.messages import _, ngettext

if TYPE_CHECKING:
    from metadata.repo.clips import ClipRecord

MAX_REASON = 1000
_clips = click.argument("clips", metavar="[CLIP...]", nargs=-1)
_case = click.option("--case", "case", metavar="N", help="The case that asks for it; alone: all its clips.")
_reason = click.option("--reason", metavar="TEXT", required=True, help="Why; it is logged.")


@click.group()
def hold() -> None:
    """Keep clips whatever their retention says. A hold keeps them until it is lifted."""


@hold.command("set")
@_clips
@_case
@_reason
@json_option
@click.pass_context
def hold_set(
    ctx: click.Context, clips: tuple[str, ...], case: str | None, reason: str, as_json: bool
) -> None:
    """Hold clips until the hold is lifted. Neither they nor their seals may go before.

    In a bucket that is a legal hold on the exact versions; the credential needs the right to set it, which
    a station's need not have. With --case alone all clips are held that are in the case now.

    \b
    Examples:
      sealdock hold set 3fa94c10 --reason "complaint of 2 March"
      sealdock hold set --case "苏吴城管罚字〔2026〕第25号" --reason "appeal"
    """  # noqa: D301
    from jobs.holding import hold as run

    with open_node(ctx) as node:
        records = run(node, *_asked(clips, case, reason))
    _print(records, as_json=as_json)


@hold.command("release")
@_clips
@_case
@_reason
@json_option
@click.pass_context
def hold_release(
    ctx: click.Context, clips: tuple[str, ...], case: str | None, reason: str, as_json: bool
) -> None:
    """Lift the hold for a case, or the one for none, from clips. Other holds on them stay.

    The vault lets go of an object when no clip that shares it is held any more.

    \b
    Examples:
      sealdock hold release 3fa94c10 --reason "complaint withdrawn"
      sealdock hold release --case "苏吴城管罚字〔2026〕第25号" --reason "appeal decided"
    """  # noqa: D301
    from jobs.holding import release as run

    with open_node(ctx) as node:
        records = run(node, *_asked(clips, case, reason))
    _print(records, as_json=as_json)


@hold.command("list")
@click.option("--case", "case", metavar="N", help="Only holds for this case.")
@json_option
@click.pass_context
def hold_list(ctx: click.Context, case: str | None, as_json: bool) -> None:
    """List the holds that stand, and whether the vault knows them.

    \b
    Examples:
      sealdock hold list
    """  # noqa: D301
    from jobs.holding import listed

    with open_node(ctx) as node:
        zone: tzinfo = node.settings.time_zone
        found = listed(node, case)
    if as_json:
        print_json(
            [
                {
                    "clip": item.hold.clip,
                    "path": item.hold.path,
                    "sha256": item.hold.sha256,
                    "case": item.hold.case,
                    "reason": item.hold.reason,
                    "actor": item.hold.actor,
                    "at": item.hold.at,
                    "in_vault": item.in_vault,
                }
                for item in found
            ]
        )
        return
    if not found:
        click.echo(_("No holds."))
    for item in found:
        note = "" if item.in_vault else _("NOT held in the vault yet")
        about = f"{item.hold.case or '-'}  {shown(item.hold.reason)}  {note}"
        click.echo(f"{item.hold.clip}  {local(item.hold.at, zone)}  {about}".rstrip())


def _asked(clips: tuple[str, ...], case: str | None, reason: str) -> tuple[tuple[str, ...], str | None, str]:
    if not clips and case is None:
        raise click.UsageError(_("Name clips, or a case."))
    if not (0 < len(reason.strip()) <= MAX_REASON and reason.isprintable()):
        raise click.BadParameter(f"1 to {MAX_REASON} printable characters", param_hint="--reason")
    return clips, case, reason.strip()


def _print(records: "list[ClipRecord]", *, as_json: bool) -> None:
    if as_json:
        found: list[dict[str, Any]] = [record.to_json() for record in records]
        print_json(found)
        return
    for record in records:
        standing = _("held") if record.held else _("not held")
        click.echo(f"{record.id}  {standing}  {shown(record.path)}")
    count = len(records)
    click.echo(ngettext("{count} clip", "{count} clips", count).format(count=count))
