"""``sealdock dock``: bring in one card and wait until it is safe."""

from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.common import damage, json_option, local, open_node, print_json, shown, size
from commands.progress import offloading
from commands.words import OfficerNumber
from config.errors import DockingIncompleteError, DockingUnfinishedError, SealdockError
from config.messages import Phrase, _, mark, ngettext

if TYPE_CHECKING:
    from jobs.following import Followed, Known
    from metadata.repo.clips import ClipRecord


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--officer",
    metavar="ID",
    type=OfficerNumber(),
    help="Officer number of whoever carried the recorder (a claim).",
)
@click.option(
    "--reread", is_flag=True, help="Read clips that are safe already once more, on the card and in the vault."
)
@json_option
@click.pass_context
def dock(ctx: click.Context, source: Path, officer: str | None, reread: bool, as_json: bool) -> None:
    """Bring every file of SOURCE into the vault, with proof.

    SOURCE is the folder where the card is mounted. It is only read, never written. The command ends
    when every clip is confirmed, or when nothing moves any more; then its exit code says so, and
    work that can go on by itself goes on at the next start.

    \b
    Examples:
      sealdock dock /media/recorder
      sealdock dock /media/recorder --officer 012345 --json
    """  # noqa: D301
    with open_node(ctx) as node, offloading(quiet=as_json) as show:
        node.probers().start_ahead()
        from jobs.following import Request, follow  # takes long to import: meanwhile the prober starts

        ended = follow(node, Request(source.absolute(), officer, reread), show)
    _print(ended, node.settings.time_zone, as_json=as_json)
    if not ended.ok:
        raise _incomplete(ended)


def _print(ended: "Followed", zone: tzinfo, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "docking": ended.docking,
                "recorder": ended.recorder,
                "clips": [_record(record, ended) for record in ended.clips],
                "skipped": ended.skipped,
                "restored": [{"clip": clip, "problem": was} for clip, was in ended.restored.items()],
                "clock_plausible": ended.clock_plausible,
                "close": ended.close_digest,
                "ok": ended.ok,
            }
        )
        return
    _receipt(ended, zone)


def _record(record: "ClipRecord", ended: "Followed") -> dict[str, Any]:
    """Return a clip's record; ``reason`` also says what the vault lacks, and why it was not begun."""
    return {**record.to_json(), "reason": ended.unsafe.get(record.id) or _reason(record, ended)}


def _reason(record: "ClipRecord", ended: "Followed") -> str | None:
    """Return why a clip is not safe; one that was not begun waits for what the others wait for."""
    return record.reason or (ended.held_up if record.state == "found" else None)


def _incomplete(ended: "Followed") -> SealdockError:
    """Return what the exit code and, with --json, standard error say of a docking that is not safe."""
    if ended.unsafe:
        error = DockingIncompleteError(docking=ended.docking, unsafe=len(ended.unsafe))
        error.retriable = ended.unfinished  # then all of them wait for a disk or a vault
        return error
    problem: object = Phrase(mark("by now the vault does"))
    if ended.vault_problem is not None:
        problem = ended.vault_problem.facts.get("problem", ended.vault_problem.code)
    return DockingUnfinishedError(docking=ended.docking, problem=problem)


def _receipt(ended: "Followed", zone: tzinfo) -> None:
    """Print what an officer takes away: what came in, whether it is safe, and the close-out's digest."""
    count = len(ended.clips)
    total = size(sum(record.size for record in ended.clips))
    clips = ngettext("{count} clip", "{count} clips", count).format(count=count)
    click.echo(
        _("Docking {docking}, recorder {recorder} (claimed)").format(
            docking=ended.docking, recorder=shown(ended.identity)
        )
    )
    click.echo(_("{at}  {clips}, {size}").format(at=local(ended.started_at, zone), clips=clips, size=total))
    if not ended.clock_plausible:
        click.echo(_("CLOCK: this time cannot be right; set the clock and see `sealdock clock`"))
    for record in ended.clips:
        _print_exception(record, ended)
    for item in ended.skipped:
        click.echo(
            _("  not a file, not read: {path} ({what})").format(
                path=shown(item["path"]), what=_what(item["what"])
            )
        )
    if ended.vault_problem is not None:
        click.echo(_("Vault: {problem}").format(problem=ended.vault_problem.explain().happened))
    _print_known(ended.known)
    if ended.close_digest:
        click.echo(_("Close-out {digest}").format(digest=ended.close_digest))
    if ended.ok:
        click.echo(_safe(ended))


def _print_exception(record: "ClipRecord", ended: "Followed") -> None:
    """Print a line for a clip that is not safe, not whole, or had to be put right in the vault."""
    path = shown(record.path)
    if record.id in ended.unsafe:
        problem = ended.unsafe[record.id]
        state = _("NOT SAFE in the vault") if problem else record.state
        click.echo(f"  {state}: {path}  {problem or _reason(record, ended) or ''}".rstrip())
    elif (condition := damage(record)) is not None:
        click.echo(_("  kept, but {condition}: {path}").format(condition=condition, path=path))
    if record.id in ended.restored and record.id not in ended.unsafe:
        was = ended.restored[record.id]
        click.echo(
            _("  put right in the vault: {path} (found there: {problem})").format(path=path, problem=was)
        )


def _what(said: str) -> str:
    """Return what an inventory says of something that is no file, as people read it."""
    kind, colon, problem = said.partition(": ")
    return f"{_(kind)}{colon}{problem}"


def _print_known(known: "Known") -> None:
    """Print what was done with clips that were safe already."""
    if count := len(known.not_read):
        click.echo(
            ngettext(
                "{count} clip was safe from an earlier docking and was not read again.",
                "{count} clips were safe from an earlier docking and were not read again.",
                count,
            ).format(count=count)
        )
    if count := len(known.reread):
        click.echo(
            ngettext(
                "{count} clip was safe from an earlier docking; the card gave the same bytes again.",
                "{count} clips were safe from an earlier docking; the card gave the same bytes again.",
                count,
            ).format(count=count)
        )
    if count := len(known.not_reread):
        click.echo(
            ngettext(
                "{count} clip was safe from an earlier docking and could not be read again on the card.",
                "{count} clips were safe from an earlier docking and could not be read again on the card.",
                count,
            ).format(count=count)
        )


def _safe(ended: "Followed") -> str:
    if not ended.clips:
        return _("No file was found. If there should be footage, look whether the card is mounted.")
    by_checksum = {record.id for record in ended.clips if record.confirmation == "checksum"}
    known = ended.known
    before = (known.not_read | known.reread | known.not_reread) - by_checksum
    if known.vault_read:
        before = frozenset()
    if not before and not by_checksum:
        return _("SAFE: every clip is stored, locked and read back. The recorder may be undocked.")
    told = [_("SAFE: every clip is stored and locked. The recorder may be undocked.")]
    if by_checksum:
        count = _("Confirmed by the store's checksum and not read back: {count}.")
        told.append(count.format(count=len(by_checksum)))
    if before:
        told.append(_("Read back when first docked, not now: {count}.").format(count=len(before)))
    # Chinese full stops carry their own space.
    return "".join(part if part.endswith("。") else part + " " for part in told).rstrip()
