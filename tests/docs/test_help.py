import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unicodedata import east_asian_width

import click
import pytest

from cli import root
from commands.helptext import options, paragraphs
from config.messages import catalogue
from config.retention import load_schedule
from tests.docs.console import commands

ALL = dict(commands(root))


def examples(command: click.Command) -> list[str]:
    """Return the lines below "Examples:" in a command's help."""
    _, _, after = (command.help or "").partition("Examples:\n")
    return [line.strip() for line in after.split("\n\n")[0].splitlines() if line.strip()]


@pytest.mark.parametrize("name", ALL)
def test_help_has_examples(name: str) -> None:
    assert examples(ALL[name])


@pytest.mark.parametrize(("name", "line"), [(name, line) for name in ALL for line in examples(ALL[name])])
def test_examples_of_the_help_are_understood(name: str, line: str) -> None:
    words = shlex.split(line)
    words = words[words.index("sealdock") :]
    own = name.split()
    assert words[: len(own)] == own
    context = ALL[name].make_context(name, words[len(own) :])
    category = context.params.get("category")
    if category is not None:
        assert load_schedule(None).category(category).name == category


def groups(group: click.Group, name: str = "sealdock") -> Iterator[tuple[str, click.Group]]:
    yield name, group
    context = click.Context(group)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        if isinstance(command, click.Group):
            yield from groups(command, f"{name} {each}")


@pytest.mark.parametrize(("name", "group"), list(groups(root)))
def test_a_list_of_commands_cuts_no_line(name: str, group: click.Group) -> None:
    """In 80 columns: what click leaves beside the longest name of a group."""
    context = click.Context(group)
    names = group.list_commands(context)
    room = 80 - 2 - 6 - max(map(len, names))
    told = [group.get_command(context, each).get_short_help_str(room) for each in names]
    assert [line for line in told if line.endswith("...")] == [], name


def chinese(project_root: Path, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "cli", *words, "--help"],
        cwd=project_root,
        env={**os.environ, "LC_ALL": "C.UTF-8", "SEALDOCK_LANGUAGE": "zh_CN", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_the_help_speaks_chinese(project_root: Path) -> None:
    told = chinese(project_root, "watch")
    assert told.startswith("用法： sealdock watch")
    closed_up = "".join(told.split())
    for sentence in [
        *paragraphs(ALL["sealdock watch"]),
        *(option.help for option in options(ALL["sealdock watch"])),
    ]:
        assert sentence
        assert "".join(catalogue("zh_CN").gettext(sentence).split()) in closed_up
        assert "".join(sentence.split()) not in closed_up
    assert "显示此帮助并退出。" in told
    for line in examples(ALL["sealdock watch"]):
        assert f"    {line}\n" in told
    assert "采集 ROOT 下出现的一切" in chinese(project_root)


def test_chinese_help_keeps_to_the_terminal(project_root: Path) -> None:
    prose, _, _ = chinese(project_root, "watch").partition("示例：")
    widths = [sum(2 if east_asian_width(c) in "WF" else 1 for c in line) for line in prose.splitlines()]
    assert 70 < max(widths) <= 80
