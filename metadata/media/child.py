"""The sandboxed child: reads requests, answers them, and never touches anything else.

Started by `metadata.media.sandbox` as ``python -m metadata.media.child MEMORY_BYTES OUTPUT_BYTES PARENT_PID``
with a pipe on descriptor 0 (requests) and one on descriptor 1 (answers).
"""

import base64
import os
import sys
from collections.abc import Mapping

from metadata.media import frame, inspection, isolation

_FFPROBE_SHARE = 0.8  # of the time limit, so that the structure walk's answer survives a stuck ffprobe


def main(arguments: list[str]) -> int:
    """Serve until the parent closes the pipe. Returns the exit code."""
    memory_bytes, output_bytes, parent = (int(argument) for argument in arguments)
    requests, answers = _take_pipes()
    facts = isolation.enter(memory_bytes=memory_bytes, parent=parent)
    frame.write(answers, {"sandbox": facts}, limit=output_bytes)
    _warm_up()
    while True:
        request = frame.read(lambda count: os.read(requests, count), limit=frame.MAX_REQUEST)
        if request is None:
            return 0
        try:
            answer = _answer(request, output_bytes=output_bytes)
            frame.write(answers, answer, limit=output_bytes)
        except MemoryError:
            frame.write(
                answers, {"problem": "the file needs more memory than is allowed"}, limit=output_bytes
            )
        except Exception as error:  # noqa: BLE001 (a bug in a parser must not look like a crash)
            frame.write(
                answers, {"problem": f"the parser failed: {type(error).__name__}"}, limit=output_bytes
            )


def _take_pipes() -> tuple[int, int]:
    """Move both pipes away from the standard descriptors, where libraries could write noise into them."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    return requests, answers


def _warm_up() -> None:
    """Import ffmpeg-python once, while the parent is still busy; its absence is told per file."""
    try:
        from metadata.media import ffprobe  # noqa: F401, PLC0415 (70 ms, after the greeting)
    except ImportError:
        return


def _answer(request: Mapping[str, object], *, output_bytes: int) -> dict[str, object]:
    path = os.fsdecode(base64.b64decode(str(request["path"]), validate=True))
    seconds = float(str(request["seconds"])) * _FFPROBE_SHARE
    if request["kind"] == "pictures":
        from metadata.media import frames  # noqa: PLC0415 (OpenCV takes 0.2 s and 100 MB: only when asked for)

        return {"pictures": frames.examine(path, seconds=seconds, samples=int(str(request["samples"])))}
    return {"probe": inspection.probe(path, seconds=seconds, output_bytes=output_bytes).to_json()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
