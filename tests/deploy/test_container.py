"""Containerfile and compose file: linted, and fitting program, lock and scripts. Nothing is built."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from commands.watch import watch
from config.sections import WatchSection
from config.settings import Settings
from tests.support.postgres import Cluster
from tests.support.station import ROOT, Station

FOLDER = ROOT / "deploy" / "container"
IMAGE = (FOLDER / "Containerfile").read_text("utf-8")
COMPOSE = FOLDER / "compose.yaml"


def tool(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name(name), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - of the linter's

    found: dict[str, Any] = YAML(typ="safe", pure=True).load(COMPOSE)
    return found


def test_the_image_is_linted() -> None:
    done = tool("hadolint", "--failure-threshold", "info", "--no-color", FOLDER / "Containerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_linter_that_finds_nothing_would_prove_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "Containerfile"
    bad.write_text("FROM debian\nRUN cd /tmp && sudo apt-get install ffmpeg\n")
    assert tool("hadolint", "--failure-threshold", "info", bad).returncode == 1
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    imagge: b\n")
    assert (
        tool("check-jsonschema", "--builtin-schema", "compose-spec", tmp_path / "compose.yaml").returncode
        == 1
    )


def test_the_compose_file_fits_its_schema() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout


def test_the_image_holds_the_program_and_nothing_else(tmp_path: Path) -> None:
    patterns = (FOLDER / "Containerfile.dockerignore").read_text().split()
    assert patterns[0] == "*"
    for name in patterns[1:-1]:
        source = ROOT / name.removeprefix("!")
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / source.name)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "SEALDOCK_HOME": str(tmp_path / "home"),
    }
    for words in (["init"], ["status"], ["watch", "--help"], ["vault", "preflight", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=tmp_path, env={**environment, "SEALDOCK_VAULT_IMMUTABLE": "off"},
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "README.md").exists()  # pyproject.toml names it


def test_the_image_is_what_it_says() -> None:
    assert not re.search(r"^(USER|CMD|ENTRYPOINT) .*root", IMAGE, re.MULTILINE)
    (user,) = re.findall(r"^USER (\d+)$", IMAGE, re.MULTILINE)
    assert f"--uid {user} " in IMAGE
    assert "--require-hashes --only-binary :all:" in IMAGE
    setup = (ROOT / "deploy" / "dev" / "setup.sh").read_text()
    wanted = set(re.findall(r"missing\+=\(([a-z0-9.-]+)\)", setup))
    (line,) = re.findall(r"--no-install-recommends (.+) \\", IMAGE)
    assert set(line.split()) == wanted
    assert watch.make_context("watch", ["/media/sealdock"]).params["roots"] == (Path("/media/sealdock"),)
    assert 'CMD ["watch", "/media/sealdock"]' in IMAGE


def test_the_compose_file_fits_the_program(compose: dict[str, Any]) -> None:
    station = compose["services"]["station"]
    for name in station["environment"]:
        section, _, key = name.removeprefix("SEALDOCK_").lower().partition("_")
        kind = Settings.model_fields[section].annotation
        assert kind is not None
        assert key in kind.model_fields, name
    assert int(station["stop_grace_period"].removesuffix("s")) >= 2 * WatchSection().stop_seconds
    assert station["cap_drop"] == ["ALL"]
    assert station["read_only"] is True
    build = station["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).samefile(FOLDER / "Containerfile")
    used = {name for service in compose["services"].values() for name in service["secrets"]}
    assert used == set(compose["secrets"])
    manual = (FOLDER / "README.md").read_text()
    assert {name for name in used if f"`{name}`" not in manual} == set()


@pytest.mark.slow
def test_the_register_is_made_as_init_needs_it(cluster: Cluster, tmp_path: Path) -> None:
    """The script of the image, run on a real server through its socket."""
    port = psycopg.conninfo.conninfo_to_dict(cluster.server.url.replace("+psycopg", ""))["port"]
    secrets = {"owner_password": "it's the owner's", "program_password": 'pass "word" $(x)'}
    for name, text in secrets.items():
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o644)
    where = f"host={cluster.folder}/socket port={port} dbname=postgres"
    with psycopg.connect(f"{where} user=postgres", autocommit=True) as server:
        server.execute("DROP ROLE sealdock")
        server.execute("DROP ROLE sealdock_owner")
    script = (FOLDER / "register.sh").read_text().replace("/run/secrets", str(tmp_path))
    environment = {"PATH": os.environ["PATH"], "PGHOST": f"{cluster.folder}/socket", "PGPORT": str(port)}
    subprocess.run(["bash", "-c", script], check=True, env=environment, stdin=subprocess.DEVNULL, timeout=60)
    for user, name in (("sealdock", "program_password"), ("sealdock_owner", "owner_password")):
        arguments = {"host": "127.0.0.1", "port": port, "dbname": "sealdock", "user": user}
        psycopg.connect(**arguments, password=secrets[name]).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(**arguments, password="another")  # noqa: S106 - the wrong one
    host = f"?host={cluster.folder}/socket&port={port}"
    station = Station(
        tmp_path / "home",
        {
            "SEALDOCK_DATABASE_URL": f"postgresql+psycopg://sealdock@/sealdock{host}",
            "SEALDOCK_DATABASE_OWNER_URL": f"postgresql+psycopg://sealdock_owner@/sealdock{host}",
        },
    ).init()
    assert station.json("status")["register"] == {
        "engine": "postgresql", "role": "sealdock", "owns_tables": False,
    }  # fmt: skip
