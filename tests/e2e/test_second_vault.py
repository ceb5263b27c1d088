"""A second vault: what is docked goes to both, what one lacks comes from the other, and verify looks at both."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import Station, by_path, clip_key, digest_of, flip, make_card, thaw, writable

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"a.mp4": b"a" * 5000, "b.mp4": bytes(300_000), "c.txt": b""}
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}
OPTIONAL = {"SEALDOCK_SECOND_VAULT_REQUIRED": "false"}


@dataclass(frozen=True)
class Pair(Station):
    """A home with two vaults in folders."""

    @property
    def second(self) -> Path:
        return self.home.parent / "second"

    def keys_in(self, vault: Path) -> list[str]:
        return [
            key for key in sorted(str(path.relative_to(vault)) for path in vault.rglob("*") if path.is_file())
            if not key.startswith(".")
        ]  # fmt: skip


def with_second(station: Station) -> Pair:
    """Return a home that has a second vault from now on."""
    settings = {
        "SEALDOCK_SECOND_VAULT_URL": (station.home.parent / "second").as_uri(),
        "SEALDOCK_SECOND_VAULT_ALLOW_ADVISORY": "true",
        "SEALDOCK_SECOND_VAULT_IMMUTABLE": "off",
    }
    return Pair(station.home, {**station.environment, **settings}, station.wrapper)


@pytest.fixture
def pair(station: Station) -> Pair:
    """A fresh home with two vaults."""
    pair = with_second(station)
    pair.ok("vault", "prepare")
    return pair


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card", FILES)


def same_in_both(pair: Pair) -> list[str]:
    """Check that both vaults hold the same, that the register says so, and return the keys."""
    keys = pair.stored_keys()
    assert pair.keys_in(pair.second) == keys
    for key in keys:
        assert (pair.second / key).read_bytes() == (pair.vault / key).read_bytes()
        assert (pair.second / ".locks" / f"{key}.json").exists()
    for name in ("main", "second"):
        noted = "SELECT key FROM stored_version WHERE vault = ? AND confirmed_at IS NOT NULL ORDER BY key"
        assert [row[0] for row in pair.rows(noted, name)] == keys
    assert list(pair.spool.glob("*")) == []
    return keys


def facts(pair: Pair, kind: str) -> list[dict[str, Any]]:
    import json  # noqa: PLC0415

    return [
        json.loads(row[0])["facts"]
        for row in pair.rows("SELECT body FROM custody_event WHERE kind = ? ORDER BY sequence", kind)
    ]


def test_a_docking_with_two_vaults(pair: Pair, card: Path) -> None:
    docked = pair.dock(card)
    assert docked["ok"]
    keys = same_in_both(pair)
    assert len(keys) == 3 * 3 + 4
    stored = facts(pair, "stored")[0]
    assert (stored["vault"], stored["second"]["vault"]) == (pair.vault.as_uri(), pair.second.as_uri())
    assert facts(pair, "confirmed")[0]["second"]["confirmation"] == "full"
    status = pair.json("status")["second_vault"]
    assert (status["required"], status["lacks"], status["problem"]) == (True, 0, None)
    assert pair.json("verify", "--level", "full")["checked"] == 3
    # A known card is not read again, and both vaults are asked for what it holds.
    shutil.rmtree(pair.second / "clips" / "sha256" / digest_of(FILES["b.mp4"])[:2])
    assert pair.dock(card)["ok"]
    same_in_both(pair)
    assert facts(pair, "restored") == [{"problem": "second: missing"}]
    assert pair.json("reconcile")["findings"] == []


def test_the_second_vault_is_away_while_docking(pair: Pair, card: Path) -> None:
    pair.second.rename(pair.second.with_name("unplugged"))
    docked = pair.dock(card, code=33, **IMPATIENT)
    reasons = {(clip["state"], clip["reason"]) for clip in docked["clips"]}
    assert reasons == {("waiting", "second-vault-unavailable")}
    assert len(list(pair.spool.iterdir())) == 3
    assert pair.json("status")["second_vault"]["problem"]
    pair.second.with_name("unplugged").rename(pair.second)
    assert pair.dock(card)["ok"]
    same_in_both(pair)
    # Without it a clip is safe all the same where it is not required.
    pair.second.rename(pair.second.with_name("unplugged"))
    more = make_card(card, {"d.mp4": b"d"})
    assert pair.dock(more, **OPTIONAL)["ok"]
    pair.second.with_name("unplugged").rename(pair.second)
    assert pair.json("status")["second_vault"]["lacks"] == 3 + 4
    assert pair.json("vault", "copy")["copied"] == 3 + 4
    same_in_both(pair)


def test_an_old_home_is_given_a_second_vault(station: Station, card: Path) -> None:
    assert station.dock(card)["ok"]
    station.ok("hold", "set", digest_of(FILES["a.mp4"])[:12], "--reason", "complaint")
    pair = with_second(station)
    assert pair.run("vault", "copy", "--json").expect(55).error["error"] == "vault-unavailable"
    pair.ok("vault", "prepare")
    assert pair.json("verify", "--level", "full")["ok"] is True
    assert pair.json("status")["second_vault"]["lacks"] == 13
    assert pair.run("retrieve", digest_of(FILES["a.mp4"])[:12], "--purpose", "x", "--to", pair.home.parent / "o").code == 0
    killed = replace(pair, wrapper=(str(KILLED), "after:jobs.copying:bring:3"))
    assert killed.run("vault", "copy").code == -9
    killed = replace(pair, wrapper=(str(KILLED), "before:commit:1"))
    assert killed.run("vault", "copy").code == -9
    (pair.second / "clips").is_dir()
    done = pair.json("vault", "copy")
    assert (done["failed"], done["remaining"], done["finished"]) == (0, 0, True)
    same_in_both(pair)
    assert pair.json("vault", "copy")["copied"] == 0
    query = "SELECT count(*) FROM custody_event WHERE kind = 'copied'"
    assert pair.value(query) == 3 + 3 + 1


KILLED = Path(__file__).resolve().parents[1] / "support" / "killed.py"
