"""The table of log events in the manual is that of the sources."""

import ast
import re
from collections.abc import Iterator

from config.logs import FOREIGN
from tests.docs.console import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))


def calls() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield name, level and facts of every event that is logged, as the sources spell them."""
    paths = [ROOT / "cli.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    for path in paths:
        tree = ast.parse(path.read_bytes())
        loggers = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and "getLogger" in ast.unparse(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in loggers
            ):
                where = f"{path.name}:{node.lineno}"
                assert node.func.attr in LEVELS, where
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{where}: an event's name does not change"
                yield str(name.value), LEVELS[node.func.attr], facts(node, where)


def facts(call: ast.Call, where: str) -> frozenset[str]:
    for keyword in call.keywords:
        if keyword.arg == "extra":
            assert isinstance(keyword.value, ast.Dict), f"{where}: facts are spelled out"
            names = [key.value for key in keyword.value.keys if isinstance(key, ast.Constant)]
            assert len(names) == len(keyword.value.keys), where
            return frozenset(map(str, names))
    return frozenset()


def test_every_event_is_in_the_table_and_the_other_way_round() -> None:
    section = TEXT.split("\n## Logs\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.*?) \| .+ \|$", section, re.MULTILINE)
    table = {(name, level, frozenset(re.findall(r"`(\w+)`", named))) for name, level, named in rows}
    assert len(table) == len(rows)
    found = set(calls()) | {(FOREIGN, "error", frozenset({"text"}))}
    assert found == table
    assert len({name for name, _, _ in found}) == len(found), "one name, one event"


def test_names_are_stable_words() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name, _, _ in calls())
