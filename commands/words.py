"""What may be typed as a word or a sentence: text, not just any bytes."""

from typing import Any

import click

from config.messages import _

MAX_OFFICER = 64


class Text(click.ParamType[str]):
    """Text. An argument that is not UTF-8 could be neither stored nor shown as what it is."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; wrong usage if it is none."""
        text = str(value)
        if not is_text(text):
            self.fail(_("it is not text in UTF-8"), param, ctx)
        return text


class OfficerNumber(Text):
    """An officer number, without the blanks around it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the number; wrong usage if it cannot be one."""
        text = super().convert(value, param, ctx).strip()
        if not (0 < len(text) <= MAX_OFFICER and text.isprintable()):
            told = _("an officer number is 1 to {most} printable characters")
            self.fail(told.format(most=MAX_OFFICER), param, ctx)
        return text


def is_text(text: str) -> bool:
    """Tell whether an argument was UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def strict(command: click.Command) -> click.Command:
    """Let a command, and those below it, take nothing but text where it takes any text."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = Text()
    if isinstance(command, click.Group):
        for child in command.commands.values():
            strict(child)
    return command
