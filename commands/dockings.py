"""``sealdock dockings``: whether what recorders recorded is complete."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from commands.common import json_option, local, open_node, print_json, shown
from commands.progress import counting
from config.errors import ChainOpenError, RecorderNotFoundError
from config.messages import _, ngettext

if TYPE_CHECKING:
    from datetime import tzinfo

    from jobs.completeness import Looked
    from jobs.node import Node
    from metadata.completeness import Finding
    from metadata.models import Recorder

_LISTED = 10_000
"""As many dockings and findings are in the JSON document; all of them are counted."""


@click.command()
@click.argument("recorder", required=False)
@click.option("--no-seals", is_flag=True, help="Do not check signatures, which takes most of the time.")
@json_option
@click.pass_context
def dockings(ctx: click.Context, recorder: str | None, no_seals: bool, as_json: bool) -> None:
    """Show what is missing in a recorder's chain of dockings. Inventories and close-outs are read.

    Shown are numbers that were never seen, files that are gone from a card, clips that never became safe,
    dockings that were taken out or never closed, documents and seals that do not hold, and clocks that
    contradict each other. Ends with 90 if anything but notes is found.

    RECORDER is an id, a serial, or the start of one: then its dockings are shown one by one.

    \b
    Examples:
      sealdock dockings
      sealdock dockings ABC1234
      sealdock dockings 01JC… --json
    """  # noqa: D301
    with open_node(ctx) as node:
        if recorder is None:
            found = _all(node, seals=not no_seals, as_json=as_json)
        else:
            found = _one(node, _named(node, recorder), seals=not no_seals, as_json=as_json)
    if found:
        if not as_json:
            click.echo(ChainOpenError(open=found).sentence(), err=True)
        ctx.exit(ChainOpenError.exit_code)


def _named(node: "Node", name: str) -> "Recorder":
    """Return the one recorder of a name; raises RecorderNotFoundError."""
    from metadata.repo import chains

    with node.register.read() as session:
        rows = chains.recorders_named(session, name)
    if not rows:
        raise RecorderNotFoundError(recorder=name)
    if len(rows) > 1:
        problem = _("several recorders begin so: {ids}").format(ids=", ".join(row.id for row in rows))
        raise click.BadParameter(problem, param_hint="RECORDER")
    return rows[0]


def _all(node: "Node", *, seals: bool, as_json: bool) -> int:
    """Show every recorder in a line; return how many findings are open."""
    from jobs.completeness import Walk
    from metadata.completeness import Kind
    from metadata.repo import chains, recorders

    with node.register.read() as session:
        rows = recorders.all_recorders(session)
        lost = chains.lost(session)
    told: list[dict[str, Any]] = []
    with counting(quiet=as_json) as show:
        for done, row in enumerate(rows):
            if show is not None:
                show(done, len(rows), "")
            walk = Walk(node, row, seals=seals)
            kinds: Counter[str] = Counter()
            still = 0
            for looked in walk.dockings():
                kinds.update(one.kind.value for one in looked.findings)
                still += sum(one.open for one in looked.findings)
            ends = walk.chain(lost.pop(row.id, []))
            kinds.update(one.kind.value for one in ends)
            still += sum(one.open for one in ends)
            told.append(_row(_recorder(row), len(walk.noted), kinds, still))
    for recorder, missing in lost.items():
        nobody = {"id": recorder, "identity": None, "serial": None, "profile": None}
        told.append(_row(nobody, 0, Counter({Kind.DOCKING_LOST.value: len(missing)}), len(missing)))
    total = sum(int(one["open"]) for one in told)
    if as_json:
        print_json({"ok": total == 0, "open": total, "recorders": told})
        return total
    for one in told:
        count = one["dockings"]
        number = ngettext("{count} docking", "{count} dockings", count).format(count=count)
        who = f"{shown(one['id'])}  {one['profile'] or '-':14} {shown(one['identity'] or '-')}"
        what = ", ".join(f"{kind} {times}" for kind, times in one["kinds"].items())
        click.echo(f"{who}  {number}  {what}".rstrip())
    click.echo(_("{recorders} recorders, {open} findings open").format(recorders=len(told), open=total))
    return total


def _row(recorder: dict[str, Any], count: int, kinds: Counter[str], still: int) -> dict[str, Any]:
    return {
        **recorder,
        "dockings": count,
        "found": kinds.total(),
        "open": still,
        "kinds": dict(sorted(kinds.items())),
    }


def _recorder(row: "Recorder") -> dict[str, Any]:
    return {"id": row.id, "identity": row.identity, "serial": row.serial, "profile": row.profile}


def _one(node: "Node", row: "Recorder", *, seals: bool, as_json: bool) -> int:
    """Show a recorder's chain docking by docking; return how many findings are open."""
    from jobs.completeness import Walk

    zone = node.settings.time_zone
    listed: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    found = still = 0
    walk = Walk(node, row, seals=seals)
    if not as_json:
        click.echo(_("Recorder {id}  {identity}").format(id=row.id, identity=shown(row.identity)))

    def show(some: "list[Finding]", *, of_chain: bool = False) -> None:
        nonlocal found, still
        for one in some:
            found, still = found + 1, still + one.open
            if as_json:
                if len(findings) < _LISTED:
                    findings.append(_finding(one, zone))
            else:
                _print(one, zone, of_chain=of_chain)

    for looked in walk.dockings():
        if not as_json:
            _print_docking(looked, zone)
        elif len(listed) < _LISTED:
            listed.append(_docking(looked))
        show(list(looked.findings))
    show(walk.chain(), of_chain=True)
    if as_json:
        print_json(
            {
                "ok": still == 0,
                "found": found,
                "open": still,
                "recorder": _recorder(row),
                "dockings": listed,
                "findings": findings,
            }
        )
    else:
        told = _("{dockings} dockings, {found} findings: {open} open, {notes} notes")
        numbers = {"dockings": len(walk.noted), "found": found, "open": still, "notes": found - still}
        click.echo(told.format(**numbers))
    return still


def _docking(looked: "Looked") -> dict[str, Any]:
    one = looked.noted
    return {
        "docking": one.id,
        "station": one.station,
        "at": one.at,
        "closed_at": one.closed_at,
        "card": one.card,
        "files": looked.files,
        "new": looked.new,
        "previous": list(looked.previous),
        "inventory": one.inventory,
        "close": one.close,
    }


def _finding(one: "Finding", zone: "tzinfo") -> dict[str, Any]:
    from commands.completeness_texts import todo, told

    return {
        "kind": one.kind.value,
        "severity": one.severity.value,
        "open": one.open,
        "docking": one.docking,
        "facts": dict(one.facts),
        "text": told(one, zone),
        "todo": todo(one),
    }


def _print_docking(looked: "Looked", zone: "tzinfo") -> None:
    one = looked.noted
    files = ngettext("{count} file, {new} new", "{count} files, {new} new", looked.files)
    told = files.format(count=looked.files, new=looked.new)
    click.echo(f"{local(one.at, zone)}  {one.id}  {shown(one.station)}  {told}")


def _print(one: "Finding", zone: "tzinfo", *, of_chain: bool) -> None:
    from commands.completeness_texts import todo, told

    where = f" {shown(one.docking)}" if of_chain else ""
    click.echo(f"  {one.kind.value}{where}: {told(one, zone)}")
    if one.open:
        click.echo(f"    {todo(one)}")
