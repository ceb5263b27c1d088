import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.liveness import FILE, Beat, Heart, Watchdog, look
from tests.support.station import until

CODE = """
import sys, time
from pathlib import Path
from jobs.liveness import Heart
with Heart(Path(sys.argv[1]), 1.0) as heart:
    print("beating", flush=True)
    for line in sys.stdin:
        heart.beat()
        print("beat", flush=True)
"""


def test_without_a_service_there_is_no_beat(tmp_path: Path) -> None:
    assert look(tmp_path) is None
    with Heart(tmp_path, 5):
        pass
    assert (tmp_path / FILE).exists()
    assert look(tmp_path) is None


def test_a_service_is_alive_stuck_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "beating\n"
        assert found_beat(tmp_path).alive
        until(lambda: not found_beat(tmp_path).alive, within=10)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "beat\n"
        assert found_beat(tmp_path).alive
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert look(tmp_path) is None


def found_beat(home: Path) -> Beat:
    found = look(home)
    assert found is not None
    return found


def test_a_beat_that_cannot_be_written_still_counts_here(tmp_path: Path) -> None:
    with Heart(tmp_path, 5) as heart:
        assert heart._fd is not None
        os.close(heart._fd)
        before = heart._last
        time.sleep(0.01)
        heart.beat()
        assert heart._last > before
        heart._fd = None


def test_the_service_manager_hears_nothing_of_a_stuck_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    alive = [True]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        with Watchdog(lambda: alive[0]):
            assert manager.recv(100) == b"WATCHDOG=1"
            assert manager.recv(100) == b"WATCHDOG=1"
            alive[0] = False
            manager.settimeout(0.5)
            with pytest.raises(TimeoutError):
                while True:
                    manager.recv(100)
