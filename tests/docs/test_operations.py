import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli import root
from config.errors import all_errors
from config.settings import Settings
from metadata.completeness import Finding, Kind
from tests.docs.console import ROOT, blocks, commands

TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
CRON = [block.text for block in blocks(TEXT) if block.kind == "cron"]
JOBS = [line.split(None, 5)[5] for line in CRON[0].splitlines() if "=" not in line]


@pytest.mark.parametrize("job", JOBS)
def test_cron_jobs_are_understood(job: str) -> None:
    words = shlex.split(job)
    (name,) = [name for name, _ in commands(root) if words[: len(name.split())] == name.split()]
    context = dict(commands(root))[name].make_context(name, words[len(name.split()) :])
    assert context.info_name == name


def test_settings_named_exist() -> None:
    sections = Settings.model_fields
    named = [
        name
        for row in TEXT.splitlines()
        if row.startswith("| `") and "|---" not in row
        for name in re.findall(r"`(\w+\.\w+)`", row.split("|")[1])
    ]
    assert len(named) >= 8
    for name in named:
        section, _, key = name.partition(".")
        kind = sections[section].annotation
        assert kind is not None
        assert key in kind.model_fields, name


def test_exit_codes_are_those_of_the_program() -> None:
    known = {kind.exit_code: kind.code for kind in all_errors()}
    own = {0, 1, 2, 130}
    table = TEXT.split("\n## Exit codes\n")[1].split("\n## ")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert codes >= own
    assert codes - own <= set(known)
    for code, slug in re.findall(r"^\| (\d+), `([\w-]+)`", TEXT, re.MULTILINE):
        assert known[int(code)] == slug


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    (line,) = re.findall(r"`(eval [^`]+)`", TEXT)
    for readme in ("README.md", "README.zh-CN.md"):
        assert line in (ROOT / readme).read_text("utf-8")
    tool = tmp_path / "sealdock"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    tool.chmod(0o755)
    told = 'echo "${COMPREPLY[@]}"'
    script = [
        line,
        f"COMP_WORDS=(sealdock do) COMP_CWORD=1; _sealdock_completion sealdock; {told}",
        f"COMPREPLY=() COMP_WORDS=(sealdock dock --re) COMP_CWORD=2; _sealdock_completion sealdock; {told}",
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        capture_output=True, check=False, timeout=60, text=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["dock dockings", "--reread"], done


def test_every_alert_is_explained() -> None:
    table = TEXT.split("\n## Alerts\n")[1].split("\n## ")[0]
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    sources = [path.read_text("utf-8") for path in (ROOT / "jobs").rglob("*.py")]
    raised = {
        name.strip('"') if name.startswith('"') else _constant(text, name)
        for text in sources
        for name in re.findall(r"raise_alert\(\s*session, ([^,]+),", text)
    }
    assert explained == raised


def _constant(text: str, name: str) -> str:
    found = re.search(rf'^{name} = "([a-z-]+)"', text, re.MULTILINE)
    assert found is not None, name
    return found[1]


def test_every_finding_of_a_chain_is_explained_and_weighed() -> None:
    table = TEXT.split("\n| Finding | Weight |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    told = {name: weight.strip() for names, weight in rows for name in re.findall(r"`([a-z-]+)`", names)}
    assert told == {kind.value: Finding(kind, "").severity.value for kind in Kind}


def test_every_unit_is_explained() -> None:
    table = TEXT.split("\n| Unit |")[1].split("\n\n")[0]
    explained = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    units = {path.name for path in (ROOT / "deploy" / "systemd").glob("sealdock-*")}
    started_by_timer = {name.replace(".timer", ".service") for name in units if name.endswith(".timer")}
    assert explained == units - started_by_timer
    named = set(re.findall(r"`?(sealdock-[a-z-]+\.(?:timer|service))\b", TEXT))
    assert named - units == set()


def test_files_named_exist() -> None:
    named = set(re.findall(r"\bdeploy/[\w/.-]*\w", TEXT))
    assert {name for name in named if not (ROOT / name).exists()} == set()
