"""What identifies the volume behind a folder, so that a swapped card is noticed."""

import fcntl
import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

_BY_UUID = Path("/dev/disk/by-uuid")
_GET_UUID, _UUID_ANSWER = 0x80111500, struct.Struct("=B16s")
"""FS_IOC_GETFSUUID of linux/fs.h: a length in bytes, and the UUID."""
_GET_FAT_ID, _FAT_ANSWER = 0x80047213, struct.Struct("=I")
"""FAT_IOCTL_GET_VOLUME_ID of linux/msdos_fs.h: the serial number of the volume."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Identity of a mounted volume, or of a plain folder."""

    mount_point: bool
    uuid: str | None
    device: int
    inode: int
    filesystem: str | None

    @property
    def identity(self) -> str:
        """Return ``volume:<uuid>`` for a mounted volume that has one, else ``folder:<device>:<inode>``."""
        if self.mount_point and self.uuid:
            return f"volume:{self.uuid}"
        return f"folder:{self.device}:{self.inode}"

    @property
    def lasting(self) -> bool:
        """Tell whether another card at the same place would have another identity.

        A mounted volume that says nothing of itself looks like the one that was there before.
        """
        return not self.mount_point or self.uuid is not None

    def to_json(self) -> dict[str, object]:
        """Return the facts as they stand in the register and the inventory."""
        return {
            "identity": self.identity,
            "mount_point": self.mount_point,
            "uuid": self.uuid,
            "device": str(self.device),
            "inode": str(self.inode),
            "filesystem": self.filesystem,
        }


def identify(root_fd: int, path: Path) -> Volume:
    """Identify the volume that the open folder ``root_fd`` (opened at ``path``) lies on.

    Raises OSError if the folder is gone.
    """
    status = os.fstat(root_fd)
    mount = _mount_of(status.st_dev)
    is_mount = path.is_mount()
    return Volume(
        mount_point=is_mount,
        uuid=(_uuid_of(status.st_dev) or _told_by_kernel(root_fd)) if is_mount else None,
        device=status.st_dev,
        inode=status.st_ino,
        filesystem=mount,
    )


def _uuid_of(device: int) -> str | None:
    if not _BY_UUID.is_dir():
        return None
    for link in _BY_UUID.iterdir():
        try:
            if link.stat().st_rdev == device:
                return link.name
        except OSError:  # a device that just went away
            continue
    return None


def _told_by_kernel(root_fd: int) -> str | None:
    """Ask the file system itself, spelled as by udev: where it does not run, nothing is in its folder."""
    try:
        length, value = _UUID_ANSWER.unpack(fcntl.ioctl(root_fd, _GET_UUID, bytes(_UUID_ANSWER.size)))
        if length == len(value):
            return str(uuid.UUID(bytes=value))
    except OSError:  # an older kernel, or a file system that has none
        pass
    try:
        (serial,) = _FAT_ANSWER.unpack(fcntl.ioctl(root_fd, _GET_FAT_ID, bytes(_FAT_ANSWER.size)))
    except OSError:
        return None
    return f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"


def _mount_of(device: int) -> str | None:
    """Return the file system type of the mount with this device (proc_pid_mountinfo(5))."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) > 2 and fields[2] == wanted and right:  # noqa: PLR2004 - field 3 is major:minor
            return right.split()[0]
    return None
