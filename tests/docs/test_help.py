import shlex

import click
import pytest

from cli import root
from config.retention import load_schedule
from tests.docs.console import commands

ALL = dict(commands(root))


def examples(command: click.Command) -> list[str]:
    """Return the lines below "Examples:" in a command's help."""
    _, _, after = (command.help or "").partition("Examples:\n")
    return [line.strip() for line in after.split("\n\n")[0].splitlines() if line.strip()]


@pytest.mark.parametrize("name", ALL)
def test_help_has_examples_where_a_command_takes_arguments(name: str) -> None:
    command = ALL[name]
    takes = [
        param for param in command.params if isinstance(param, click.Argument) or param.name != "as_json"
    ]
    assert examples(command) or not takes


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
