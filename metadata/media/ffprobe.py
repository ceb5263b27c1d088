"""One question to ffprobe through ffmpeg-python, with a limit on time, processor time and output.

This module runs inside the sandboxed child only. ffmpeg-python 0.2.0 (2019, its last release) starts ffprobe
without a time limit and keeps everything it writes; its `subprocess` is therefore replaced by `_Bounded`.
"""

import contextlib
import os
import resource
import selectors
import subprocess
import sys
import time
from typing import Any

import ffmpeg

from metadata.media import isolation

# Demuxers that read one file and open nothing else. Playlists (hls, concat, dash), patterns (image2), devices
# and text (tty, srt) are left out on purpose: they reach other files, or call anything media.
DEMUXERS = (
    *("mov", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "matroska", "flv", "asf"),
    *("mp3", "aac", "ac3", "amr", "wav", "w64", "ogg", "flac"),
    *("jpeg_pipe", "png_pipe"),
)
_CHUNK = 64 * 1024
_STDERR_KEPT = 16 * 1024


class FfprobeError(Exception):
    """ffprobe gave no answer. `refused` tells that it ran and found no media it may read."""

    def __init__(self, problem: str, *, refused: bool = False) -> None:
        super().__init__(problem)
        self.refused = refused


def ask(path: str, *, demuxer: str | None, seconds: float, output_bytes: int) -> dict[str, Any]:
    """Return what ffprobe writes about one file: ``format``, ``streams`` and ``program_version``.

    `demuxer` names the only reader allowed; None lets ffprobe choose one of `DEMUXERS`.
    Raises `FfprobeError`.
    """
    options: dict[str, object] = {
        "v": "error",
        "show_program_version": None,
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(DEMUXERS),
    }
    if demuxer is not None:
        options["f"] = demuxer
    runner = _Bounded(seconds=seconds, output_bytes=output_bytes)
    # The module, not the function of the same name that the package exports.
    vars(sys.modules["ffmpeg._probe"])["subprocess"] = runner
    try:
        # The prefix keeps a name like "http:x" or "-x" from being anything but a file.
        answer = ffmpeg.probe(f"file:{path}", **options)
    except ffmpeg.Error as error:
        raise FfprobeError(f"ffprobe: {_reason(error.stderr, path)}", refused=runner.ended_well) from error
    except FileNotFoundError as error:
        raise FfprobeError("ffprobe is not installed") from error
    except (OSError, ValueError, RecursionError) as error:
        raise FfprobeError(f"ffprobe gave no usable answer ({type(error).__name__})") from error
    if not isinstance(answer, dict):
        raise FfprobeError("ffprobe gave no usable answer")
    return answer


def _reason(stderr: bytes, path: str) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return (lines[-1] if lines else "it failed").replace(f"file:{path}: ", "").replace(path, "the file")


class _Bounded:
    """Stands in for the `subprocess` module inside ffmpeg-python."""

    PIPE = subprocess.PIPE

    def __init__(self, *, seconds: float, output_bytes: int) -> None:
        self._seconds = seconds
        self._output_bytes = output_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def Popen(self, args: list[str], **_pipes: object) -> "_Bounded":  # noqa: N802 (the name it replaces)
        self._process = subprocess.Popen(
            args,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=self._confine,  # noqa: PLW1509 (this process has one thread)
        )
        return self

    def _confine(self) -> None:
        isolation.die_with_parent()
        seconds = int(self._seconds) + 1
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    @property
    def ended_well(self) -> bool:
        """Whether ffprobe ended by itself, and not by a signal."""
        return self.returncode is not None and self.returncode >= 0

    def communicate(self) -> tuple[bytes, bytes]:
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            raise FfprobeError("ffprobe was not started")
        try:
            out, err = self._collect(process.stdout.fileno(), process.stderr.fileno())
            process.wait(timeout=1)
        except subprocess.TimeoutExpired as error:
            raise FfprobeError("ffprobe closed its output but did not end") from error
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        return out, err

    def _collect(self, out: int, err: int) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + self._seconds
        kept = {out: bytearray(), err: bytearray()}
        with selectors.DefaultSelector() as waiting:
            waiting.register(out, selectors.EVENT_READ)
            waiting.register(err, selectors.EVENT_READ)
            while waiting.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise FfprobeError(f"ffprobe took longer than {self._seconds:g} s")
                for key, _events in waiting.select(left):
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        waiting.unregister(key.fd)
                    elif key.fd == out or len(kept[err]) < _STDERR_KEPT:
                        kept[key.fd] += data
                if len(kept[out]) > self._output_bytes:
                    raise FfprobeError(f"ffprobe wrote more than {self._output_bytes} bytes")
        return bytes(kept[out]), bytes(kept[err])
