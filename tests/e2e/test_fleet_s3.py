"""Two stations store the same new bytes in one bucket of a real Ceph at the same moment."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home
from tests.support.postgres import Server
from tests.support.station import clip_key, digest_of, ended, make_card
from tests.support.store import Store

pytestmark = pytest.mark.slow

BIG = 20 << 20
FILES: dict[str | bytes, bytes] = {f"{n:02}.MP4": bytes([n]) * (60_000 + n) for n in range(6)}
FILES["big.MP4"] = bytes(BIG)


@contextmanager
def registers(server: Server, kind: str) -> Iterator[dict[str, str]]:
    """The settings of both stations, and those that ``init`` needs besides."""
    if kind == "each":
        yield {}
        return
    with server.database() as place:
        yield {"SEALDOCK_DATABASE_URL": place.url, "SEALDOCK_DATABASE_OWNER_URL": place.owner}


@pytest.mark.parametrize("kind", ["one", "each"])
def test_the_same_new_bytes_at_the_same_moment(
    store: Store, postgres: Server, tmp_path: Path, kind: str
) -> None:
    bucket = store.bucket(store.station)
    client = store.client(store.station)
    with registers(postgres, kind) as settings:
        stations = []
        for name in ("north", "south"):
            (tmp_path / name).mkdir()
            made = bucket_home(store, store.url(bucket), tmp_path / name)
            environment = {**made.environment, **settings, "SEALDOCK_STATION_ID": name}
            stations.append(replace(made, environment=environment).init())
            make_card(tmp_path / name / "card", FILES)
        running = [station.start("dock", station.home.parent / "card", "--json") for station in stations]
        docked = [ended(process).expect(0).json for process in running]
        for one in docked:
            assert one["ok"]
            assert {clip["state"] for clip in one["clips"]} == {"released"}

        rows = client.list_object_versions(Bucket=bucket, Prefix="clips/")["Versions"]
        versions = Counter(row["Key"] for row in rows)
        assert set(versions) == {clip_key(digest_of(data)) for data in FILES.values()}
        for row in rows:
            head = client.head_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])
            assert head["ObjectLockMode"] == "COMPLIANCE"
        if kind == "one":
            (key,) = [row["id"] for row in stations[0].json("keys", "list") if not row["trusted"]]
            stations[0].ok("keys", "trust", key)
        for station in stations:
            for level in ("lock", "full"):
                assert station.json("verify", "--level", level)["failed"] == []

        # Whoever writes other bytes on top, locked or not, is found by both, and both still give out theirs.
        wronged = FILES["00.MP4"]
        client.put_object(Bucket=bucket, Key=clip_key(digest_of(wronged)), Body=b"x" * len(wronged))
        for station in stations:
            found = station.run("verify", "--level", "lock", "--json").expect(44).json["failed"]
            assert {row["problem"] for row in found} == {"newer-version"}
            assert {row["sha256"] for row in found} == {digest_of(wronged)}
            (clip,) = [row["clip"] for row in found if row["clip"]][:1]
            out = station.home.parent / "out"
            (given,) = station.json("retrieve", clip, "--purpose", "x", "--to", out)
            assert digest_of(Path(given["file"])) == digest_of(wronged)
