"""What surrounds a docking fails: disks, register, keys, settings, clocks. A clear error, nothing lost."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metadata.clock import kernel_synchronised
from tests.support.station import (
    Station,
    clip_key,
    digest_of,
    ended,
    make_card,
    openssl_accepts,
    picture,
    sealed_document,
    until,
)

pytestmark = pytest.mark.slow

as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")

IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}
NO_ROOM = str(1 << 60)
FILES: dict[str | bytes, bytes] = {"a.mp4": b"a", "folder/b.mp4": bytes(300_000), "empty.txt": b""}


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card", FILES)


@pytest.fixture(scope="module")
def undisturbed(blank: Station, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    station = blank.copy(folder / "home")
    station.dock(make_card(folder / "card", FILES))
    return picture(station)


def check_converged(station: Station, undisturbed: dict[str, object]) -> None:
    """All is as if nothing had failed, but for the events that say that it did."""
    shown = picture(station)
    for kinds in shown["events"].values():
        while "waiting" in kinds:
            kinds.remove("waiting")
    assert shown == undisturbed


def test_no_room_in_the_spool(station: Station, card: Path, undisturbed: dict[str, object]) -> None:
    found = station.dock(card, code=33, **IMPATIENT, SEALDOCK_SPOOL_MIN_FREE_BYTES=NO_ROOM)
    assert {(clip["state"], clip["reason"]) for clip in found["clips"]} == {("waiting", "spool-full")}
    assert found["ok"] is False
    told = station.json("status")
    assert told["clips"] == {"waiting": 3}
    assert told["unfinished_dockings"] == [found["docking"]]
    assert list(station.vault.glob("clips/*/*/*")) == []

    again = station.dock(card)
    assert again["docking"] == found["docking"]
    check_converged(station, undisturbed)


def test_a_vault_that_is_away(station: Station, card: Path, undisturbed: dict[str, object]) -> None:
    station.vault.rename(station.home / "unmounted")
    station.vault.mkdir()  # what an unmounted disk leaves
    found = station.dock(card, code=33, **IMPATIENT)
    assert {(clip["state"], clip["reason"]) for clip in found["clips"]} == {("waiting", "vault-unavailable")}
    assert len(list(station.spool.iterdir())) == 3
    assert list(station.vault.iterdir()) == []
    station.vault.rmdir()
    (station.home / "unmounted").rename(station.vault)
    station.dock(card)
    check_converged(station, undisturbed)


@as_user
def test_a_vault_that_may_not_be_written(
    station: Station, card: Path, undisturbed: dict[str, object]
) -> None:
    station.vault.chmod(0o555)
    try:
        found = station.dock(card, code=33, **IMPATIENT)
    finally:
        station.vault.chmod(0o755)
    assert {(clip["state"], clip["reason"]) for clip in found["clips"]} == {("waiting", "vault-unavailable")}
    station.dock(card)
    check_converged(station, undisturbed)


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Hold a database's write lock."""
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def test_a_register_that_another_process_holds_for_a_while(
    station: Station, card: Path, undisturbed: dict[str, object]
) -> None:
    with held(station.register):
        process = station.start("dock", card, "--json")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=6)
    assert ended(process).expect(0).json["ok"] is True
    check_converged(station, undisturbed)


def test_a_register_that_another_process_holds_for_long(station: Station, card: Path) -> None:
    with held(station.register):
        refused = station.run("case", "add", "苏吴城管罚字〔2026〕第1号", "--json").expect(60)
    assert refused.error["retriable"] is True
    assert station.dock(card)["ok"]


@pytest.mark.parametrize("command", [("dock", "CARD"), ("verify",), ("status",)])
def test_a_register_that_is_damaged(station: Station, card: Path, command: tuple[str, ...]) -> None:
    with station.register.open("r+b") as file:
        file.write(b"not a database at all, not any more")
    for leftover in ("register.db-wal", "register.db-shm"):
        (station.home / leftover).unlink(missing_ok=True)
    words = [str(card) if word == "CARD" else word for word in command]
    refused = station.run(*words).expect(61)
    assert refused.out == b""
    assert "damaged" in refused.err
    assert station.run(*words, "--json").expect(61).error["error"] == "register-corrupt"


def test_no_register_or_no_home(station: Station, card: Path) -> None:
    station.register.unlink()
    assert station.run("dock", card, "--json").expect(74).error["error"] == "register-missing"
    assert not station.register.exists()
    nowhere = replace(station, home=station.home / "nowhere" / "at all")
    nowhere.home.parent.mkdir()
    assert "init" in nowhere.run("dock", card).expect(14).err
    assert not nowhere.home.exists()


def test_a_key_that_others_may_read(station: Station, card: Path) -> None:
    key = station.home / "keys" / "station.key"
    key.chmod(0o640)
    refused = station.run("dock", card, "--json").expect(46)
    assert refused.error["facts"] == {"path": str(key), "mode": "0640"}
    assert station.value("SELECT count(*) FROM docking") == 0
    key.chmod(0o600)
    certificate = key.with_suffix(".pem")
    certificate.write_bytes(certificate.with_name("authority.pem").read_bytes())
    assert station.run("dock", card, "--json").expect(47).error["error"] == "key-file-invalid"


def test_a_typing_error_in_the_settings(station: Station, card: Path) -> None:
    settings = station.home / "sealdock.toml"
    text = settings.read_text()
    settings.write_text(f"{text}\n[docking]\npatience_secondz = 3\n")
    refused = station.run("dock", card, "--json").expect(10)
    assert refused.error["facts"] == {
        "key": "docking.patience_secondz",
        "nearest": "docking.patience_seconds",
    }
    settings.write_text(text)
    variable = station.run("status", "--json", SEALDOCK_VAULT_ULR="file:///vault").expect(10)
    assert variable.error["facts"]["nearest"] == "SEALDOCK_VAULT_URL"
    settings.write_text(f"{text}\n[docking]\nparallel = 0\n")
    assert station.run("status", "--json").expect(11).error["facts"]["key"] == "docking.parallel"
    settings.write_text(f'{text}\n[timestamp]\nurl = "https://me:hunter2@tsa.example/"\n')
    secret = station.run("status", "--json").expect(13)
    assert "hunter2" not in secret.err
    settings.write_text(f"{text}\n[docking\n")
    assert station.run("status").expect(12).err


def test_two_dockings_of_different_cards_at_once(station: Station, tmp_path: Path) -> None:
    cards = [
        make_card(tmp_path / f"card{number}", {f"{number}-{i}.mp4": bytes([i]) * 200_000 for i in range(6)})
        for number in range(3)
    ]
    started = [station.start("dock", card, "--json") for card in cards]
    found = [ended(process).expect(0).json for process in started]
    assert len({docked["docking"] for docked in found}) == 3
    for number, docked in enumerate(found):
        assert docked["ok"]
        assert {clip["name"][0] for clip in docked["clips"]} == {str(number)}
    shown = picture(station)
    assert len(shown["clips"]) == 18
    assert set(shown["seals"].values()) == {1}
    assert all(len(set(kinds)) == len(kinds) for kinds in shown["events"].values())
    assert shown["spool"] == []


def test_two_dockings_of_the_same_card_at_once(
    station: Station, card: Path, undisturbed: dict[str, object]
) -> None:
    started = [station.start("dock", card, "--json") for _ in range(2)]
    found = [ended(process).expect(0).json for process in started]
    assert all(docked["ok"] for docked in found)
    ids = [{clip["id"] for clip in docked["clips"]} for docked in found]
    assert ids[0] == ids[1]
    check_converged(station, undisturbed)


def test_the_holder_of_the_engine_dies_and_the_other_goes_on(station: Station, tmp_path: Path) -> None:
    first = make_card(tmp_path / "first", {f"{i}.mp4": bytes([i]) * 20_000_000 for i in range(4)})
    second = make_card(tmp_path / "second", {f"{i}.mp4": bytes([i]) * 1000 for i in range(4, 8)})
    holder = station.start("dock", first, "--json")
    until(lambda: station.spool.exists() and list(station.spool.iterdir()))
    other = station.start("dock", second, "--json")
    until(lambda: station.value("SELECT count(*) FROM docking") > 0)
    time.sleep(0.5)
    holder.kill()
    ended(holder)
    assert ended(other).expect(0).json["ok"] is True
    assert station.dock(first)["ok"]
    shown = picture(station)
    assert len(shown["clips"]) == 8
    assert set(shown["seals"].values()) == {1}
    assert shown["spool"] == []


LONGEST = timedelta(days=400 + 31 * 13)
"""How far from what the register vouches for a lock may reach: a year's rest, then the cap."""


def check_wrong_clock(station: Station, card: Path, moment: str) -> None:
    """Dock with the station's clock set to a moment that cannot be right."""
    before = datetime.now(UTC)
    wrong = replace(station, wrapper=("-c", _AT.format(moment=moment)))
    found = wrong.run("dock", card, "--json").expect(0).json
    assert found["ok"] is True
    for digest in {clip["sha256"] for clip in found["clips"]}:
        until_when = station.lock(clip_key(digest))
        assert before + timedelta(days=150) < until_when < before + LONGEST
    assert station.value("SELECT count(*) FROM alert WHERE kind = 'clock-implausible'") == 1
    assert station.value("SELECT clock_plausible FROM docking") == 0
    # A right clock again: nothing has to be mended.
    assert station.json("verify", "--level", "full")["ok"] is True
    assert station.json("clock")["plausible"] is True


_AT = """
from datetime import UTC, datetime
from metadata import clock
clock.StationClock.__init__.__defaults__ = (lambda: datetime.fromisoformat("{moment}"), lambda: None)
import cli
cli.main()
"""


@pytest.mark.parametrize("moment", ["1970-01-01T00:05:00+00:00", "2120-01-01T00:00:00+00:00"])
def test_a_wrong_clock_locks_nothing_for_a_century(station: Station, card: Path, moment: str) -> None:
    check_wrong_clock(station, card, moment)


@pytest.mark.parametrize("moment", ["1971-01-01 00:00:00", "2120-01-01 00:00:00"])
def test_a_wrong_clock_of_the_whole_computer(station: Station, card: Path, moment: str) -> None:
    if kernel_synchronised():
        pytest.skip("this computer's clock is disciplined, so that a time that runs ahead is believed")
    before = datetime.now(UTC)
    done = subprocess.run(
        ["faketime", "-m", moment, sys.executable, "-m", "cli", "dock", str(card)],
        cwd=card.parent, env=station.variables(), capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr.decode()
    assert b"CLOCK: this time cannot be right" in done.stdout
    for data in FILES.values():
        assert station.object(digest_of(data)).read_bytes() == data
        locked = station.lock(clip_key(digest_of(data)))
        assert before + timedelta(days=150) < locked < before + LONGEST
    assert station.value("SELECT count(*) FROM alert WHERE kind = 'clock-implausible'") == 1
    assert station.json("verify", "--level", "full")["ok"] is True
    assert station.dock(card)["clock_plausible"] is True
    for seal in station.vault.glob("seals/*/*.p7s"):
        assert openssl_accepts(station, seal, sealed_document(seal))


@pytest.mark.parametrize("moment", ["1971-01-01 00:00:00", "2120-01-01 00:00:00"])
def test_no_home_is_made_with_a_wrong_clock(tmp_path: Path, moment: str) -> None:
    station = Station(tmp_path / "home")
    done = subprocess.run(
        ["faketime", "-m", moment, sys.executable, "-m", "cli", "init", "--json"],
        cwd=tmp_path, env=station.variables(), capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 16, done.stderr.decode()
    assert not station.home.exists()


def test_an_authority_that_is_down(station: Station, card: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        settings = {
            "SEALDOCK_TIMESTAMP_URL": url,
            "SEALDOCK_TIMESTAMP_TRUST_ROOTS": str(station.home / "keys" / "authority.pem"),
        }
        assert station.dock(card, **settings)["ok"] is True
        assert station.json("status", **settings)["timestamps"] == {"timestamped": 0, "pending": 3}
        told = station.run("seals", "complete", "--json", **settings).expect(1)
    assert told.json == {"completed": 0, "pending": 3}
    assert station.json("verify", "--level", "full")["ok"] is True


def test_a_sandbox_that_cannot_work_keeps_no_clip_back(station: Station, card: Path, tmp_path: Path) -> None:
    """Without ffprobe nothing is known of a clip but its bytes, and these are kept."""
    tools = tmp_path / "tools"
    tools.mkdir()
    found = station.dock(card, PATH=str(tools))
    assert found["ok"] is True
    assert {clip["condition"] for clip in found["clips"]} <= {"unknown", "empty", "not_media"}
