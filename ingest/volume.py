"""What identifies the volume behind a folder, so that a swapped card is noticed."""

import os
from dataclasses import dataclass
from pathlib import Path

_BY_UUID = Path("/dev/disk/by-uuid")


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
        uuid=_uuid_of(status.st_dev) if is_mount else None,
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
