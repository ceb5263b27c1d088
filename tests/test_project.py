"""The project's own promises: what ships, what is locked, what may import what, what make offers."""

import ast
import fnmatch
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.lacking import lacking

MAX_LINES = 400
SCRIPTS = ("bench", "deploy", "tests")
"""Top-level folders that hold Python and do not ship."""


@pytest.fixture(scope="module")
def project(project_root: Path) -> dict[str, Any]:
    return tomllib.loads((project_root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def packages(project: dict[str, Any]) -> set[str]:
    return set(project["tool"]["setuptools"]["packages"])


@pytest.fixture(scope="module")
def rooms(packages: set[str]) -> set[str]:
    return {package.partition(".")[0] for package in packages}


@pytest.fixture(scope="module")
def locked(project_root: Path) -> dict[str, str]:
    """Release by name, of every line of the lock that opens a requirement."""
    text = (project_root / "requirements.lock").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9-]*)==(\S+)", text, flags=re.MULTILINE))


def sources(root: Path, folders: set[str]) -> Iterator[Path]:
    yield from root.glob("*.py")
    for folder in sorted(folders):
        yield from (root / folder).rglob("*.py")


def test_packages_listed_are_the_packages_on_disk(
    project_root: Path, project: dict[str, Any], packages: set[str]
) -> None:
    found = {
        ".".join(path.relative_to(project_root).parent.parts)
        for path in project_root.glob("[!.]*/**/__init__.py")
        if path.relative_to(project_root).parts[0] not in {*SCRIPTS, "build"}
    }
    assert found == packages
    modules = {path.stem for path in project_root.glob("*.py")}
    assert modules == set(project["tool"]["setuptools"]["py-modules"])


def test_every_python_file_of_a_room_is_in_a_package(
    project_root: Path, packages: set[str], rooms: set[str]
) -> None:
    folders = {
        ".".join(path.relative_to(project_root).parent.parts)
        for room in rooms
        for path in (project_root / room).rglob("*.py")
    }
    assert folders <= packages


def test_every_data_file_of_a_room_ships(
    project_root: Path, project: dict[str, Any], rooms: set[str]
) -> None:
    shipped = [
        f"{package.replace('.', '/')}/{pattern}"
        for package, patterns in project["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
    ]
    data = [
        path.relative_to(project_root).as_posix()
        for room in sorted(rooms)
        for path in (project_root / room).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    ]
    assert [name for name in data if not any(fnmatch.fnmatch(name, each) for each in shipped)] == []


def test_lock_covers_every_dependency(project: dict[str, Any], locked: dict[str, str]) -> None:
    table = project["project"]
    declared = [Requirement(line) for line in table["dependencies"] + table["optional-dependencies"]["dev"]]
    unmet = [
        str(requirement)
        for requirement in declared
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), ""))
    ]
    assert unmet == []


def test_lock_pins_by_hash_and_names_no_place(project_root: Path) -> None:
    text = (project_root / "requirements.lock").read_text("utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text.split("\n", 2)[2])
    assert all(re.match(r"[a-z0-9-]+==\S+ ", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|^-|(?<![\w:])/", text, flags=re.MULTILINE)


def test_every_library_imported_is_declared(
    project_root: Path, project: dict[str, Any], rooms: set[str]
) -> None:
    providers = importlib.metadata.packages_distributions()
    declared = {canonicalize_name(Requirement(line).name) for line in project["project"]["dependencies"]}
    ours = {*rooms, *project["tool"]["setuptools"]["py-modules"]}
    undeclared = {
        f"{path.relative_to(project_root)}: {name}"
        for path in sources(project_root, rooms)
        for name in imported(path) - ours - sys.stdlib_module_names
        if declared.isdisjoint(map(canonicalize_name, providers.get(name, [])))
    }
    assert undeclared == set()


def imported(path: Path) -> set[str]:
    """Top-level names that a source file imports when it runs, at whatever depth of the file."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue  # for the type checker, which only developers have
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_no_source_file_is_long(project_root: Path, rooms: set[str]) -> None:
    lengths = {
        str(path.relative_to(project_root)): len(path.read_text("utf-8").splitlines())
        for path in sources(project_root, {*rooms, *SCRIPTS})
        if path.parent.name != "versions"  # migrations: written once, by the tool, and never edited
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_lint_rule_that_is_off_has_its_reason(project_root: Path) -> None:
    text = (project_root / "pyproject.toml").read_text("utf-8")
    section = text[text.index("ignore = [") : text.index("[tool.ruff.lint.pydocstyle]")]
    off = [line for line in section.splitlines() if re.search(r'"[A-Z]+[0-9]*"', line)]
    assert off
    assert [line for line in off if not re.search(r"#\s*\S+", line)] == []


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contract of the pyproject.toml in a folder on the rooms beside it."""
    code = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True, no_logo=True))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_import_contract_covers_every_room(project: dict[str, Any], rooms: set[str]) -> None:
    contract = project["tool"]["importlinter"]
    assert set(contract["root_packages"]) == rooms
    contracts = {each["id"]: each for each in contract["contracts"]}
    layers = contracts.pop("downward")["layers"]
    assert rooms <= {name.strip() for layer in layers for name in layer.split("|")}
    assert {name: set(each["source_modules"]) for name, each in contracts.items()} == {
        "cli": rooms,
        "engine": rooms - {"jobs"},
        "stores": rooms - {"storage"},
        "proofs": {"hashing"},
        "apart": {"witness"},
    }


def test_import_contract_is_kept(project_root: Path) -> None:
    run = lint_imports(project_root)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("importer", "target"),
    [
        ("config", "hashing"),
        ("hashing", "metadata"),
        ("metadata", "storage"),
        ("storage", "ingest"),
        ("ingest", "jobs"),
        ("jobs", "commands"),
        ("commands", "cli"),
        ("hashing", "sqlalchemy"),
        ("ingest", "dbos"),
        ("jobs", "boto3"),
        ("witness", "jobs"),
        ("witness", "sqlalchemy"),
    ],
)
def test_import_contract_refuses(
    project_root: Path, rooms: set[str], tmp_path: Path, importer: str, target: str
) -> None:
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    for room in rooms:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    (tmp_path / importer / "upward.py").write_text(f"import {target}\n")
    run = lint_imports(tmp_path)
    assert run.returncode == 1
    assert f"{importer}.upward -> {target}" in run.stdout


def test_make_help_lists_every_target(project_root: Path) -> None:
    text = (project_root / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", text, flags=re.MULTILINE))
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    described = dict(re.findall(r"^  make (\S+) +(\S.*)$", shown.stdout, flags=re.MULTILINE))
    assert set(described) == targets
    phony = re.search(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets


def test_a_run_of_ci_leaves_nothing_out(project_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "checkout" / ".ci" / "run"
    run.parent.mkdir(parents=True)
    shutil.copy(project_root / ".ci" / "run", run)
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text('#!/bin/sh\necho "$1 with CI=$CI"\n')
    make.chmod(0o755)
    for given, told in (({}, "1"), ({"CI": "true"}, "true")):
        environment = {"PATH": f"{make.parent}:{os.environ['PATH']}", **given}
        shown = subprocess.run([run], env=environment, capture_output=True, text=True, check=True, timeout=30)
        assert shown.stdout.split("\n")[:2] == [f"lint with CI={told}", f"test with CI={told}"]


def test_what_is_lacking_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no mounts here"):
        lacking("no mounts here")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no mounts here"):
        lacking("no mounts here")


def test_no_test_is_left_out_for_another_reason(project_root: Path) -> None:
    """What a stranger's machine need not have, or what is not meant for this user."""
    sources = [path.read_text("utf-8") for path in (project_root / "tests").rglob("*.py")]
    assert {reason for text in sources for reason in re.findall(r'pytest\.skip\("([^"]+)"\)', text)} == {
        "no folder of real camera files on this machine",
        "no file system in memory",
        "no second file system that this user may write to",
        "no such file system that this user may write to",
        "one file system only",
        "only root makes device files",
        "root may write anywhere",
        "the temporary folder is in memory",
        "this computer's clock is disciplined, so that a time that runs ahead is believed",
        "this user or file system has no immutable attribute",
    }
