"""``sealdock case``: cases and the times officers worked on them."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.common import Moment, aware, json_option, local, open_node, print_clips, print_json, shown
from commands.progress import counting
from commands.words import OfficerNumber
from config import messages
from config.messages import _, ngettext

if TYPE_CHECKING:
    from jobs.cases import ImportTally, WindowRow
    from jobs.node import Node


@click.group()
def case() -> None:
    """Add, list, show and import cases."""


@case.command("add")
@click.argument("number")
@click.option("--title", help="What the case is about.")
@click.option(
    "--officer", metavar="ID", type=OfficerNumber(), help="An officer who works on it, with --from and --to."
)
@click.option("--from", "start", type=Moment(), help="From when.")
@click.option("--to", "end", type=Moment(), help="Until when.")
@json_option
@click.pass_context
def case_add(
    ctx: click.Context,
    number: str,
    title: str | None,
    officer: str | None,
    start: datetime | None,
    end: datetime | None,
    as_json: bool,
) -> None:
    """Add a case; clips of its officer and time are linked to it.

    \b
    Examples:
      sealdock case add "苏吴城管罚字〔2026〕第25号" --title "Stall without a permit"
      sealdock case add 2026-26 --officer 012345 --from 2026-03-01T09:00 --to 2026-03-01T11:00
    """  # noqa: D301
    from jobs.cases import InputError, add_case, make_title

    if len({given is None for given in (officer, start, end)}) > 1:
        raise click.UsageError(_("--officer, --from and --to go together."))
    try:
        title = make_title(title)
    except InputError as error:
        raise click.BadParameter(error.phrase.show(messages.current()), param_hint="--title") from error
    with open_node(ctx) as node:
        window = _window(node, officer, start, end) if officer and start and end else None
        added, tally = add_case(node, number, title, window)
    if as_json:
        print_json({"case": added.number, "linked": tally.linked, "ambiguous": tally.ambiguous})
    else:
        click.echo(
            _("Case {number} added; {linking}").format(
                number=shown(added.number), linking=_linking(tally.linked, tally.ambiguous)
            )
        )


def _linking(linked: int, ambiguous: int) -> str:
    """Say what became of clips that fall into new windows."""
    told = ngettext(
        "{count} clip linked, {rest} to decide.", "{count} clips linked, {rest} to decide.", linked
    )
    return told.format(count=linked, rest=ambiguous)


@case.command("window")
@click.argument("number")
@click.option(
    "--officer", metavar="ID", type=OfficerNumber(), required=True, help="An officer who works on it."
)
@click.option("--from", "start", type=Moment(), required=True, help="From when.")
@click.option("--to", "end", type=Moment(), required=True, help="Until when.")
@json_option
@click.pass_context
def case_window(
    ctx: click.Context, number: str, officer: str, start: datetime, end: datetime, as_json: bool
) -> None:
    """Say when an officer works on a case that stands. Clips of that time are linked to it.

    \b
    Examples:
      sealdock case window 2026-26 --officer 012345 --from 2026-03-02T09:00 --to 2026-03-02T11:00
    """  # noqa: D301
    from jobs.cases import add_window

    with open_node(ctx) as node:
        tally = add_window(node, number, _window(node, officer, start, end))
    if as_json:
        print_json({"linked": tally.linked, "ambiguous": tally.ambiguous})
    else:
        click.echo(_linking(tally.linked, tally.ambiguous))


def _window(node: "Node", officer: str, start: datetime, end: datetime) -> "WindowRow":
    """Make a window of times that may lack a zone; an impossible one is wrong usage."""
    from jobs.cases import InputError, make_window

    zone = node.settings.time_zone
    try:
        return make_window(officer, aware(start, zone), aware(end, zone))
    except InputError as error:
        raise click.UsageError(error.phrase.show(messages.current())) from error


@case.command("list")
@json_option
@click.pass_context
def case_list(ctx: click.Context, as_json: bool) -> None:
    """List cases with the number of clips that belong to each.

    \b
    Examples:
      sealdock case list
      sealdock case list --json
    """  # noqa: D301
    from metadata.repo import cases

    with open_node(ctx) as node, node.register.read() as session:
        rows = [(row.number, row.title, count) for row, count in cases.all_cases(session)]
    if as_json:
        print_json([{"case": number, "title": title, "clips": count} for number, title, count in rows])
        return
    for number, title, count in rows:
        click.echo(f"{number}  {count:5}  {shown(title or '')}".rstrip())


@case.command("show")
@click.argument("number")
@json_option
@click.pass_context
def case_show(ctx: click.Context, number: str, as_json: bool) -> None:
    """Show a case: its windows and its clips.

    \b
    Examples:
      sealdock case show "苏吴城管罚字〔2026〕第25号"
    """  # noqa: D301
    from metadata.repo import cases, clips
    from metadata.repo.clips import ClipFilter

    with open_node(ctx) as node, node.register.read() as session:
        zone = node.settings.time_zone
        found = cases.get(session, number)
        windows = cases.windows_of(session, found.id)
        records = clips.records(session, clips.find(session, ClipFilter(case=found.number)))
    if as_json:
        print_json(
            {
                "case": found.number,
                "as_written": found.number_as_written,
                "title": found.title,
                "windows": [
                    {
                        "officer": row.officer_id,
                        "from": row.starts_at,
                        "to": row.ends_at,
                    }
                    for row in windows
                ],
                "clips": [record.to_json() for record in records],
            }
        )
        return
    click.echo(f"{found.number}  {shown(found.title or '')}".rstrip())
    for row in windows:
        click.echo(f"  {row.officer_id}  {local(row.starts_at, zone)} - {local(row.ends_at, zone)}")
    print_clips(records, zone)


@case.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_context
def case_import(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Read cases from a CSV file. Its columns are number, title, officer, from, to.

    A file with a bad row changes nothing and names every such row; reading it twice changes nothing. Rows
    that say the same, and titles that are not the register's, are named too; the register keeps its titles.
    Times without a zone are in the station's. UTF-8 and GBK are understood.

    \b
    Examples:
      sealdock case import dispatch.csv
    """  # noqa: D301
    from jobs.cases import import_csv

    with open_node(ctx) as node, counting(quiet=as_json) as show:
        tally = import_csv(node, file, show)
    if as_json:
        print_json(
            {
                "cases": tally.cases,
                "windows": tally.windows,
                "linked": tally.linked,
                "ambiguous": tally.ambiguous,
                "other_titles": [asdict(row) for row in tally.other_titles],
                "duplicates": [asdict(row) for row in tally.duplicates],
            }
        )
    else:
        _tell_doubts(tally)
        cases = ngettext("{count} case", "{count} cases", tally.cases).format(count=tally.cases)
        windows = ngettext("{count} window", "{count} windows", tally.windows).format(count=tally.windows)
        click.echo(
            _("{cases} and {windows} added; {linking}").format(
                cases=cases, windows=windows, linking=_linking(tally.linked, tally.ambiguous)
            )
        )


def _tell_doubts(tally: "ImportTally") -> None:
    for other in tally.other_titles:
        click.echo(
            _("Line {line}: case {case} keeps its title {kept}; the file says {title}.").format(
                line=other.line, case=other.case, kept=shown(other.kept or "-"), title=shown(other.title)
            )
        )
    for row in tally.duplicates:
        click.echo(
            _("Line {line}: case {case}, says the same as line {first}.").format(
                line=row.line, case=row.case, first=row.first
            )
        )
