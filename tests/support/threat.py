"""An attack by somebody inside, and who finds it: told in words that are made from what was seen.

A test carries ``threat(title, found)``: its row of docs/threats.md. ``Attack`` runs the tools afterwards,
notes what each says, and compares it with the row.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.station import Ran, Station


def threat(title: str, found: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of a row: what is done, and what finds it."""
    return pytest.mark.threat(title, found)


@dataclass
class Attack:
    """What the tools say after an attack."""

    title: str
    found: str
    ended: bool = False
    _seen: list[str] = field(default_factory=list)

    def checked(self, station: Station) -> dict[str, Any]:
        """Run ``ledger check``; tell what differs, each kind and table once."""
        ran = station.run("ledger", "check", "--json")
        found: dict[str, Any] = ran.json
        words = {
            f"{item['what']} ({item['table']})" if item["table"] else str(item["what"])
            for item in found["differences"]
        }
        self.told("ledger check", ran, sorted(words))
        return found

    def verified(self, station: Station) -> None:
        """Run a full ``verify``; tell what failed."""
        ran = station.run("verify", "--level", "full", "--json")
        self.told("verify", ran, sorted({row["problem"] for row in ran.json["failed"]}))

    def refused(self, what: str, ran: Ran) -> None:
        """Tell which error a command ended with."""
        self.told(what, ran, [ran.error["error"]])

    def completed(self, station: Station, recorder: str) -> None:
        """Run ``dockings`` for a recorder; tell the kinds of grave findings."""
        ran = station.run("dockings", recorder, "--json")
        grave = {item["kind"] for item in ran.json["findings"] if item["severity"] == "grave"}
        self.told("dockings", ran, sorted(grave))

    def saw(self, what: str) -> None:
        """Tell what the lines before have asserted."""
        self._seen.append(what)

    def ends(self) -> None:
        """Compare what was seen with the row."""
        assert "; ".join(self._seen) == self.found
        self.ended = True

    def told(self, command: str, ran: Ran, words: list[str]) -> None:
        """Tell how a command ended, and the words that it said."""
        assert "Traceback" not in ran.err, ran.err
        told = ", ".join(f"`{word}`" for word in words) or "nothing"
        self._seen.append(f"`{command}` {ran.code}: {told}")


def told(item: pytest.Item) -> Attack:
    """Return the attack of a test that carries a row."""
    mark = item.get_closest_marker("threat")
    assert mark is not None, f"{item.name} has no row in the table of threats"
    title, found = mark.args
    assert "|" not in title + found
    return Attack(title, found)
