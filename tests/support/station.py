"""A home and its command line, as a script outside sees them: real processes, real files, no shortcuts.

The register is opened read-only with sqlite3 and the vault is walked as files, so that what a test sees
is not told by the code it tests.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from storage.immutable import set_immutable
from tests.support.postgres import connect

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120
WRITTEN = 1_772_150_400
"""When the files of a card were written: 27 February 2026, in seconds since 1970."""
_KEPT = ("HOME", "PATH", "TMPDIR", "USER", "LOGNAME", "VIRTUAL_ENV")
_ANSI = re.compile(r"\x1b\[")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        assert not _ANSI.search(self.text)
        return json.loads(self.text)

    @property
    def error(self) -> dict[str, Any]:
        """The error that a command called with --json printed to standard error."""
        found: dict[str, Any] = json.loads(self.err)
        return found

    def expect(self, code: int) -> "Ran":
        assert self.code == code, (
            f"exit code {self.code}, not {code}\n{self.text[-2000:]}\n{self.err[-4000:]}"
        )
        assert "Traceback" not in self.err, self.err
        return self


@dataclass(frozen=True)
class Station:
    """A home in a folder, and the environment in which its commands run."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ("-m", "cli")

    @property
    def vault(self) -> Path:
        return self.home / "vault"

    @property
    def register(self) -> Path:
        return self.home / "register.db"

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    def variables(self, **settings: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": str(ROOT),
            "SEALDOCK_HOME": str(self.home),
            # Immutable files would outlive the test where root runs it.
            "SEALDOCK_VAULT_IMMUTABLE": "off",
            **self.environment,
            **settings,
        }

    def start(self, *arguments: str | bytes | Path, **settings: str) -> "subprocess.Popen[bytes]":
        """Start a command and return at once; a setting is an environment variable by its name."""
        return subprocess.Popen(
            [sys.executable, *self.wrapper, *arguments],
            cwd=self.home.parent,
            env=self.variables(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str | bytes | Path, **settings: str) -> Ran:
        """Run a command to its end, whatever its exit code is."""
        return ended(self.start(*arguments, **settings))

    def ok(self, *arguments: str | bytes | Path, **settings: str) -> Ran:
        return self.run(*arguments, **settings).expect(0)

    def json(self, *arguments: str | bytes | Path, **settings: str) -> Any:
        return self.ok(*arguments, "--json", **settings).json

    def init(self) -> "Station":
        self.ok("init")
        return self

    def copy(self, home: Path) -> "Station":
        """Copy a home that nothing was docked in: its vault's place is written nowhere yet."""
        shutil.copytree(self.home, home)
        return replace(self, home=home)

    def dock(self, card: Path, *arguments: str, code: int = 0, **settings: str) -> dict[str, Any]:
        """Dock a card and return what ``dock --json`` says."""
        found: dict[str, Any] = self.run("dock", card, "--json", *arguments, **settings).expect(code).json
        return found

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the register, opened read-only; a query's ``?`` are its values on either engine."""
        url = self.environment.get("SEALDOCK_DATABASE_URL", "")
        if url.startswith("postgresql"):
            with closing(connect(url)) as asked:
                asked.execute("SET default_transaction_read_only = on")
                return asked.execute(query.replace("%", "%%").replace("?", "%s").encode(), values).fetchall()
        connection = sqlite3.connect(f"{self.register.as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def value(self, query: str, *values: object) -> Any:
        ((found,),) = self.rows(query, *values)
        return found

    def events(self, clip: str) -> list[str]:
        return [row[0] for row in self.rows(_EVENTS, clip)]

    def stored_keys(self) -> list[str]:
        """Return the keys of all objects in the vault, its own folders left out."""
        return sorted(
            str(path.relative_to(self.vault))
            for path in self.vault.rglob("*")
            if path.is_file() and not path.relative_to(self.vault).parts[0].startswith(".")
        )

    def lock(self, key: str) -> datetime:
        """Return the date in an object's lock record."""
        record = json.loads((self.vault / ".locks" / f"{key}.json").read_bytes())
        return datetime.fromisoformat(record["until"])

    def object(self, digest: str) -> Path:
        return self.vault / clip_key(digest)


_EVENTS = "SELECT kind FROM custody_event WHERE clip_id = ? ORDER BY sequence"


def ended(process: "subprocess.Popen[bytes]") -> Ran:
    """Wait for a process; one that hangs is killed and fails the test."""
    with process:
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Ran(process.returncode, out, err.decode(errors="replace"))


def clip_key(digest: str) -> str:
    return f"clips/sha256/{digest[:2]}/{digest}"


def digest_of(data: bytes | Path) -> str:
    return sha256(data.read_bytes() if isinstance(data, Path) else data).hexdigest()


def by_path(docked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the clips of what ``dock --json`` said by their paths."""
    return {clip["path"]: clip for clip in docked["clips"]}


def make_card(folder: Path, files: Mapping[str | bytes, bytes]) -> Path:
    """Make a folder with these files; their times are equal, so that nothing else tells them apart."""
    for name, data in files.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (WRITTEN, WRITTEN))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def until(holds: Callable[[], Any], *, within: float = 60, every: float = 0.02) -> Any:
    """Wait for something to become true, and return it."""
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(every)
    return found


@contextmanager
def writable(path: Path) -> Iterator[Path]:
    """Take an object's protection away, as only somebody with the rights of the vault can."""
    thaw(path)
    path.chmod(0o644)
    yield path


def flip(path: Path, at: int = 0) -> None:
    """Change one bit, and leave the file as it looked."""
    before = path.stat()
    with writable(path), path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode & 0o7777)


def thaw(path: Path) -> None:
    """Clear the immutable attribute of a file, or of every file below a folder."""
    for found in [path] if path.is_file() else path.rglob("*"):
        if found.is_file() and not found.is_symlink():
            fd = os.open(found, os.O_RDONLY)
            try:
                set_immutable(fd, immutable=False)
            finally:
                os.close(fd)


def openssl_accepts(station: Station, seal: Path, content: Path) -> bool:
    """Ask OpenSSL, which knows nothing of this project, whether a seal fits a document."""
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", seal, "-content", content,
         "-CAfile", station.home / "keys" / "authority.pem", "-purpose", "any", "-out", os.devnull],
        capture_output=True, check=False, timeout=TIMEOUT,
    )  # fmt: skip
    return done.returncode == 0


def sealed_document(seal: Path) -> Path:
    """Return the document that a seal in the vault belongs to."""
    return seal.with_name(seal.name.removesuffix(".p7s").removesuffix(".t"))


def picture(station: Station) -> dict[str, Any]:
    """Return what a home holds, without what differs from run to run: ids, times, signatures.

    Two homes that docked the same cards show equal pictures. What must hold in *every* home is
    asserted on the way.
    """
    clips = station.rows("SELECT id, path, size, sha256, state, reason FROM clip ORDER BY path, sha256")
    return {
        "clips": [row[1:] for row in clips],
        "events": {(path, digest): sorted(station.events(clip)) for clip, path, _, digest, *_ in clips},
        "seals": Counter(
            row[0] for row in station.rows("SELECT c.path FROM seal s JOIN clip c ON c.id = s.clip_id")
        ),
        "stored": _stored(station),
        "dockings": _dockings(station),
        "alerts": Counter(row[0] for row in station.rows("SELECT kind FROM alert")),
        "spool": sorted(path.name for path in station.spool.iterdir()) if station.spool.exists() else [],
    }


def _stored(station: Station) -> list[str]:
    """Return the originals' keys; check that vault, lock records and register tell of the same objects."""
    keys = station.stored_keys()
    noted = station.rows("SELECT key, kind, sha256, size, confirmation FROM stored_version ORDER BY key")
    # A process that is killed between a put and its note leaves an object of the ledger that no later
    # publication names: a smaller part of the same log, which harms nobody.
    own = ("events/", "ledger/")
    assert [row[0] for row in noted if not row[0].startswith(own)] == [
        key for key in keys if not key.startswith(own)
    ]
    assert {row[0] for row in noted} <= set(keys)
    for key, _, digest, size, confirmation in noted:
        path = station.vault / key
        assert (path.stat().st_size, digest_of(path)) == (size, digest), key
        assert confirmation == "full", key
        station.lock(key)  # there is a record, with a date
    safe = {
        row[0] for row in station.rows("SELECT sha256 FROM clip WHERE state IN ('confirmed', 'released')")
    }
    originals = [row for row in noted if row[1] == "original"]
    assert {row[2] for row in originals} >= safe
    manifests = station.rows("SELECT manifest_sha256 FROM clip WHERE state IN ('confirmed', 'released')")
    assert {row[0] for row in manifests} <= {row[2] for row in noted if row[1] == "manifest"}
    return [row[0] for row in originals]


def _dockings(station: Station) -> dict[str, Any]:
    """Return how dockings ended; a rerun may have been another docking, so their number is left out."""
    ids = {row[0] for row in station.rows("SELECT id FROM docking")}
    for docking in ids:
        parts = Counter(
            key.rpartition("/")[2].partition(".")[2] for key in station.stored_keys() if docking in key
        )
        assert parts == Counter(("inventory.json", "inventory.json.p7s", "close.json", "close.json.p7s"))
    kinds = station.rows("SELECT kind, count(*) FROM custody_event WHERE clip_id IS NULL GROUP BY kind")
    counts: dict[str, int] = dict(kinds)
    assert counts.pop("inventoried") == counts.pop("closed") == len(ids)
    # As many as there were dockings with files, documents put in place, and settings that were tried.
    for kind in ("found", "noted", "configured"):
        counts.pop(kind, None)
    sequences = [row[0] for row in station.rows("SELECT sequence FROM custody_event ORDER BY sequence")]
    assert sequences == list(range(len(sequences)))
    return counts
