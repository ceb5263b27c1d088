"""A station at work, seen from outside: its log, its metrics, its health."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.support.station import Station, ended, make_card, until

pytestmark = pytest.mark.slow

QUICK = {
    "SEALDOCK_WATCH_RESCAN_SECONDS": "0.2",
    "SEALDOCK_WATCH_QUIET_SECONDS": "0.4",
    "SEALDOCK_WATCH_STALL_SECONDS": "2",
    "SEALDOCK_WATCH_UNKNOWN_VOLUMES": "accept",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def watching(station: Station, root: Path, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    port = free_port()
    settings = {"SEALDOCK_METRICS_LISTEN": str(port), "SEALDOCK_LOG_FILE": str(log)}
    process = station.start("watch", root, **QUICK, **settings)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: ask(f"{url}/healthz")[0] == 200)
        yield process, url
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        with suppress(ValueError):
            process.communicate()


def ask(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except URLError:
        return 0, ""


def metrics(url: str) -> dict[str, float]:
    status, text = ask(f"{url}/metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_station_at_work(station: Station, root: Path, tmp_path: Path) -> None:
    assert station.run("health", "--json").expect(78).json["alive"] is False
    log = tmp_path / "events.log"
    with watching(station, root, log) as (process, url):
        make_card(root / "card", {"a.mp4": b"a" * 1000, "b.mp4": b"b" * 500})
        until(lambda: station.rows("SELECT state FROM clip") == [("released",)] * 2)
        found = metrics(url)
        assert found['sealdock_stage_clips_total{stage="confirm"}'] == 2
        assert found['sealdock_stage_bytes_total{stage="offload"}'] == 1500
        until(lambda: metrics(url)['sealdock_clips{state="released"}'] == 2, within=30)
        assert found["sealdock_register_up"] == found["sealdock_vault_up"] == 1
        assert station.ok("health").text == "The station is well.\n"
        assert ask(f"{url}/readyz")[0] == 200
        assert ask(f"{url}/nothing")[0] == 404
        process.send_signal(signal.SIGTERM)
        ended(process).expect(0)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    names = [event["event"] for event in told]
    assert names[0] == "metrics-listening"
    for name in ("clip-offloaded", "clip-sealed", "clip-stored", "clip-confirmed"):
        assert names.count(name) == 2
    (docking,) = station.rows("SELECT id, recorder_id FROM docking")
    closed = next(event for event in told if event["event"] == "docking-closed")
    assert (closed["docking"], closed["recorder"], closed["safe"]) == (*docking, True)
    assert station.run("health").expect(78).err.startswith("The station is not well: watch: not-running")


def test_register_and_vault_away_and_back(station: Station, root: Path, tmp_path: Path) -> None:
    with watching(station, root, tmp_path / "events.log") as (_, url):
        station.vault.rename(tmp_path / "vault")
        station.register.rename(tmp_path / "register")
        until(lambda: ask(f"{url}/readyz")[0] == 503)
        found = metrics(url)
        assert (found["sealdock_register_up"], found["sealdock_vault_up"]) == (0, 0)
        assert not any(name.startswith("sealdock_clips") for name in found)
        told = station.run("health", "--json").expect(78)
        assert (told.json["register"], told.json["vault"]) == ("register-missing", "vault-unavailable")
        assert told.json["alive"] is True
        assert told.error["error"] == "unhealthy"
        station.ok("health", "--alive")
        (tmp_path / "vault").rename(station.vault)
        (tmp_path / "register").rename(station.register)
        until(lambda: ask(f"{url}/readyz")[0] == 200)
        assert ask(f"{url}/healthz")[0] == 200


def test_a_service_that_is_stuck_or_killed(station: Station, root: Path, tmp_path: Path) -> None:
    with watching(station, root, tmp_path / "events.log") as (process, _):
        station.ok("health", "--alive")
        process.send_signal(signal.SIGSTOP)
        until(lambda: station.run("health", "--alive").code == 78, within=30)
        assert "watch: stuck" in station.run("health", "--alive").err
        process.send_signal(signal.SIGCONT)
        until(lambda: station.run("health", "--alive").code == 0, within=30)
        process.kill()
        process.wait()
        assert "watch: not-running" in station.run("health", "--alive").expect(78).err


def test_a_place_that_is_taken_is_an_error(station: Station, root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        told = station.run("watch", root, SEALDOCK_METRICS_LISTEN=where).expect(11)
        assert "metrics.listen" in told.err
    station.run("status", SEALDOCK_METRICS_LISTEN="nonsense").expect(11)


def test_the_log_of_a_command_is_json_unless_asked_otherwise(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"a.mp4": b"a"})
    told = station.ok("dock", card, SEALDOCK_LOG_LEVEL="info")
    assert {json.loads(line)["event"] for line in told.err.splitlines()} >= {
        "clip-confirmed",
        "docking-closed",
    }
    assert station.ok("dock", card).err == ""
    told = station.ok("dock", card, SEALDOCK_LOG_LEVEL="info", SEALDOCK_LOG_FORMAT="text")
    assert "info sealdock.docking docking-closed docking=01" in told.err
    station.run("status", SEALDOCK_LOG_FILE=os.fspath(tmp_path / "no" / "log")).expect(11)
