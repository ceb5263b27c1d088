"""Cards to dock: small but real recordings, filled up with random bytes to the size that is wanted.

Random bytes alone would be no recordings: a file that looks like nothing is looked at longer than one that
says what it is. What fills it is a `free` box, as recorders that reserve space write it.
"""

import os
import struct
import subprocess
from pathlib import Path

MIB = 1024 * 1024
_BOX_HEADER = 16
_RECORDING = (
    *("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5", "-f", "lavfi", "-i", "sine"),
    *("-t", "1", "-c:v", "mpeg4", "-c:a", "aac", "-b:a", "16k", "-movflags", "+faststart", "-y"),
)


def make_card(folder: Path, *, clips: int, size: int) -> Path:
    """Make a card of MP4 files of `size` bytes, on the medium when this returns."""
    card = folder / "card"
    place = card / "DCIM" / "100BENCH"
    place.mkdir(parents=True)
    recording = folder / "recording.mp4"
    subprocess.run([*_RECORDING, recording], check=True)
    head = recording.read_bytes()
    rest = size - len(head) - _BOX_HEADER
    if rest < 0:
        raise SystemExit(f"a clip needs {len(head) + _BOX_HEADER} bytes at least")
    for number in range(clips):
        with (place / f"BNCH{number + 1:04}.MP4").open("wb") as file:
            file.write(head)
            file.write(struct.pack(">I4sQ", 1, b"free", _BOX_HEADER + rest))
            for start in range(0, rest, MIB):
                file.write(os.urandom(min(MIB, rest - start)))
    subprocess.run(["sync"], check=True)
    return card


def make_sparse_card(folder: Path, *, size: int) -> Path:
    """Make a card of one file of zeros that takes no room on it (its copy does)."""
    card = folder / "card"
    card.mkdir()
    with (card / "LARGE.MP4").open("wb") as file:
        file.truncate(size)
    return card
