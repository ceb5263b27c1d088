"""Documents as tests see them: blocks, headings, links, commands, and sessions that are really run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "\x1e"
_CHANGING = (
    (re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b"), "<ulid>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<digest>"),
    # The card's own times are the same every run; those of a docking are not.
    (re.compile(r"\b(?!2026-03-01)\d{4}-\d\d-\d\d \d\d:\d\d\b"), "<time>"),
    (re.compile(r"folder:[a-z0-9-]+:\d+:\d+"), "<folder>"),
    (re.compile(r" +\d+(\.\d+)? (B|[KMGT]iB)\b"), " <size>"),  # ffmpeg's versions differ
)


class Block(NamedTuple):
    """A fenced block of a document: the word after the fence, and what is in it."""

    kind: str
    text: str


class Step(NamedTuple):
    """A command of a console block, and what the document says it prints."""

    command: str
    output: str


def blocks(text: str) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(text)]


def prose(text: str) -> str:
    """Return a document without its blocks."""
    return _BLOCK.sub("", text)


def headings(text: str) -> list[str]:
    return re.findall(r"^(#+ .+)$", prose(text), re.MULTILINE)


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    titles = [heading.lstrip("# ").lower() for heading in headings(text)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def steps(text: str) -> list[Step]:
    """Return the commands of all console blocks, in order."""
    found: list[Step] = []
    for block in blocks(text):
        if block.kind == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append(Step(command, output))
    return found


def commands(group: click.Group, name: str = "sealdock") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by its full name."""
    context = click.Context(group, info_name=name)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {each}")
        else:
            yield f"{name} {each}", command


def normal(output: str, folder: Path) -> str:
    """Replace what differs from run to run, and the folder that a session ran in by /home/clerk."""
    text = output.replace(str(folder), "/home/clerk")
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return "\n".join(re.sub(r" +", " ", line).rstrip() for line in text.strip().splitlines())


def run(script: list[Step], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run commands in one shell in ``folder``; return what each printed, errors among it.

    ``sealdock`` and ``python`` are those of this checkout. Times are shown in Shanghai's zone, in English.
    """
    tools = folder / ".tools"
    tools.mkdir()
    for name, arguments in (("sealdock", "-m cli "), ("python", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        (tools / name).chmod(0o755)
    lines = [f"printf '{_MARK}'\n{step.command}\n" for step in script]
    ran = subprocess.run(
        ["bash", "-c", "".join(lines)],
        cwd=folder,
        env={
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TZ": "Asia/Shanghai",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=240,
    )
    return ran.stdout.split(_MARK)[1:]
