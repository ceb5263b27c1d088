import ast
import re
from pathlib import Path

import pytest

from cli import COMMANDS
from metadata.states import ClipState, allowed
from tests.docs.console import ROOT, blocks
from tests.docs.life import Written

TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROOMS, STATES = (block.text for block in blocks(TEXT) if block.kind == "mermaid")
SOURCES = {
    path.name: sorted(path.rglob("*.py")) for path in ROOT.iterdir() if (path / "__init__.py").exists()
}


def drawn(diagram: str) -> set[tuple[str, str]]:
    """Return the arrows of a mermaid diagram."""
    rows = re.findall(r"^ +(\w+) --> ([\w &]+)$", diagram, re.MULTILINE)
    return {(start, end.strip()) for start, ends in rows for end in ends.split("&")}


def imported(path: Path) -> set[str]:
    """Return the top-level names that a file imports, at whatever depth of the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_picture_of_the_rooms_shows_exactly_the_imports() -> None:
    sources = {**SOURCES, "cli": [ROOT / "cli.py"]}
    found = {
        (room, target)
        for room, paths in sources.items()
        for path in paths
        for target in imported(path) & set(sources)
        if target != room
    }
    # Commands are imported by name when they are asked for.
    found |= {("cli", place.partition(".")[0]) for place in COMMANDS.values()}
    assert drawn(ROOMS) == found


def test_the_picture_of_the_states_shows_exactly_the_transitions() -> None:
    found = {(start.value, end.value) for start in ClipState for end in ClipState if allowed(start, end)}
    assert drawn(STATES) == found


@pytest.mark.slow
def test_every_place_of_a_home_is_named(written: Written) -> None:
    scratch = {"engine.db-wal", "engine.db-shm", "register.db-wal", "register.db-shm"}
    names = {path.name + "/" * path.is_dir() for path in written.station.home.iterdir()} - scratch
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


@pytest.mark.slow
def test_every_kind_of_key_in_the_vault_is_named(written: Written) -> None:
    section = TEXT.split("| Key in the vault |")[1].split("\n## ")[0]
    names: list[str] = []
    for cell in re.findall(r"^\| (`.+`) \|", section, re.MULTILINE):
        whole, *endings = re.findall(r"`([^`]+)`", cell)
        stem = whole.split(".inventory")[0].split(".close")[0]
        names += [whole, *(stem + ending for ending in endings)]
    spelled = [re.sub(r"<[^>]+>", "[^/]+", name.replace(".", r"\.")) for name in names]
    patterns = [re.compile(name.replace("…", ".+")) for name in spelled]
    keys = written.station.stored_keys()
    assert {key for key in keys if not any(pattern.fullmatch(key) for pattern in patterns)} == set()
