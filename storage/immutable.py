"""The immutable attribute of Linux file systems: not even root writes, renames or unlinks by mistake.

This is ``chattr +i``. It needs CAP_LINUX_IMMUTABLE and a file system that has it; an ordinary user gets
neither. Whoever may set it may also clear it, so it stops accidents, not an administrator: the lock it
belongs to is *advisory*.
"""

import errno
import fcntl
import struct
import sys

# include/uapi/linux/fs.h: _IOR('f', 1, long) and _IOW('f', 2, long). The numbers carry the size of a long
# although the kernel moves an int; the direction bits are those of x86, arm, riscv, s390 and loongarch.
_LONG = struct.calcsize("l")
_GET_FLAGS = 2 << 30 | _LONG << 16 | ord("f") << 8 | 1
_SET_FLAGS = 1 << 30 | _LONG << 16 | ord("f") << 8 | 2
_IMMUTABLE = 0x10  # FS_IMMUTABLE_FL

_CANNOT = {errno.EPERM, errno.EACCES, errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


def is_immutable(fd: int) -> bool:
    """Tell whether the open file has the attribute; False where the file system has none."""
    try:
        return bool(_flags(fd) & _IMMUTABLE)
    except OSError as problem:
        if problem.errno in _CANNOT:
            return False
        raise


def set_immutable(fd: int, *, immutable: bool = True) -> bool:
    """Set (or clear) the attribute of an open file; False, and nothing changed, where that cannot be done.

    Raises:
        OSError: the medium failed (EIO, EROFS).

    """
    try:
        flags = _flags(fd)
        wanted = flags | _IMMUTABLE if immutable else flags & ~_IMMUTABLE
        if wanted != flags:
            fcntl.ioctl(fd, _SET_FLAGS, struct.pack("@l", wanted))
    except OSError as problem:
        if problem.errno in _CANNOT:
            return False
        raise
    return True


def _flags(fd: int) -> int:
    answer = fcntl.ioctl(fd, _GET_FLAGS, bytes(_LONG))
    return int.from_bytes(answer[:4], byteorder=sys.byteorder)
