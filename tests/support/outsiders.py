"""Programs by others that judge what sealdock writes: Go's x/mod/sumdb, and aics-tlog from PyPI."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
GOPATH = Path("/usr/share/gocode")
"""Where Debian puts the sources of Go's libraries."""


@dataclass(frozen=True)
class Answer:
    """What the Go program said; an empty ``error`` means yes."""

    error: str
    lines: list[str]


@dataclass(frozen=True)
class Go:
    """The built program of tests/support/outside/main.go, which says what it can be asked."""

    program: Path

    @classmethod
    def missing(cls) -> str | None:
        """Return what this machine lacks to build it."""
        if shutil.which("go") is None:
            return "there is no Go here; its Debian package is named golang-go"
        if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
            return "there is no golang.org/x/mod here; its Debian package is named golang-golang-x-mod-dev"
        return None

    @classmethod
    def build(cls, folder: Path) -> "Go":
        """Build it, with a cache that lies in ``folder`` too."""
        program = folder / "outside"
        subprocess.run(
            ["go", "build", "-o", program, "."],
            cwd=ROOT / "tests" / "support" / "outside",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "GO111MODULE": "off",
                "GOPATH": str(GOPATH),
                "GOCACHE": str(folder / "cache"),
                "GOFLAGS": "-buildvcs=false -p=1",
                "CGO_ENABLED": "0",
            },
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
        )
        return cls(program)

    def ask(self, *questions: dict[str, Any]) -> list[Answer]:
        done = subprocess.run(
            [self.program],
            input=json.dumps(questions),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return [Answer(item["error"], item["lines"] or []) for item in json.loads(done.stdout)]


@dataclass(frozen=True)
class Aics:
    """The aics-tlog command, in the environment that deploy/dev/outsiders.sh makes."""

    python: Path = ROOT / ".outsiders" / "bin" / "python"

    def missing(self) -> str | None:
        """Return what this machine lacks to run it."""
        if not self.python.exists():
            return "there is no aics-tlog here; deploy/dev/outsiders.sh installs it"
        return None

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return self._python("-m", "aics_tlog", *arguments)

    def script(self, text: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a few lines of Python that use the library."""
        return self._python("-c", text, *arguments)

    def _python(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.python, "-I", *arguments],
            check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
