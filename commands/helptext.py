"""Help texts in the language in use.

Commands are written in English. Here the paragraphs of a help text and the helps of options are put into the
language in use, one message each; lines that click must not wrap (examples) stay, but for their heading.
What click says itself comes from the same catalogue.
"""

import gettext
import inspect
import os
import re
import shutil
from collections.abc import Iterator, MutableMapping
from typing import Any
from unicodedata import east_asian_width

import click

from config import messages
from config.messages import _

_UNWRAPPED = "\b"
_INDENT = 4
_WIDE = 2
"""Columns of a Chinese character, which click counts as one."""

_QUOTED = re.compile(r'"([A-Za-z][^"]*)"')
"""Words in an example that somebody would write in the language of their office."""
_STOPS = "，。；：、）》”？"


def localise(command: click.Command) -> click.Command:
    """Put the help of a command, its options and the commands below it into the language in use, once."""
    if messages.current() == "en" or getattr(command, "_localised", False):
        return command
    vars(command)["_localised"] = True
    first = next(paragraphs(command), None)
    if first is not None and command.short_help is None:
        command.short_help = _(first).partition("。")[0]
    command.help = _translated(command.help or "")
    for option in options(command):
        said = option.help
        option.help = _(said) if said else None
    if isinstance(command, click.Group):
        for child in command.commands.values():
            localise(child)
    return command


def use_for_click(context_settings: MutableMapping[str, Any]) -> None:
    """Let click find its own words in our catalogue, and wrap options early: it counts wrongly."""
    if messages.current() == "en":
        return
    os.environ["LANGUAGE"] = messages.current()
    gettext.bindtextdomain(messages.DOMAIN, messages.LOCALE_DIR)
    gettext.textdomain(messages.DOMAIN)
    context_settings["terminal_width"] = max(_columns() * 3 // 4, 50)


def paragraphs(command: click.Command) -> Iterator[str]:
    """Return what a help text has to translate: paragraphs in one line, headings of examples, their words."""
    for block in _blocks(command.help or ""):
        lines = block.splitlines()
        if lines[0].strip() != _UNWRAPPED:
            yield " ".join(block.split())
        elif len(lines) > 1 and lines[1].strip().endswith(":"):
            yield lines[1].strip()
            yield from _QUOTED.findall(block)


def options(command: click.Command) -> Iterator[click.Option]:
    """Return the options of a command that have a help text."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            yield parameter


def _blocks(text: str) -> Iterator[str]:
    for block in inspect.cleandoc(text).split("\n\n"):
        if block.strip():
            yield block.strip("\n")


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Break a text into lines by what it takes on a screen: Latin words whole, no line begins with a stop."""
    line, width = "", 0
    for word in re.findall(r"[!-~]+| |.", text):
        size = sum(_WIDE if east_asian_width(character) in "WF" else 1 for character in word)
        if width + size > columns and word not in _STOPS:
            yield line.rstrip()
            line, width = "", 0
        if line or word != " ":
            line, width = line + word, width + size
    yield line


def _columns() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def _translated(text: str) -> str:
    shown = []
    for block in _blocks(text):
        lines = block.splitlines()
        if lines[0].strip() != _UNWRAPPED:
            sentence = " ".join(block.split())
            shown.append("\n".join([_UNWRAPPED, *wrapped(_(sentence), _columns() - _INDENT)]))
            continue
        if len(lines) > 1 and lines[1].strip().endswith(":"):
            lines[1] = _(lines[1].strip())
            lines[2:] = [_QUOTED.sub(lambda found: f'"{_(found[1])}"', line) for line in lines[2:]]
        shown.append("\n".join(lines))
    return "\n\n".join(shown)
