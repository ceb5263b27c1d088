"""The child: what it may not do, what happens when it hangs, dies or is fed endlessly."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from metadata.media.probe import Condition, Limits, Prober
from metadata.media.sandbox import Sandbox, SandboxFailure
from tests.support.lacking import lacking

Tool = Callable[[str], Path]
GIB = 1024**3
QUICK = Limits(timeout=timedelta(seconds=2))


def child_of(prober: Prober) -> int:
    assert prober.sandbox.problem is None
    pid = prober._sandbox.pid
    assert pid is not None
    return pid


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def group_members(group: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_child_has_given_up_what_it_reports(clips: Path) -> None:
    with Prober(Limits(memory_bytes=GIB)) as prober:
        pid = child_of(prober)
        facts = prober.sandbox
        for kind, isolated in (("net", facts.network_isolated), ("user", facts.user_namespace)):
            ours, theirs = (Path(f"/proc/{who}/ns/{kind}").readlink() for who in ("self", pid))
            assert (ours != theirs) is isolated
        own = status(pid)
        assert own["NoNewPrivs"] == "1"
        assert [int(own[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0]
        assert resource.prlimit(pid, resource.RLIMIT_AS) == (GIB, GIB)
        assert resource.prlimit(pid, resource.RLIMIT_FSIZE) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (64, 64)
        assert os.getsid(pid) == os.getpgid(pid) == pid
        assert Path(f"/proc/{pid}/cwd").resolve() == Path("/")
        assert (facts.no_new_privileges, facts.no_capabilities, facts.limits, facts.dies_with_parent) == (
            True,
        ) * 4
        assert facts.missing == tuple(
            name for name in ("network_isolated", "user_namespace") if not getattr(facts, name)
        )
        assert prober.probe(clips / "plain.mp4").condition is Condition.INTACT


def test_ffprobe_inherits_the_isolation(clips: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALDOCK_VAULT_SECRET_KEY", "hunter2")
    tool("exec sleep 30")
    with Prober(Limits(timeout=timedelta(seconds=3))) as prober:
        pid = child_of(prober)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(prober.probe, clips / "plain.mp4")
            assert wait_until(lambda: any(status(member)["Name"] == "sleep" for member in group_members(pid)))
            (sleeper,) = (member for member in group_members(pid) if status(member)["Name"] == "sleep")
            assert Path(f"/proc/{sleeper}/ns/net").readlink() == Path(f"/proc/{pid}/ns/net").readlink()
            assert b"hunter2" not in Path(f"/proc/{sleeper}/environ").read_bytes()
            assert int(status(sleeper)["CapEff"], 16) == 0
            assert status(sleeper)["NoNewPrivs"] == "1"
            assert resource.prlimit(sleeper, resource.RLIMIT_CPU)[1] != resource.RLIM_INFINITY
            assert answer.result().condition is Condition.INTACT


def test_the_childs_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALDOCK_DATABASE_URL", "postgresql://someone:hunter2@db/x")
    for name in ("SEALDOCK_VAULT_SECRET_KEY", "SEALDOCK_VAULT_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("LD_PRELOAD", "")
    with Prober() as prober:
        environment = Path(f"/proc/{child_of(prober)}/environ").read_bytes()
        assert wait_until(lambda: descriptors(child_of(prober)) <= {"pipe", "/dev/null"})
    assert b"hunter2" not in environment
    assert b"LD_PRELOAD" not in environment


def descriptors(pid: int) -> set[str]:
    """Return what a process has open; a module that it is just reading may be among it."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(entry.readlink()).partition(":")[0])
    return found


def test_a_stuck_ffprobe_costs_the_time_limit_and_not_the_condition(clips: Path, tool: Tool) -> None:
    tool("sleep 60")
    with Prober(QUICK) as prober:
        pid = child_of(prober)
        start = time.monotonic()
        probe = prober.probe(clips / "plain.mp4")
        assert time.monotonic() - start < 2.5
        assert probe.condition is Condition.INTACT
        assert probe.problem == "ffprobe took longer than 1.6 s"
        assert child_of(prober) == pid
    assert wait_until(lambda: not group_members(pid))


def test_a_stuck_child_is_killed_with_its_group_and_replaced(clips: Path) -> None:
    with Prober(QUICK) as prober:
        pid = child_of(prober)
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        probe = prober.probe(clips / "plain.mp4")
        assert 1.5 < time.monotonic() - start < 4
        assert probe.condition is Condition.UNKNOWN
        assert probe.problem == "looking at the file took longer than 2 s"
        assert not group_members(pid)
        assert prober.probe(clips / "plain.mp4").condition is Condition.INTACT
        assert child_of(prober) != pid


def test_a_child_killed_in_the_middle_of_a_probe(clips: Path, tool: Tool) -> None:
    tool("sleep 60")
    with Prober() as prober:
        pid = child_of(prober)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(prober.probe, clips / "plain.mp4")
            assert wait_until(lambda: len(group_members(pid)) > 1)
            os.kill(pid, signal.SIGKILL)
            probe = answer.result(timeout=20)
        assert probe.problem == "the sandboxed parser gave no answer: it died (signal 9)"
        assert probe.condition is Condition.UNKNOWN
        assert wait_until(lambda: not group_members(pid))
        tool("echo '{}'")
        assert prober.probe(clips / "plain.mp4").problem == "ffprobe finds no stream"


def test_a_child_that_died_between_two_probes_is_replaced_unseen(clips: Path) -> None:
    with Prober() as prober:
        pid = child_of(prober)
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not group_members(pid))
        assert prober.probe(clips / "plain.mp4").condition is Condition.INTACT


def test_endless_output_is_cut(clips: Path, tool: Tool) -> None:
    tool("exec yes")
    with Prober(Limits(output_bytes=100_000)) as prober:
        pid = child_of(prober)
        probe = prober.probe(clips / "plain.mp4")
        assert probe.problem == "ffprobe wrote more than 100000 bytes"
        assert prober._sandbox.pid == pid
        tool("exec yes >&2")
    with Prober(QUICK) as prober:
        assert prober.probe(clips / "plain.mp4").problem == "ffprobe took longer than 1.6 s"


def test_an_answer_over_the_limit_is_no_answer(clips: Path, tool: Tool) -> None:
    tool("echo '{}'")
    with Prober(Limits(output_bytes=190)) as prober:
        probe = prober.probe(clips / "plain.mp4")
    assert probe.condition is Condition.UNKNOWN
    assert probe.problem


def test_memory_is_limited(clips: Path, tool: Tool) -> None:
    tool(f'exec {sys.executable} -S -c "print(len(bytearray(600 * 1024 * 1024)))"')
    with Prober(Limits(memory_bytes=400 * 1024**2)) as prober:
        probe = prober.probe(clips / "plain.mp4")
        assert "MemoryError" in str(probe.problem)


def test_limits_too_low_to_work_under_are_told(clips: Path) -> None:
    with Prober(Limits(memory_bytes=1024)) as prober:
        probe = prober.probe(clips / "plain.mp4")
        assert probe.problem
    with Prober(Limits(output_bytes=10)) as prober:
        assert prober.sandbox.problem is not None
        assert prober.sandbox.network_isolated is False


def test_a_request_the_child_does_not_know_is_answered() -> None:
    with Sandbox(QUICK) as sandbox:
        assert sandbox.call("pictures", Path("/x"), samples="many")["problem"]
        with pytest.raises(SandboxFailure, match="limit of"):
            sandbox.call("probe", Path("/x"), padding="x" * 20_000)
        assert sandbox.call("probe", Path("/x"))["probe"]


def test_the_child_outlives_the_thread_that_asked_first(clips: Path) -> None:
    with Prober() as prober:
        asking = threading.Thread(target=prober.probe, args=(clips / "still.jpg",))
        asking.start()
        asking.join()
        pid = prober._sandbox.pid
        time.sleep(0.2)
        assert prober.probe(clips / "still.jpg").condition is Condition.INTACT
        assert prober._sandbox.pid == pid


def test_the_child_dies_with_its_parent(project_root: Path) -> None:
    code = (
        f"import sys, time; sys.path.insert(0, {str(project_root)!r})\n"
        "from metadata.media.probe import Prober\n"
        "prober = Prober(); prober.sandbox; print(prober._sandbox.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert group_members(pid)
        parent.kill()
    assert wait_until(lambda: not group_members(pid))


def test_what_the_system_refuses_is_reported(clips: Path, project_root: Path) -> None:
    """Inside a namespace that may make no further ones, as in many containers."""
    code = (
        f"import sys; sys.path.insert(0, {str(project_root)!r})\n"
        "from pathlib import Path\n"
        "from metadata.media.probe import Prober\n"
        "for kind in ('user', 'net'): Path(f'/proc/sys/user/max_{kind}_namespaces').write_text('0')\n"
        "with Prober() as prober:\n"
        f"    print(prober.sandbox.missing, prober.probe(Path({str(clips / 'plain.mp4')!r})).condition)\n"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr or "max_user_namespaces" in done.stderr:
        lacking("no user namespaces on this machine")
    assert done.stdout == "('network_isolated', 'user_namespace') intact\n", done.stderr


def test_closing_ends_the_child() -> None:
    prober = Prober()
    pid = child_of(prober)
    prober.close()
    prober.close()
    assert not group_members(pid)


@pytest.mark.slow
def test_a_hundred_clips_from_four_threads(clips: Path, tmp_path: Path) -> None:
    sources = [clips / name for name in ("plain.mp4", "sound.wav", "still.jpg", "clip.avi")]
    copies = []
    for number in range(100):
        copy = tmp_path / f"{number:03}{sources[number % 4].suffix}"
        copy.write_bytes(sources[number % 4].read_bytes())
        copies.append(copy)
    with Prober() as prober, ThreadPoolExecutor(4) as pool:
        probes = list(pool.map(prober.probe, copies))
    assert [probe.container for probe in probes] == ["mp4", "wav", "jpeg", "avi"] * 25
    assert {probe.condition for probe in probes} == {Condition.INTACT}
