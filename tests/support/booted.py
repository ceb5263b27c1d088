"""A machine with a running systemd and udev, for tests that root runs: namespaces, not a virtual machine.

It has its own processes, mounts, /etc, /var, /run, /dev and /media; programs, kernel and network are this
computer's. deploy/install.sh has run in it as on a station, with the checkout as /opt/sealdock.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.station import ROOT

_INSIDE = r"""
set -euo pipefail
mount --make-rprivate /
cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc
# Only what the test starts: nothing that this computer has enabled or that would change its kernel.
rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.requires
for unit in systemd-logind systemd-udev-trigger systemd-sysctl systemd-modules-load systemd-binfmt \
    systemd-random-seed systemd-remount-fs systemd-machine-id-commit systemd-update-utmp; do
  ln -sf /dev/null "/etc/systemd/system/$unit.service"
done
for unit in proc-sys-fs-binfmt_misc.automount dev-hugepages.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
mkdir -p /etc/udev/rules.d && ln -sf /dev/null /etc/udev/rules.d/80-net-setup-link.rules
mkdir -p "$1/opt/sealdock" && mount --bind "$1/opt" /opt && mount --rbind "$2" /opt/sealdock
# The checkout's own command names the checkout's own place.
mount --bind "$1/sealdock" /opt/sealdock/.venv/bin/sealdock
mount --bind "$1/local" /usr/local/lib && mount --bind "$1/bin" /usr/local/bin
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for node in null zero full random urandom tty console ptmx loop-control fuse; do
  [[ ! -e /dev/$node ]] || cp -a "/dev/$node" "$1/dev/"
done
mkdir "$1/dev/shm" "$1/dev/pts" && chmod 1777 "$1/dev/shm"
mount --move "$1/dev" /dev
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
# Before /tmp is another one: the folder may lie there.
mount --bind "$1/var" /var
mkdir -p /var/tmp /var/log/journal
chmod 1777 /var/tmp
for folder in /run /media /tmp; do mount -t tmpfs -o mode=755 tmpfs $folder; done
chmod 1777 /tmp && mkdir /run/lock
# Without it systemd believes that the devices are those of somebody else, and does not listen to udev.
mkdir /run/udev && touch /run/udev/control
mount -t cgroup2 cgroup2 /sys/fs/cgroup
/opt/sealdock/deploy/install.sh
# As systemd does by itself where it is no container's.
mount --make-rshared /
export container=sealdock-test
exec /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=0
"""

_SCRIPT = """#!/bin/sh
export PYTHONPATH=/opt/sealdock
exec /opt/sealdock/.venv/bin/python -m cli "$@"
"""


@dataclass(frozen=True)
class Machine:
    """A booted machine: its first process, as this computer numbers it."""

    first: int

    def run(self, *command: str, check: bool = True, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in it as its root, standard error with its output."""
        settings = [f"{name}={value}" for name, value in variables.items()]
        path = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        done = subprocess.run(
            [*enter, "env", "-i", f"PATH={path}", "LC_ALL=C.UTF-8", *settings, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout}"
        return done

    def out(self, *command: str) -> str:
        return self.run(*command, check=False).stdout.strip()

    def active(self, unit: str) -> str:
        return self.out("systemctl", "is-active", unit)

    def journal(self, *options: str) -> str:
        return self.out("journalctl", "--no-pager", "--output=cat", *options)


def cannot_boot() -> str:
    """Say why no machine can be booted here; empty where it can."""
    if not Path("/lib/systemd/systemd").exists() or shutil.which("udevadm") is None:
        return "there is no systemd or no udev here; their Debian packages have these names"
    enter = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--mount-proc"]
    tried = ["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"]
    done = subprocess.run([*enter, *tried], check=False, stdin=subprocess.DEVNULL, capture_output=True)
    return "" if done.returncode == 0 else f"no namespaces or control groups here: {done.stderr.decode()}"


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Boot a machine whose files are in ``folder``, and end it."""
    for name in ("var", "local", "bin", "dev", "opt"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    (folder / "sealdock").write_text(_SCRIPT)
    (folder / "sealdock").chmod(0o755)
    group = _group()
    enter = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--mount-proc"]
    log = (folder / "boot.log").open("wb")
    process = subprocess.Popen(
        [*enter, "--kill-child", "bash", "-c", _INSIDE, "boot", folder, ROOT],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: _join(group),  # noqa: PLW1509 - no threads are at work in these tests
    )
    try:
        machine = Machine(_first_child(process))
        end = time.monotonic() + 60
        while machine.out("systemctl", "is-system-running") not in {"running", "degraded"}:
            said = (folder / "boot.log").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.2)
        yield machine
    finally:
        process.kill()  # and with it the first process, and so every process of the machine
        process.wait(timeout=30)
        log.close()
        _leave(group)
        shutil.rmtree(folder, ignore_errors=True)


def _first_child(process: "subprocess.Popen[bytes]") -> int:
    end = time.monotonic() + 30
    while True:
        with suppress(OSError, IndexError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            return int(children[0])
        assert process.poll() is None, "the machine did not start"
        assert time.monotonic() < end
        time.sleep(0.05)


def _group() -> Path | None:
    """Make a control group for the machine, so that nothing of it stays here."""
    found = re.search(r"^\S+ (\S+) cgroup2 ", Path("/proc/mounts").read_text(), re.MULTILINE)
    if found is None:
        return None
    group = Path(found[1]) / f"sealdock-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    return group


def _join(group: Path | None) -> None:
    if group is not None:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _leave(group: Path | None) -> None:
    if group is None:
        return
    time.sleep(0.5)
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        group.rmdir()
