"""A fault and what came of it, told in words that are made from what was seen.

A test of a fault carries ``fault(title, happened)``: its row of docs/faults.md. It lets a ``Story`` look at
each step, and ends with ``Story.ends``, which looks for every file of the card, runs ``verify`` and compares
what was seen with the row. So the page says what happened, or the test fails.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import Ran, Station, clip_key, digest_of
from tests.support.store import Store

SAFE = ("confirmed", "released")
_REDACTED = re.compile(r"[|\n]")


def fault(title: str, happened: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of a row: the fault and what is done, and what happens then."""
    return pytest.mark.fault(title, happened)


@dataclass(frozen=True)
class Scene:
    """A home and a card, and how to look at both without the code that is tested.

    ``digests`` are those of the card's files by path, as they were before the fault. ``fetch`` returns the
    SHA-256 of what the vault keeps under a key as one version.
    """

    station: Station
    card: Path
    digests: dict[str, str]
    rows: Callable[[str], list[tuple[Any, ...]]]
    fetch: Callable[[str, str], str]

    @classmethod
    def of(cls, station: Station, card: Path) -> "Scene":
        """Look at a home with a local vault, and at a card as it is now."""
        digests = {str(path.relative_to(card)): digest_of(path) for path in card.rglob("*") if path.is_file()}

        def fetch(key: str, _version: str) -> str:
            return digest_of(station.vault / key)

        return cls(station, card, digests, station.rows, fetch)

    def in_bucket(self, store: Store, bucket: str) -> "Scene":
        """Look into a bucket, through a client that knows nothing of this project."""
        client = store.client(store.station)

        def fetch(key: str, version: str) -> str:
            return digest_of(client.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read())

        return replace(self, fetch=fetch)

    def safe(self) -> set[str]:
        """Return the digests of clips that count as safe; each of them must be in the vault."""
        versions = {row[0]: row[1] for row in self.rows("SELECT key, version FROM stored_version")}
        query = "SELECT sha256 FROM clip WHERE state IN ('confirmed', 'released')"
        found = {row[0] for row in self.rows(query)}
        for digest in found:
            key = clip_key(digest)
            assert self.fetch(key, versions[key]) == digest, f"{digest} counts as safe and is not there"
        return found

    def lost(self) -> list[str]:
        """Return the files of the card that are neither safe nor on it any more, byte for byte."""
        safe = self.safe()
        return sorted(
            path
            for path, digest in self.digests.items()
            if digest not in safe and not self._on_card(path, digest)
        )

    def check_card(self) -> None:
        """Nothing clears a card here, so every file must be on it as it was."""
        assert [path for path, digest in self.digests.items() if not self._on_card(path, digest)] == []

    def _on_card(self, path: str, digest: str) -> bool:
        there = self.card / path
        return there.is_file() and digest_of(there) == digest


@dataclass
class Story:
    """What a test sees, step by step, and the row of the table that it must amount to."""

    title: str
    happened: str
    ended: bool = False
    _seen: list[str] = field(default_factory=list)

    def ran(self, what: str, ran: Ran) -> Ran:
        """Tell how a command called with --json ended: its exit code, and the error's name."""
        assert "Traceback" not in ran.err, ran.err
        words = [f"`{ran.error['error']}`"] if ran.err.startswith("{") else []
        self._tell(what, ran.code, words)
        return ran

    def stopped(self, what: str, ran: Ran, codes: set[int]) -> Ran:
        """Tell that a command ended with one of some exit codes: which one is a matter of moments.

        The engine writes its own troubles with its disk to standard error, as it likes.
        """
        assert ran.code in codes, ran
        self._seen.append(f"`{what}` {' or '.join(str(code) for code in sorted(codes))}")
        return ran

    def docked(self, ran: Ran) -> dict[str, Any]:
        """Tell how a ``dock --json`` ended, and what became of the clips that are not safe."""
        assert "Traceback" not in ran.err, ran.err
        found: dict[str, Any] = ran.json
        fates = _fates((clip["state"], clip["reason"]) for clip in found["clips"])
        self._tell("dock", ran.code, fates or ["all safe"])
        assert found["ok"] is (ran.code == 0)
        return found

    def saw(self, what: str) -> None:
        """Tell what the lines before have asserted."""
        self._seen.append(what)

    def states(self, what: str, scene: Scene) -> None:
        """Tell what the register says of all clips; ``what`` is what was waited for."""
        fates = _fates(scene.rows("SELECT state, reason FROM clip"))
        self._seen.append(f"{what}: {', '.join(fates) or 'all safe'}")

    def alerts(self, scene: Scene) -> None:
        """Tell which kinds of alert stand in the register."""
        kinds = sorted({row[0] for row in scene.rows("SELECT kind FROM alert")})
        self._seen.append("alert " + ", ".join(f"`{kind}`" for kind in kinds) if kinds else "no alert")

    def verified(self, scene: Scene) -> None:
        """Tell what a full ``verify`` finds, clean or not."""
        ran = scene.station.run("verify", "--level", "full", "--json")
        if not ran.out:
            self.ran("verify", ran)
            return
        self._tell(
            "verify", ran.code, sorted({f"`{row['problem']}`" for row in ran.json["failed"]}) or ["clean"]
        )

    def ends(self, scene: Scene) -> None:
        """Look at it all once more, and compare with the row."""
        self.clean(scene)
        self.compare()

    @staticmethod
    def clean(scene: Scene) -> None:
        """Look at all of a home: nothing lost, the card whole, ``verify`` clean."""
        assert scene.lost() == []
        scene.check_card()
        found = scene.station.run("verify", "--level", "full", "--json").expect(0).json
        assert (found["ok"], found["failed"]) == (True, [])

    def compare(self) -> None:
        assert " → ".join(self._seen) == self.happened
        self.ended = True

    def _tell(self, command: str, code: int, words: Iterable[str]) -> None:
        self._seen.append(f"`{command}` {code}" + "".join(f", {word}" for word in words))


def _fates(states: Iterable[tuple[str, str | None]]) -> list[str]:
    """Return what became of clips that are not safe; a state that was reached is none of them."""
    found = set()
    for state, reason in states:
        if state not in SAFE:
            found.add(f"{state} (`{reason}`)" if reason else state)
        elif reason:
            found.add(f"not safe any more (`{reason}`)")
    return sorted(found)


def told(item: pytest.Item) -> Story:
    """Return the story of a test that carries a row."""
    mark = item.get_closest_marker("fault")
    assert mark is not None, f"{item.name} has no row in the table of faults"
    title, happened = mark.args
    assert not _REDACTED.search(title + happened)
    return Story(title, happened)
