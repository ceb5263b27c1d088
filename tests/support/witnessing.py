"""A witness in tests: its real process, and logs that grow, fork and ask it for cosignatures."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hashing.checkpoint import Checkpoint
from hashing.log import MemoryStore, consistency_proof, tree_root
from hashing.merkle import leaf_hash
from hashing.notes import Note, NoteKey, Vkey, encode_base64
from tests.support.ledger import LOG
from tests.support.station import ROOT, Ran
from witness.folder import create, opened

NAME = "witness.example/w"


@dataclass
class Log:
    """A log in memory, and its key."""

    key: NoteKey = LOG
    leaves: list[bytes] = field(default_factory=list)
    store: MemoryStore = field(default_factory=MemoryStore)

    def grow(self, count: int, word: str = "entry") -> "Log":
        for _ in range(count):
            self.leaves.append(f"{word} {len(self.leaves)}".encode())
            self.store.append(leaf_hash(self.leaves[-1]))
        return self

    def copy(self) -> "Log":
        """The same log with the same key, which may grow otherwise from here on."""
        other = Log(self.key)
        for leaf in self.leaves:
            other.leaves.append(leaf)
            other.store.append(leaf_hash(leaf))
        return other

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.store.size if size is None else size
        return Checkpoint(self.key.name, size, tree_root(self.store, size))

    def note(self, size: int | None = None) -> Note:
        return self.checkpoint(size).sign(self.key)

    def proof(self, old: int, size: int | None = None) -> list[bytes]:
        return consistency_proof(self.store, old, self.store.size if size is None else size)

    def request(self, old: int, size: int | None = None) -> bytes:
        return body(old, self.proof(old, size), self.note(size))


def body(old: int, proof: Sequence[bytes], note: Note) -> bytes:
    lines = [f"old {old}", *map(encode_base64, proof), "", ""]
    return "\n".join(lines).encode() + note.spell()


@dataclass(frozen=True)
class Got:
    """An answer of the server."""

    status: int
    kind: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Witness:
    """A folder with a witness, its process while it runs, and where that answers."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[str] | None" = None

    def command(self, *words: str | Path, wrapper: Sequence[str] = ("-m", "cli")) -> list[str]:
        name, *rest = map(str, words)
        return [sys.executable, *wrapper, "witness", name, str(self.folder), *rest]

    def run(self, *words: str | Path) -> Ran:
        done = subprocess.run(
            self.command(*words), cwd=ROOT, env=self.variables(), capture_output=True, check=False,
            timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    def variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "SEALDOCK_LANGUAGE": "en",
            "LC_ALL": "C.UTF-8",
            **self.environment,
        }

    @property
    def vkey(self) -> Vkey:
        with opened(self.folder) as (state, _evidence):
            return state.vkey

    @property
    def log_file(self) -> Path:
        return self.folder.with_suffix(".log")

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_file.read_text("utf-8").splitlines()]
        return [line for line in lines if line["event"] == name]

    @contextmanager
    def serving(self, *words: str, wrapper: Sequence[str] = ("-m", "cli")) -> Iterator["Witness"]:
        """Run the server until the block ends; a test may have killed it by then."""
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                self.command("serve", "--listen", "127.0.0.1:0", *words, wrapper=wrapper),
                cwd=ROOT, env=self.variables(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, text=True,
            )  # fmt: skip
        try:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            found = re.search(r":(\d+)\n$", line)
            assert found, (line, self.log_file.read_text("utf-8"))
            self.port = int(found[1])
            yield self
        finally:
            self.stop()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Got:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return Got(answer.status, answer.headers.get("Content-Type", ""), answer.read())
        finally:
            connection.close()

    def post(self, data: bytes) -> Got:
        return self.ask("POST", "/add-checkpoint", data)

    def latest(self, origin: str) -> Got:
        return self.ask("GET", f"/checkpoint?origin={quote(origin, safe='')}")

    def cases(self) -> list[Path]:
        return sorted(path for path in (self.folder / "evidence").glob("*-*"))


def make(folder: Path, *logs: Log) -> Witness:
    """Make a witness with these logs."""
    made = Witness(folder / "witness")
    create(made.folder, NAME)
    with opened(made.folder) as (state, _evidence):
        for log in logs:
            assert state.add_key(log.key.name, log.key.vkey, datetime.now(UTC))
    return made
