"""``sealdock clips``, ``tag``, ``link`` and ``retrieve``."""

from datetime import datetime
from pathlib import Path

import click

from commands.common import (
    Moment,
    aware,
    json_option,
    open_node,
    print_clips,
    print_json,
    shown,
    size,
)
from commands.progress import counting
from commands.words import OfficerNumber
from config.errors import DockingNotFoundError, RetrievalIncompleteError
from config.messages import _, ngettext

_STATES = (
    "found",
    "offloaded",
    "sealed",
    "stored",
    "confirmed",
    "released",
    "missing_at_unplug",
    "quarantined",
    "waiting",
)


@click.command()
@click.option("--case", "case", metavar="N", help="Clips of this case.")
@click.option("--officer", metavar="ID", type=OfficerNumber(), help="Clips of this officer.")
@click.option("--recorder", metavar="ID", help="Clips of this recorder, by id, identity or serial number.")
@click.option("--since", type=Moment(), help="Recorded at or after this time.")
@click.option("--until", type=Moment(), help="Recorded before this time.")
@click.option("--category", metavar="C", help="Clips with this category.")
@click.option("--unlinked", is_flag=True, help="Clips of no case.")
@click.option("--ambiguous", is_flag=True, help="Clips that several cases might claim: the work list.")
@click.option("--state", type=click.Choice(_STATES), help="Clips in this state.")
@click.option("--docking", metavar="ID", help="Clips seen in this docking.")
@click.option(
    "--text", metavar="WORDS", help="Part of the path, or the first 6 or more characters of a digest."
)
@json_option
@click.pass_context
def clips(
    ctx: click.Context,
    case: str | None,
    officer: str | None,
    recorder: str | None,
    since: datetime | None,
    until: datetime | None,
    category: str | None,
    unlinked: bool,
    ambiguous: bool,
    state: str | None,
    docking: str | None,
    text: str | None,
    as_json: bool,
) -> None:
    """Find clips; every filter given must hold.

    A case, recorder, docking or category that there is not is an error. A clip against which a finding of
    `verify` stands is marked.

    \b
    Examples:
      sealdock clips --unlinked
      sealdock clips --officer 012345 --since 2026-03-01 --until 2026-03-02
      sealdock clips --case "苏吴城管罚字〔2026〕第25号" --json
    """  # noqa: D301
    from metadata.repo import cases, dockings, recorders
    from metadata.repo import clips as repo
    from metadata.states import ClipState

    with open_node(ctx) as node, node.register.read() as session:
        zone = node.settings.time_zone
        start = None if since is None else aware(since, zone)
        end = None if until is None else aware(until, zone)
        if start is not None and end is not None and end <= start:
            raise click.UsageError(_("--until is not after --since."))
        if docking is not None and not dockings.is_known(session, docking):
            raise DockingNotFoundError(docking=docking)
        if category is not None and not repo.is_used(session, category):
            node.schedule.category(category)
        wanted = repo.ClipFilter(
            case=None if case is None else cases.get(session, case).number,
            officer=officer,
            recorder=None if recorder is None else recorders.get(session, recorder).id,
            since=start,
            until=end,
            category=category,
            unlinked=unlinked,
            ambiguous=ambiguous,
            state=None if state is None else ClipState(state),
            docking=docking,
            text=text,
        )
        records = repo.records(session, repo.find(session, wanted))
        unknown = officer is not None and not recorders.is_officer(session, officer)
    if unknown and not as_json:
        click.echo(_("No officer {officer} is known.").format(officer=shown(officer)), err=True)
    if as_json:
        print_json([record.to_json() for record in records])
    else:
        print_clips(records, node.settings.time_zone)


@click.command()
@click.argument("clips", metavar="CLIP...", nargs=-1, required=True)
@click.option(
    "--category",
    metavar="C",
    required=True,
    help="A category of the retention schedule; `sealdock config categories` lists them.",
)
@json_option
@click.pass_context
def tag(ctx: click.Context, clips: tuple[str, ...], category: str, as_json: bool) -> None:
    """Give clips a category. The longest category decides how long they are kept.

    CLIP is a clip's id or the start of its digest.

    \b
    Examples:
      sealdock tag 3fa94c10 --category case-evidence
    """  # noqa: D301
    from jobs.custody import tag as run
    from metadata.repo import clips as repo

    with open_node(ctx) as node:
        ids = [clip.id for clip in run(node, clips, category)]
        with node.register.read() as session:
            records = repo.records(session, [repo.resolve(session, clip_id) for clip_id in ids])
    if as_json:
        print_json([record.to_json() for record in records])
    else:
        print_clips(records, node.settings.time_zone)


@click.command()
@click.argument("clips", metavar="CLIP...", nargs=-1, required=True)
@click.option("--case", "case", metavar="N", required=True, help="The case they belong to.")
@click.option("--move", is_flag=True, help="Take them out of the case they are in now; both are logged.")
@json_option
@click.pass_context
def link(ctx: click.Context, clips: tuple[str, ...], case: str, move: bool, as_json: bool) -> None:
    """Make clips belong to a case. Their locks are extended where the case asks for longer.

    \b
    Examples:
      sealdock link 3fa94c10 --case "苏吴城管罚字〔2026〕第25号"
    """  # noqa: D301
    from jobs.custody import link as run
    from metadata.repo import clips as repo

    with open_node(ctx) as node:
        ids = [clip.id for clip in run(node, clips, case, move=move)]
        with node.register.read() as session:
            records = repo.records(session, [repo.resolve(session, clip_id) for clip_id in ids])
    if as_json:
        print_json([record.to_json() for record in records])
    else:
        print_clips(records, node.settings.time_zone)


@click.command()
@click.argument("clips", metavar="[CLIP...]", nargs=-1)
@click.option("--case", "case", metavar="N", help="Every clip of this case.")
@click.option("--purpose", metavar="TEXT", required=True, help="Why; it is logged with every clip.")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder."
)
@json_option
@click.pass_context
def retrieve(
    ctx: click.Context, clips: tuple[str, ...], case: str | None, purpose: str, folder: Path, as_json: bool
) -> None:
    """Copy clips out of the vault, with proof. Manifest and seal are put beside each.

    \b
    Examples:
      sealdock retrieve 3fa94c10 --purpose "hearing of 12 March" --to out
      sealdock retrieve --case "苏吴城管罚字〔2026〕第25号" --purpose "case review" --to out
    """  # noqa: D301
    from jobs.retrieving import retrieve as run
    from jobs.retrieving import wanted

    if bool(clips) == (case is not None):
        raise click.UsageError(_("Name clips, or a case with --case; not both."))
    if not purpose.strip():
        raise click.BadParameter(_("say why"), param_hint="--purpose")
    with open_node(ctx) as node, counting(quiet=as_json) as show:
        handed = run(node, wanted(node, clips, case), purpose.strip(), folder, show)
    if as_json:
        print_json(
            [
                {
                    "id": item.clip.id,
                    "sha256": item.clip.sha256,
                    "size": item.bytes,
                    "file": str(item.file),
                    "vault": item.vault,
                }
                for item in handed.given
            ]
        )
    else:
        for item in handed.given:
            place = "" if item.vault == "main" else "  " + _("(from the second vault)")
            click.echo(f"{item.clip.id}  {size(item.bytes):>9}  {shown(item.file)}{place}")
        count = len(handed.given)
        told = ngettext("{count} clip retrieved and logged.", "{count} clips retrieved and logged.", count)
        click.echo(told.format(count=count))
    if handed.refused:
        refused = [f"{clip.id} {shown(clip.name)} ({reason})" for clip, reason in handed.refused]
        raise RetrievalIncompleteError(refused=refused, given=len(handed.given))
