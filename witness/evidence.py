"""Evidence against logs: a folder for each case, with both signed notes, to be handed over as it is.

    20260301T013000Z-fork-same-size-5b0c…/
        known.note     the checkpoint that this witness had cosigned, as it would hand it out
        offered.note   the one that contradicts it, or may, with the signatures of the log that were checked
        proof.txt      the consistency proof that came with it, a hash a line (not for one size)
        summary.json   what the two are, when, and what they show

A person who has dealt with a case moves its folder to ``answered/``; the same two notes make no second case.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from config.times import spelled
from hashing import durable
from hashing.checkpoint import Checkpoint
from hashing.notes import Note, encode_base64
from witness.forks import Kind
from witness.state import Cosigned

ANSWERED = "answered"
SUMMARY = "summary.json"
MAX_CASES = 1000
"""Most open cases: whoever has the key of a log could make more of them than a disk holds."""
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(fork-same-size|fork-growth|suspected)-([0-9a-f]{32})")
_MAX_SUMMARY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Case:
    """One folder of evidence: its name, what it shows, and its summary (empty if it cannot be read)."""

    path: Path
    kind: Kind
    summary: dict[str, Any]

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cases are open."""

    forks: int
    suspected: int

    @property
    def clean(self) -> bool:
        """Whether there is none."""
        return not (self.forks or self.suspected)


class EvidenceFullError(Exception):
    """There are so many open cases that no further one is kept."""


class Evidence:
    """The folder of evidence of a witness; it need not exist yet.

    Calls that write are made one at a time: by the process that serves, which holds its lock.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tally(self) -> Tally:
        """Count the open cases; reads names only."""
        kinds = [kind for _, kind, _ in _names(self.folder)]
        return Tally(sum(kind.proven for kind in kinds), sum(not kind.proven for kind in kinds))

    def cases(self, limit: int | None = None) -> list[Case]:
        """Return the open cases, or so many of them, the oldest first."""
        found = sorted(_names(self.folder))[:limit]
        return [Case(path, kind, _summary(path)) for path, kind, _ in found]

    def keep(
        self,
        kind: Kind,
        known: Cosigned,
        offered: Checkpoint,
        note: Note,
        proof: Sequence[bytes],
        at: datetime,
    ) -> Path | None:
        """Keep a case, complete and flushed when this returns; None if it is here already, open or answered.

        Raises OSError, and EvidenceFullError.
        """
        offered_note = note.spell()
        mark = hashlib.sha256(f"{kind}\n{known.size}\n{known.root.hex()}\n{note.text}".encode()).hexdigest()[
            :32
        ]
        names = [*_names(self.folder), *_names(self.folder / ANSWERED)]
        if any(other == mark for _, _, other in names):
            return None
        if sum(path.parent == self.folder for path, _, _ in names) >= MAX_CASES:
            raise EvidenceFullError
        summary = {
            "kind": kind.value,
            "proven": kind.proven,
            "at": spelled(at),
            "origin": offered.origin,
            "known": {"size": known.size, "root": encode_base64(known.root), "cosigned_at": known.at},
            "offered": {"size": offered.size, "root": encode_base64(offered.root)},
        }
        files = {
            "known.note": known.note.encode(),
            "offered.note": offered_note,
            SUMMARY: (json.dumps(summary, ensure_ascii=False, indent=2) + "\n").encode(),
        }
        if offered.size != known.size:
            files["proof.txt"] = "".join(encode_base64(item) + "\n" for item in proof).encode()
        final = self.folder / f"{at:%Y%m%dT%H%M%SZ}-{kind}-{mark}"
        durable.make_dirs(self.folder, mode=0o700)
        temp = self.folder / f"{durable.TEMP_PREFIX}{secrets.token_hex(8)}"
        temp.mkdir(mode=0o700)
        for name, data in files.items():
            durable.write_new(temp / name, data)
        temp.rename(final)
        durable.fsync_dir(self.folder)
        return final

    def answer(self, origin: str, size: int, root: bytes) -> list[Case]:
        """Move suspicions of a checkpoint that was proved since to ``answered/``, and return them."""
        wanted = {"size": size, "root": encode_base64(root)}
        found = [
            case
            for case in self.cases()
            if case.kind is Kind.SUSPECTED
            and case.summary.get("origin") == origin
            and case.summary.get("offered") == wanted
        ]
        for case in found:
            durable.make_dirs(self.folder / ANSWERED, mode=0o700)
            case.path.rename(self.folder / ANSWERED / case.id)
        return found


def _names(folder: Path) -> Iterator[tuple[Path, Kind, str]]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        found = _NAME.fullmatch(path.name)
        if found is not None:
            yield path, Kind(found[2]), found[3]


def _summary(path: Path) -> dict[str, Any]:
    try:
        with (path / SUMMARY).open("rb") as file:
            value = json.loads(file.read(_MAX_SUMMARY))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
