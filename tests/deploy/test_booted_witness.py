"""A witness as it is installed: its unit, its confinement and its alarm under a real systemd."""

import os
from pathlib import Path

import pytest

from jobs.witnessing_client import WitnessRefusedError, add_checkpoint
from tests.support.booted import booted, cannot_boot
from tests.support.ledger import LOG
from tests.support.station import until
from tests.support.witnessing import Log

pytestmark = [pytest.mark.root, pytest.mark.slow]

DIR = "/var/lib/sealdock-witness"
OWN = ("runuser", "-u", "sealdock-witness", "--", "/opt/sealdock/.venv/bin/sealdock", "witness")
HOOK = '#!/bin/sh\ncat >>/run/alarms/"$1"\n'


def test_a_witness_serves_refuses_and_alarms(tmp_path: Path) -> None:
    if problem := cannot_boot():
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    with booted(tmp_path) as machine:
        machine.run("/opt/sealdock/deploy/install.sh", "--witness")
        machine.run("sh", "-c", f"mkdir /run/alarms && printf '%s' '{HOOK}' >/etc/sealdock/alarm")
        machine.run("chmod", "755", "/etc/sealdock/alarm")
        machine.run("sh", "-c", "echo SEALDOCK_WITNESS_LISTEN=127.0.0.1:0 >/etc/sealdock/witness")
        machine.run(*OWN, "init", DIR, "--name", "witness.example/w")
        machine.run(*OWN, "add-log", DIR, str(LOG.vkey))
        machine.run("systemctl", "start", "sealdock-witness")  # returns when it is ready
        status = machine.run("systemctl", "show", "sealdock-witness", "-p", "StatusText", "--value").stdout
        url = status.split()[-1]
        log, fork = Log().grow(5), Log().grow(5, "other")
        assert len(add_checkpoint(url, 0, [], log.note().spell())) == 1
        machine.run("systemctl", "start", "sealdock-witness-evidence")
        with pytest.raises(WitnessRefusedError):
            add_checkpoint(url, 5, [], fork.note().spell())
        assert machine.run("systemctl", "start", "sealdock-witness-evidence", check=False).returncode != 0
        hook = ("sh", "-c", "cat /run/alarms/sealdock-witness-evidence.service 2>/dev/null || true")
        until(lambda: "evidence against logs: 1 forks" in machine.run(*hook).stdout)
        told = machine.run("journalctl", "--unit=sealdock-witness", "--output=cat", "--no-pager").stdout
        assert '"event": "witness-fork"' in told
        log.grow(3)
        assert len(add_checkpoint(url, 5, log.proof(5), log.note().spell())) == 1
        machine.run("systemctl", "stop", "sealdock-witness")
        assert "inactive" in machine.run("systemctl", "is-active", "sealdock-witness", check=False).stdout
        owners = machine.run(
            "sh", "-c", f"stat -c %U:%a {DIR} {DIR}/witness.key {DIR}/evidence"
        ).stdout.split()
        assert owners == ["sealdock-witness:700", "sealdock-witness:600", "sealdock-witness:700"]
