"""A second vault: a docking fills both, one gives what the other lacks, and every command knows of both."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.pair import KILLED, Pair, with_second
from tests.support.station import WRITTEN, Station, clip_key, digest_of, flip, make_card, writable
from tests.support.tsa import Behaviour, authority

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"a.mp4": b"a" * 5000, "b.mp4": bytes(300_000), "c.txt": b""}
A = digest_of(FILES["a.mp4"])
OPTIONAL = {"SEALDOCK_SECOND_VAULT_REQUIRED": "false"}
OF_A_CLIP, OF_A_DOCKING = 3, 4
"""Objects: an original, its manifest and seal; inventory, close-out and their seals."""


def of_ledger(station: Station) -> int:
    """Return how many objects the main vault holds of the ledger."""
    return sum(key.startswith(("events/", "ledger/")) for key in station.stored_keys())


@pytest.fixture
def pair(station: Station) -> Pair:
    """A fresh home with two vaults."""
    pair = with_second(station)
    pair.ok("vault", "prepare")
    return pair


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card", FILES)


def killed(pair: Pair, place: str, *command: str | Path) -> None:
    found = replace(pair, wrapper=(KILLED, place)).run(*command)
    assert found.code == -signal.SIGKILL, place


def test_a_docking_fills_both(pair: Pair, card: Path, video: Path) -> None:
    make_card(card, {"v.mp4": video.read_bytes()})
    with authority(card.parent / "tsa") as tsa:
        timestamps = {"SEALDOCK_TIMESTAMP_URL": tsa.url, "SEALDOCK_TIMESTAMP_TRUST_ROOTS": str(tsa.root_path)}
        tsa.behaviour = Behaviour.GARBAGE
        assert pair.dock(card, **timestamps)["ok"]
        assert len(pair.same_in_both()) == 4 * OF_A_CLIP + OF_A_DOCKING + of_ledger(pair)
        # What comes later goes to both as well.
        tsa.behaviour = Behaviour.GOOD
        pair.ok("seals", "complete", **timestamps)
    pair.ok("derive")
    keys = pair.same_in_both()
    assert len([key for key in keys if key.endswith(".t.p7s")]) == 4
    assert any(key.startswith("derived/") for key in keys)
    stored, confirmed = pair.facts("stored")[0], pair.facts("confirmed")[0]
    assert (stored["vault"], stored["second"]["vault"]) == (pair.vault.as_uri(), pair.second.as_uri())
    assert confirmed["second"]["confirmation"] == "full"
    status = pair.json("status")["second_vault"]
    assert (status["required"], status["lacks"], status["problem"]) == (True, 0, None)
    assert pair.json("reconcile")["findings"] == []
    # A card that is known is not read again; both vaults are asked, and one mends the other.
    shutil.rmtree((pair.second / clip_key(A)).parent)
    assert pair.dock(card)["ok"]
    assert pair.facts("restored") == [{"problem": "second: missing"}]
    (pair.vault / clip_key(A)).unlink()
    (card / "a.mp4").rename(card.parent / "a.mp4")
    (again,) = pair.json("reconcile", "--repair")["findings"]
    assert (again["kind"], again["vault"], again["repaired"]) == ("missing-here", "main", True)
    pair.same_in_both()
    assert pair.json("verify", "--level", "full")["checked"] == 4


def test_one_that_is_not_required_is_filled_later(pair: Pair, card: Path) -> None:
    assert pair.dock(card)["ok"]
    published = of_ledger(pair)
    pair.second.rename(pair.unplugged)
    assert pair.dock(make_card(card, {"d.mp4": b"d"}), **OPTIONAL)["ok"]
    found = pair.run("verify", "--json", **OPTIONAL).expect(55)
    assert (found.json["checked"], found.json["ok"]) == (4, True)
    pair.unplugged.rename(pair.second)
    lacks = OF_A_CLIP + OF_A_DOCKING + of_ledger(pair) - published
    assert pair.json("status")["second_vault"]["lacks"] == lacks
    assert pair.json("vault", "copy")["copied"] == lacks
    pair.same_in_both()


def test_one_gives_back_what_the_spool_lost(pair: Pair, card: Path) -> None:
    """The main vault had taken the copy over, the process was killed, and the second vault lost its own."""
    only = make_card(card.parent / "other", {"a.mp4": FILES["a.mp4"]})
    killed(pair, "after:storage.local:LocalVault.put_file:2", "dock", only)
    (pair.second / clip_key(A)).unlink()
    only.rename(card.parent / "pocket")
    assert pair.dock(card)["ok"]
    assert pair.value("SELECT count(*) FROM clip WHERE state = 'released' AND name = 'a.mp4'") == 2
    pair.same_in_both()


def test_it_becomes_required_in_the_middle(station: Station, card: Path) -> None:
    single = replace(station, wrapper=(KILLED, "after:jobs.storing:_stored:1"))
    assert single.run("dock", card).code == -signal.SIGKILL
    pair = with_second(station)
    pair.ok("vault", "prepare")
    assert pair.dock(card)["ok"]
    pair.same_in_both()


def test_an_old_home_is_given_one(station: Station, card: Path) -> None:
    assert station.dock(card)["ok"]
    station.ok("hold", "set", A, "--reason", "complaint")
    pair = with_second(station)
    assert pair.run("vault", "copy", "--json").expect(55).error["error"] == "vault-unavailable"
    pair.ok("vault", "prepare")
    assert pair.json("verify", "--level", "full")["ok"] is True
    assert pair.json("status")["second_vault"]["lacks"] == 3 * OF_A_CLIP + OF_A_DOCKING + of_ledger(pair)
    killed(pair, "after:jobs.copies:fetch:1", "vault", "copy")
    assert {path.name.lstrip(".")[:5] for path in pair.spool.iterdir()} == {"copy-"}
    for path in pair.spool.iterdir():
        os.utime(path, (WRITTEN, WRITTEN))  # a while ago: nobody makes it now
    findings = pair.json("reconcile", "--repair")["findings"]
    # The kill met others at work on the second vault.
    assert {item["kind"] for item in findings} - {"temp-file", "orphan"} == {"spool-safe"}
    assert {item["repaired"] for item in findings} == {True}
    killed(pair, "before:commit:1", "vault", "copy")
    killed(pair, "after:jobs.copying:bring:3", "vault", "copy")
    done = pair.json("vault", "copy")
    assert (done["failed"], done["remaining"], done["finished"]) == (0, 0, True)
    pair.same_in_both()
    assert pair.json("vault", "copy")["copied"] == 0
    # Who copies need not have the right to hold; the next roll makes up for it.
    assert [item["in_vault"] for item in pair.json("hold", "list")] == [False]
    pair.ok("locks", "roll")
    assert [item["in_vault"] for item in pair.json("hold", "list")] == [True]
    # An event for each clip's bytes, for what was sealed of each, for the docking, and for the ledger.
    assert sum(len(facts["versions"]) for facts in pair.facts("copied")) == len(pair.stored_keys())
    assert len(pair.facts("copied")) == 3 + 3 + 1 + 3 + 1
    # What it loses later is brought again.
    (pair.second / clip_key(A)).unlink()
    failed = pair.run("verify", "--json").expect(44).json["failed"]
    assert [(item["problem"], item["vault"]) for item in failed] == [("second: missing", "second")]
    assert pair.json("vault", "copy")["copied"] == 1
    # Nothing is brought that is not what it should be, and the rest is.
    flip(pair.vault / clip_key(A))
    (pair.second / clip_key(A)).unlink()
    (pair.second / clip_key(digest_of(b""))).unlink()
    report = pair.run("vault", "copy", "--json").expect(83)
    assert (report.json["copied"], report.json["failed"]) == (1, 1)
    assert report.json["failures"] == [{"key": clip_key(A), "problem": "digest-mismatch"}]
    assert pair.json("status")["alert_counts"]["copy-failed"] == 1


def test_copying_names_one_whose_length_changed(pair: Pair, card: Path) -> None:
    assert pair.dock(card)["ok"]
    with writable(pair.second / clip_key(A)) as path:
        path.write_bytes(path.read_bytes() + b"x")
    report = pair.run("vault", "copy", "--json").expect(83)
    assert report.json["failures"] == [{"key": clip_key(A), "problem": "object-conflict"}]
    assert report.json["copied"] == 0


def test_retrieve_falls_back(pair: Pair, card: Path, tmp_path: Path) -> None:
    assert pair.dock(card)["ok"]

    def given(name: str) -> str:
        (found,) = pair.json("retrieve", A, "--purpose", "review", "--to", tmp_path / name)
        assert Path(found["file"]).read_bytes() == FILES["a.mp4"]
        return str(found["vault"])

    assert given("whole") == "main"
    flip(pair.vault / clip_key(A))
    assert given("changed") == "second"
    (pair.vault / clip_key(A)).unlink()
    assert given("lost") == "second"
    pair.vault.rename(tmp_path / "away")
    assert given("away") == "second"
    (tmp_path / "away").rename(pair.vault)
    assert [facts.get("vault") for facts in pair.facts("retrieved")] == [None, "second", "second", "second"]
    assert pair.json("status")["alert_counts"] == {"digest": 1, "integrity": 1}
    flip(pair.second / clip_key(A))
    refused = pair.run("retrieve", A, "--purpose", "x", "--to", tmp_path / "none", "--json")
    assert refused.code == 50
    assert not list((tmp_path / "none").iterdir())


def test_a_recorder_is_cleared_when_both_read_back(pair: Pair, card: Path) -> None:
    assert pair.dock(card)["ok"]
    flip(pair.second / clip_key(A))
    pair.dock(card, SEALDOCK_CLEARING_POLICY="after-confirm")
    assert [path.name for path in card.iterdir()] == ["a.mp4"]
    assert [facts["problem"] for facts in pair.facts("clearing-refused")] == ["digest-mismatch"]


def test_init_prepares_both(tmp_path: Path) -> None:
    pair = with_second(Station(tmp_path / "home"))
    pair.run("init", SEALDOCK_SECOND_VAULT_ALLOW_ADVISORY="false").expect(77)
    refused = pair.run("init", "--json", SEALDOCK_SECOND_VAULT_URL=pair.vault.as_uri()).expect(11).error
    assert refused["facts"]["key"] == "second_vault.url"
    assert pair.json("init")["second_vault"] == pair.second.as_uri()
    assert (pair.second / ".locks").is_dir()


def test_locks_and_holds_on_both(pair: Pair, card: Path) -> None:
    assert pair.dock(card, SEALDOCK_RETENTION_LOCK_CAP_MONTHS="1")["ok"]
    every = 2 * len(pair.stored_keys())
    assert {row["vault"] for row in pair.json("locks", "list")} == {"main", "second"}
    pair.second.rename(pair.unplugged)
    away = pair.run("locks", "roll", "--json").expect(49).json
    assert (away["extended"], away["finished"]) == (every // 2, False)
    assert {item["vault"] for item in away["failures"]} == {"second"}
    pair.unplugged.rename(pair.second)
    assert pair.json("locks", "roll")["extended"] == every // 2
    dates = pair.rows("SELECT vault, min(lock_until) FROM stored_version GROUP BY vault ORDER BY vault")
    assert dates[0][1][:10] == dates[1][1][:10]
    assert pair.json("tag", A, "--category", "case-evidence")
    extended = pair.facts("lock-extended")
    assert [facts.get("vault") for facts in extended][-2:] == [None, "second"]
    pair.ok("hold", "set", A, "--reason", "complaint")
    query = "SELECT vault, count(*) FROM stored_version WHERE held GROUP BY vault ORDER BY vault"
    assert pair.rows(query) == [("main", OF_A_CLIP), ("second", OF_A_CLIP)]
    assert [item["in_vault"] for item in pair.json("hold", "list")] == [True]
    pair.ok("hold", "release", A, "--reason", "over")
    assert pair.rows(query) == []
