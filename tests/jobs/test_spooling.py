"""The watermarks, on a small disk of its own and on a disk that others fill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import spooling
from jobs.node import Node
from metadata.models import Alert
from metadata.repo import integrity
from tests.support.lacking import lacking
from tests.support.station import Station

MIB = 1 << 20


def alerts(node: Node) -> list[tuple[str, bool]]:
    with node.register.read() as session:
        return [(row.kind, row.ended_at is None) for row in session.query(Alert).order_by(Alert.id)]


def marks(node: Node, high: float, low: float) -> None:
    section = node.settings.spool.model_copy(update={"high_watermark": high, "low_watermark": low})
    object.__setattr__(node.settings, "spool", section)


def share_of(node: Node, size: int) -> float:
    """Return the share that so many bytes would have of this disk's spool, in percent."""
    free = os.statvfs(node.home).f_bavail * os.statvfs(node.home).f_frsize
    return 100 * size / (size + free - node.settings.spool.min_free_bytes)


def test_the_gate_closes_at_the_high_mark_and_opens_below_the_low_one(node: Node) -> None:
    marks(node, share_of(node, 3 * MIB), share_of(node, MIB))
    gate = spooling.Gate(node)
    assert not gate.is_high()
    node.spool.mkdir()
    copy = node.spool / "copy"
    copy.write_bytes(bytes(2 * MIB))
    assert not gate.is_high()
    copy.write_bytes(bytes(4 * MIB))
    assert gate.is_high()
    copy.write_bytes(bytes(2 * MIB))
    assert gate.is_high()  # below the high mark, and not below the low one yet
    assert alerts(node) == [("spool-high", True)]
    # A new process goes on where the last one was.
    again = spooling.Gate(node)
    assert again.is_high()
    assert alerts(node) == [("spool-high", True)]
    copy.write_bytes(bytes(MIB // 2))
    assert not again.is_high()
    assert alerts(node) == [("spool-high", False)]
    with node.register.read() as session:
        assert integrity.alert_counts(session) == {}
        assert integrity.alerts_with_answers(session, 9, every=False) == []
    copy.write_bytes(bytes(4 * MIB))
    assert again.is_high()
    assert alerts(node) == [("spool-high", False), ("spool-high", True)]


def test_what_others_fill_the_disk_with_is_not_the_spools(node: Node) -> None:
    huge = node.settings.spool.model_copy(update={"min_free_bytes": 1 << 60})
    object.__setattr__(node.settings, "spool", huge)
    assert spooling.look(node).share == 0  # no room at all: then copying itself says that the disk is full
    assert not spooling.Gate(node).is_high()


def test_the_marks_must_be_in_order(home: Station) -> None:
    told = home.run("status", "--json", SEALDOCK_SPOOL_LOW_WATERMARK="95").expect(11)
    assert "low_watermark" in told.err


@pytest.mark.root
def test_a_small_disk_fills_and_drains(home: Station, tmp_path: Path) -> None:
    """The vault is away: the spool fills to its mark, cards wait; it comes back, and all is stored."""
    worker = Path(__file__).with_name("small_spool_worker.py")
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, worker, home.home, tmp_path / "card"],
        env=home.variables(),
        capture_output=True,
        check=False,
        timeout=250,
        text=True,
    )
    if "mount" in done.stderr and "denied" in done.stderr:
        lacking("no mounts here")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["waited"] > 0
    assert told["released"] == told["clips"]
    assert told["alerts"] == {}
