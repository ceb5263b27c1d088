"""``sealdock ledger``: the log of custody events, its proofs and its publication."""

import json
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import click

from commands.common import json_option, local, open_node, print_json, shown
from commands.progress import counting
from config.errors import LedgerCheckFailedError, LedgerKeyMissingError, SealdockError
from config.messages import _, mark, ngettext

if TYPE_CHECKING:
    from jobs.ledger.checking import Checked, Difference

WHAT = {
    "event-edited": mark("event edited"),
    "event-missing": mark("event removed"),
    "node-edited": mark("inner hash edited"),
    "row-edited": mark("row edited"),
    "row-removed": mark("row removed"),
    "bundle-missing": mark("missing in the vault"),
    "row-added": mark("row added"),
    "document-edited": mark("document edited"),
    "results-edited": mark("results of an integrity run edited"),
    "history-rewritten": mark("history rewritten before this checkpoint"),
    "checkpoint-foreign": mark("not signed by this log"),
    "behind": mark("the register has fewer events than this checkpoint"),
}
"""What a difference is called, by its word in the JSON document."""


@click.group()
def ledger() -> None:
    """Show, prove, publish and check the log of custody events."""


@ledger.command()
@click.option("--last", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many events.")
@click.option("--clip", metavar="CLIP", help="Only events of this clip, by id or start of its digest.")
@click.option("--kind", metavar="KIND", help="Only events of this kind.")
@json_option
@click.pass_context
def show(ctx: click.Context, last: int, clip: str | None, kind: str | None, as_json: bool) -> None:
    """Show the log's head, who holds it, and its last events.

    \b
    Examples:
      sealdock ledger show
      sealdock ledger show --clip 3fa94c10 --last 100 --json
    """  # noqa: D301
    from jobs.ledger.overview import overview

    with open_node(ctx) as node:
        zone: tzinfo = node.settings.time_zone
        found = overview(node, last, clip, kind)
    if as_json:
        print_json(
            {
                "origin": found.origin,
                "size": found.size,
                "root": found.root.hex(),
                "checkpoint": found.checkpoint,
                "unchecked_since": found.unchecked_since,
                "holders": [item.to_json() for item in found.holders],
                "events": [event for _number, event in found.events],
            }
        )
        return
    click.echo(
        _("Log {origin}: {size} events, root {root}").format(
            origin=found.origin, size=found.size, root=found.root.hex()
        )
    )
    if found.checkpoint is not None:
        click.echo(_("Last checkpoint: {size} events").format(size=found.checkpoint))
    for item in found.holders:
        name = shown(item.name)
        if item.answered_at is None:
            click.echo("  " + _("{holder}: never answered").format(holder=name))
            continue
        text = _("{holder}: holds {size} events, asked {time}")
        click.echo("  " + text.format(holder=name, size=item.size, time=local(item.answered_at, zone)))
    if found.unchecked_since is not None:
        click.echo(
            _("UNCHECKED since {time}: nobody else could be asked.").format(
                time=local(found.unchecked_since, zone)
            )
        )
    for number, event in found.events:
        about = event["clip"] or event["docking"] or event["subject"]
        click.echo(f"{number:>8}  {event['at']}  {event['kind']:18}  {shown(about)}")


@ledger.command()
@click.argument("event", type=click.IntRange(0))
@click.pass_context
def prove(ctx: click.Context, event: int) -> None:
    """Print an event with the proof that it is in the log. It is JSON, under the newest checkpoint.

    Whoever gets it checks it without sealdock: docs/formats.md says how.

    \b
    Examples:
      sealdock ledger prove 17
    """  # noqa: D301
    from jobs.ledger.proving import prove as run

    with open_node(ctx) as node:
        found = run(node, event)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


@ledger.command()
@click.pass_context
def checkpoint(ctx: click.Context) -> None:
    """Print the newest signed checkpoint. It is a C2SP note, with the lines of the witnesses.

    Signs the log as it is now, if this home has the log's key.

    \b
    Examples:
      sealdock ledger checkpoint
    """  # noqa: D301
    from jobs.ledger.overview import newest_note

    with open_node(ctx) as node:
        click.echo(newest_note(node), nl=False)


@ledger.command()
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Compare register, log and signed checkpoints. Every row and every event is looked at.

    Names rows that were edited, removed or added behind sealdock's back, events likewise, and a history that
    was rewritten since a vault or a witness saw it. Ends with 103 if anything differs.

    \b
    Examples:
      sealdock ledger check
      sealdock ledger check --json
    """  # noqa: D301
    from jobs.ledger.checking import check as run

    with open_node(ctx) as node, counting(quiet=as_json) as bar:
        node.register.guard = None  # nothing is appended
        done = run(node, None if bar is None else lambda number, total: bar(number, total, ""))
    if as_json:
        print_json(_report(done))
    else:
        _print(done)
    if done.found:
        if not as_json:
            click.echo(LedgerCheckFailedError(count=done.found).sentence(), err=True)
        ctx.exit(LedgerCheckFailedError.exit_code)


def _report(done: "Checked") -> dict[str, Any]:
    return {
        "ok": done.found == 0,
        "events": done.events,
        "rows": done.rows,
        "root": done.root.hex(),
        "holders": done.holders,
        "held_up_to": done.witnessed,
        "silent": done.silent,
        "found": done.found,
        "differences": [
            {
                "what": item.what,
                "table": item.table,
                "key": item.key,
                "event": item.event,
                "columns": list(item.columns),
                "clip": item.clip,
            }
            for item in done.differences
        ],
    }


def _print(done: "Checked") -> None:
    for item in done.differences:
        click.echo(_line(item))
    told = _("{events} events and {rows} rows checked: {found} differences")
    click.echo(told.format(events=done.events, rows=done.rows, found=done.found))
    outside = {name: size for name, size in done.holders.items() if name != "register"}
    for name, size in outside.items():
        click.echo(
            _("{holder} holds a checkpoint of {size} events of this history").format(
                holder=shown(name), size=size
            )
        )
    if not outside:
        click.echo(_("Nobody else holds a checkpoint: a history rewritten as a whole would not show."))
    elif done.witnessed < done.events:
        click.echo(_("Events from {first} on are held by nobody else yet.").format(first=done.witnessed))
    for name in done.silent:
        click.echo(_("{holder} did not answer").format(holder=shown(name)))


def _line(item: "Difference") -> str:
    parts = [_(WHAT[item.what]), " ".join(filter(None, (item.table, item.key)))]
    if item.columns:
        parts.append(", ".join(item.columns))
    if item.event is not None:
        parts.append(_("event {number}").format(number=item.event))
    if item.clip is not None and item.clip != item.key:
        parts.append(_("clip {clip}").format(clip=item.clip))
    return shown("  ".join(parts))


@ledger.command()
@json_option
@click.pass_context
def publish(ctx: click.Context, as_json: bool) -> None:
    """Sign the log, and bring what is new of it out. Vaults and witnesses get it. For cron.

    Every docking ends with it, too. A vault that does not answer gets it the next time: then this ends with
    that vault's exit code.

    \b
    Examples:
      sealdock ledger publish
    """  # noqa: D301
    from jobs.ledger.publishing import publish as run

    with open_node(ctx) as node:
        done = run(node)
        if done is None:
            raise LedgerKeyMissingError(origin=node.log.origin)
    failed: SealdockError | None = next(iter(done.failed.values()), None)
    if as_json:
        print_json(
            {
                "ok": failed is None,
                "size": done.size,
                "holders": done.holders,
                "failed": {name: error.code for name, error in done.failed.items()},
                "silent": done.silent,
            }
        )
    else:
        count = done.size
        click.echo(
            ngettext("Checkpoint of {count} event", "Checkpoint of {count} events", count).format(count=count)
        )
        for name, size in done.holders.items():
            click.echo("  " + _("{holder}: {size} events").format(holder=shown(name), size=size))
        for name, why in done.silent.items():
            problem = _("{holder}: {problem}").format(holder=shown(name), problem=shown(why))
            click.echo(f"  {problem}", err=True)
        for name, error in done.failed.items():
            click.echo(
                "  " + _("{holder}: {problem}").format(holder=shown(name), problem=error.sentence()), err=True
            )
    if failed is not None:
        ctx.exit(failed.exit_code)


@ledger.command("catch-up")
@json_option
@click.pass_context
def catch_up(ctx: click.Context, as_json: bool) -> None:
    """Replay from the vault what an old register lacks. It was restored from a backup.

    Every event is checked against the newest checkpoint in the vault before anything is written.

    \b
    Examples:
      sealdock ledger catch-up
    """  # noqa: D301
    from jobs.ledger.replaying import catch_up as run

    with open_node(ctx) as node, counting(quiet=as_json) as bar:
        node.register.guard = None  # what it would refuse is what this mends
        done = run(node, None if bar is None else lambda what, number, total: bar(number, total, what))
    print_replayed(done, as_json=as_json)


def print_replayed(done: Any, *, as_json: bool) -> None:
    """Print what was replayed."""
    if as_json:
        print_json(
            {"first": done.first, "size": done.size, "rows": dict(done.rows), "missing": list(done.missing)}
        )
        return
    count = done.size - done.first
    click.echo(ngettext("{count} event replayed", "{count} events replayed", count).format(count=count))
    for table, number in done.rows.items():
        click.echo(f"  {table}: {number}")
    for key in done.missing:
        click.echo(_("Not in the vault: {key}").format(key=shown(key)))
