"""Benches of a vault in a bucket: they need a store that TEST_S3_ variables name (deploy/dev/ceph.sh)."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cards import MIB, make_card, make_sparse_card
from measured import Run
from measured import run as measure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.store import Store  # noqa: E402 - the checkout is on the path only now

SMALL = 100 * 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_PLAIN = """
import hashlib, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

client = boto3.client(
    "s3", endpoint_url=sys.argv[2], aws_access_key_id=sys.argv[3], aws_secret_access_key=sys.argv[4],
    region_name="us-east-1", config=Config(s3={"addressing_style": "path"},
    request_checksum_calculation="when_required", response_checksum_validation="when_required"),
)
bucket, folder = sys.argv[5], sys.argv[6]
if sys.argv[1] == "upload":
    transfer = TransferConfig(
        multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=4
    )
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        client.upload_file(str(path), bucket, f"plain/{path.name}", Config=transfer)
else:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        for row in page.get("Contents", []):
            body = client.get_object(Bucket=bucket, Key=row["Key"])["Body"]
            hashlib.file_digest(body, "sha256")
"""


class Bench:
    """Homes whose vault is in a bucket of the store, and plain boto3 beside them."""

    def __init__(self, folder: Path, confirmation: str) -> None:
        found = Store.from_environment()
        if found is None:
            raise SystemExit("name a store by TEST_S3_ENDPOINT and the others; deploy/dev/ceph.sh starts one")
        self.store = found
        self._folder = folder
        self._credentials = found.station.file(folder)
        self._confirmation = confirmation
        self._homes = 0

    def bucket(self) -> str:
        return self.store.bucket(self.store.station)

    def home(self, bucket: str) -> dict[str, str]:
        """Make a home, and return the environment in which commands use it."""
        self._homes += 1
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SEALDOCK_HOME": str(self._folder / f"home{self._homes}"),
            "SEALDOCK_VAULT_URL": self.store.url(bucket),
            "SEALDOCK_VAULT_CREDENTIALS_FILE": str(self._credentials),
        }
        if self._confirmation:
            environment["SEALDOCK_VAULT_CONFIRMATION"] = self._confirmation
        self.sealdock(environment, "init")
        self.sealdock(environment, "vault", "preflight")
        return environment

    def sealdock(self, environment: dict[str, str], *arguments: str | Path, memory: bool = False) -> Run:
        return measure([sys.executable, "-m", "cli", *arguments], environment, memory=memory)

    def plain(self, what: str, bucket: str, folder: str) -> Run:
        """Upload the files of a folder, 4 parts in flight, or get what a prefix holds and hash it."""
        user = self.store.station
        arguments = (what, self.store.endpoint, user.access_key, user.secret_key, bucket, folder)
        return measure([sys.executable, "-c", _PLAIN, *arguments], dict(os.environ))


@dataclass(frozen=True)
class Printer:
    """How figures are shown: run.py's."""

    one: Callable[..., None]
    pairs: Callable[..., None]


def s3(folder: Path, chosen: argparse.Namespace, printer: Printer) -> None:
    """A large card in 8 clips to a bucket, process start included, against plain upload_file."""
    bench = Bench(folder, chosen.confirmation)
    card = make_card(folder, clips=8, size=chosen.mib * MIB // 8)

    def ours() -> Run:
        # A bucket of its own each time: what is there already is not uploaded again.
        return bench.sealdock(bench.home(bench.bucket()), "dock", card, "--json")

    def base() -> Run:
        return bench.plain("upload", bench.bucket(), str(card))

    pairs = [(ours(), base()) for _ in range(chosen.runs)]
    told = chosen.confirmation or "as the settings say"
    printer.pairs(
        f"dock {chosen.mib} MiB in 8 clips to a bucket (confirmation {told}) against boto3 upload_file",
        "checksum <= 1.5, full <= 2",
        pairs,
        lambda a, b: a.seconds / b.seconds,
    )


def s3_verify(folder: Path, chosen: argparse.Namespace, printer: Printer) -> None:
    """Full verification from a bucket against plain GET and SHA-256."""
    bench = Bench(folder, chosen.confirmation)
    card = make_card(folder, clips=8, size=chosen.mib * MIB // 8)
    bucket = bench.bucket()
    environment = bench.home(bucket)
    bench.sealdock(environment, "dock", card)
    pairs = [
        (bench.sealdock(environment, "verify", "--level", "full"), bench.plain("get", bucket, "clips/"))
        for _ in range(chosen.runs)
    ]
    printer.pairs(
        f"verify --level full of {chosen.mib} MiB in a bucket, as a speed against GET and SHA-256",
        ">= 0.8",
        pairs,
        lambda a, b: b.seconds / a.seconds,
    )


def s3_memory(folder: Path, chosen: argparse.Namespace, printer: Printer) -> None:
    """Peak resident memory, children included, while one large clip goes to a bucket."""
    bench = Bench(folder, chosen.confirmation)
    card = make_sparse_card(folder, size=chosen.memory_mib * MIB)
    one = bench.sealdock(bench.home(bench.bucket()), "dock", card, "--json", memory=True)
    printer.one(
        f"memory docking one clip of {chosen.memory_mib} MiB to a bucket",
        "<= 300 MiB",
        " MiB",
        [one.peak],
        [one],
    )


def s3_small(folder: Path, chosen: argparse.Namespace, printer: Printer) -> None:
    """Many small clips to a bucket: milliseconds a clip."""
    bench = Bench(folder, chosen.confirmation)
    card = make_card(folder, clips=chosen.clips, size=SMALL)
    runs = [bench.sealdock(bench.home(bench.bucket()), "dock", card, "--json") for _ in range(chosen.runs)]
    each = [run.seconds / chosen.clips * 1000 for run in runs]
    printer.one(f"dock {chosen.clips} clips of 100 KiB to a bucket", "", " ms a clip", each, runs)
    base = bench.plain("upload", bench.bucket(), str(card))
    printer.one(
        "  boto3 upload_file of the same", "", " ms a clip", [base.seconds / chosen.clips * 1000], [base]
    )


def idle(folder: Path, chosen: argparse.Namespace, _printer: Printer) -> None:
    """The station service with nothing to do: its share of a processor, and whether its memory grows."""
    root = folder / "root"
    root.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEALDOCK_HOME": str(folder / "home")}
    measure([sys.executable, "-m", "cli", "init"], environment)
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "watch", root], env=environment, stdout=subprocess.DEVNULL
    ) as service:
        time.sleep(min(20.0, chosen.idle_minutes * 30))  # it starts, and takes what memory it needs
        before, began, memory = _processor(service.pid), time.monotonic(), [_resident(service.pid)]
        while time.monotonic() - began < chosen.idle_minutes * 60:
            time.sleep(5)
            memory.append(_resident(service.pid))
        seconds = time.monotonic() - began
        share = (_processor(service.pid) - before) / seconds
        service.send_signal(signal.SIGTERM)
        if service.wait(60):
            raise SystemExit(f"{shlex.quote('watch')} ended with {service.returncode}")
    print(
        f"watch, {seconds / 60:.1f} minutes idle | < 1 %, flat | {share:.2%} of a processor | "
        f"{memory[0]:.0f} MiB at first, {memory[-1]:.0f} at last, {max(memory):.0f} at most",
        flush=True,
    )


def _processor(pid: int) -> float:
    """Seconds of processor time, of the process alone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> float:
    """MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
