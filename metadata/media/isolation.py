"""What the child gives up before it looks at a file: memory, privileges, network (Linux).

Each measure is tried on its own, and what the system refused is reported, never hidden.
"""

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

# linux/prctl.h and linux/sched.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
# linux/capability.h: version 3 takes two 32-bit sets of three words.
_CAPABILITY_VERSION_3 = 0x20080522
_MAX_OPEN_FILES = 64

_libc = ctypes.CDLL(None, use_errno=True)


def enter(*, memory_bytes: int, parent: int) -> dict[str, bool]:
    """Isolate the calling process and return which measures hold.

    1. Limits: address space `memory_bytes`, no file writing, no core file, `_MAX_OPEN_FILES` descriptors.
    2. No new privileges: set-user-id programs give nothing.
    3. A user and a network namespace of its own: no user of this machine, and no network but a dead loopback.
    4. No capabilities.
    5. The kernel kills this process when the thread that started it ends; `parent` (a process id) is
       compared, because it may have ended before.

    Call it while the process has one thread: user namespaces ask for that.
    """
    facts = {
        "limits": _limit(memory_bytes),  # 1
        "no_new_privileges": _prctl(_PR_SET_NO_NEW_PRIVS, 1),  # 2
    }
    before = _namespace("net"), _namespace("user")
    # Root without user namespaces can still leave the network.
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:  # 3
        _libc.unshare(_CLONE_NEWNET)
    after = _namespace("net"), _namespace("user")
    facts["network_isolated"] = None not in (before[0], after[0]) and before[0] != after[0]
    facts["user_namespace"] = None not in (before[1], after[1]) and before[1] != after[1]
    facts["no_capabilities"] = _drop_capabilities()  # 4
    # After 3 and 4: a change of credentials clears this setting (prctl(2)).
    facts["dies_with_parent"] = die_with_parent()  # 5
    if os.getppid() != parent:
        raise SystemExit(1)
    return facts


def die_with_parent() -> bool:
    """Ask the kernel to kill this process when its parent ends; return whether it agreed."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(memory_bytes: int) -> bool:
    wanted = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
    )
    held = True
    for which, value in wanted:
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(which, (bound, bound))
        except (OSError, ValueError):
            held = False
    return held


def _prctl(option: int, value: int) -> bool:
    return bool(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0)


def _namespace(kind: str) -> str | None:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    return None


def _drop_capabilities() -> bool:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    return bool(_libc.capset(ctypes.byref(header), ctypes.byref(none)) == 0)
