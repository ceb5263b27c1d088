"""Parts in flight without a store: how many lie in memory, and in which order files go."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from hashing.digest import Digest
from storage.s3 import multipart
from storage.s3.bucket import Bucket
from storage.s3.line import Line
from storage.s3.multipart import IN_FLIGHT, Multipart
from storage.s3.uploads import Uploads
from tests.support.station import until

PARTS = 9
PART = 1 << 10
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Gated:
    """A client whose uploads of parts wait until they may go."""

    gate: threading.Event = field(default_factory=threading.Event)
    sent: list[tuple[str, int]] = field(default_factory=list)

    def create_multipart_upload(self, *, Key: str, **_: Any) -> dict[str, str]:  # noqa: N803 - boto3's names
        return {"UploadId": Key}

    def upload_part(self, *, UploadId: str, PartNumber: int, **_: Any) -> None:  # noqa: N803 - same
        self.gate.wait(60)
        self.sent.append((UploadId, PartNumber))

    def complete_multipart_upload(self, **_: Any) -> dict[str, str]:
        return {}

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        return iter(())


@dataclass
class Upload:
    """Files that go up in parts, each from a thread of its own."""

    client: Gated
    parts: Multipart
    reads: Counter[str]
    folder: Path
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, key: str) -> None:
        data = os.urandom(PARTS * PART)
        (self.folder / key).write_bytes(data)
        source = os.open(self.folder / key, os.O_RDONLY)

        def send() -> None:
            try:
                self.parts.send(
                    key, source, digest=Digest.sha256(data), size=len(data), until=UNTIL, what=key
                )
            finally:
                os.close(source)

        self.threads.append(threading.Thread(target=send, daemon=True))
        self.threads[-1].start()

    def end(self) -> None:
        self.client.gate.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upload]:
    client, reads, read = Gated(), Counter[str](), multipart._read

    def counted(source: int, offset: int, most: int, what: str) -> bytes:
        reads[what] += 1
        return read(source, offset, most, what)

    monkeypatch.setattr(multipart, "_read", counted)
    monkeypatch.setattr(multipart, "part_size", lambda _size: PART)

    class Near(Bucket):
        def __init__(self) -> None:
            self.client = cast("Any", client)
            self.name, self.prefix, self.url = "bucket", "", "s3://bucket"

    made = Upload(client, Multipart(Near(), Uploads(tmp_path / "uploads")), reads, tmp_path)
    yield made
    made.end()
    made.parts.close()


def test_no_more_parts_are_in_memory_than_may_be(upload: Upload) -> None:
    """However large a file is and however many there are, reading stops until a part has gone."""
    for key in ("one", "two", "three"):
        upload.start(key)
    until(lambda: upload.reads.total() == IN_FLIGHT + 1)
    time.sleep(0.3)
    assert upload.reads.total() == IN_FLIGHT + 1
    upload.end()
    assert upload.reads.total() == 3 * PARTS
    assert len(upload.client.sent) == 3 * PARTS


def test_files_go_in_the_order_in_which_they_came(upload: Upload) -> None:
    names = [f"{number:02}" for number in range(12)]
    for name in names:
        upload.start(name)
        until(lambda: upload.parts._line._taken)
        until(lambda: len(upload.parts._line._waiting) == len(upload.threads) - 1)
    upload.end()
    first = [key for key, _ in upload.client.sent]
    assert sorted(set(first), key=first.index) == names


def test_nobody_who_asks_again_gets_before_those_who_wait() -> None:
    line, order = Line(), list[str]()
    inside = threading.Event()

    def greedy() -> None:
        for _ in range(20):
            with line:
                inside.set()
                time.sleep(0.002)
                order.append("greedy")

    def patient() -> None:
        with line:
            order.append("patient")

    first = threading.Thread(target=greedy)
    first.start()
    inside.wait(10)
    second = threading.Thread(target=patient)
    with line._guard:
        before = len(order)
    second.start()
    until(lambda: "patient" in order or line._waiting)
    second.join(10)
    first.join(10)
    assert order.index("patient") <= before + 2


def test_a_turn_that_nobody_takes_goes_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()

    class Broken:
        def acquire(self) -> bool:
            self.asked = getattr(self, "asked", 0) + 1
            if self.asked > 1:
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    with line:
        monkeypatch.setattr("storage.s3.line.Lock", Broken)
        with pytest.raises(KeyboardInterrupt), line:
            pass
        monkeypatch.undo()
        assert not line._waiting
    with line:
        pass
