"""The main vault in a folder, the second in a bucket of a real Ceph that may be hard to reach."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.ledger_home import PUBLISHED as LEDGER
from tests.support.pair import KILLED
from tests.support.station import Station, clip_key, digest_of, make_card
from tests.support.store import Store
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"large.mp4": bytes(40 << 20), "small.mp4": b"small"}


@pytest.fixture
def wire(store: Store) -> Iterator[Wire]:
    with Wire(store.endpoint) as wire:
        yield wire


def test_a_folder_and_a_bucket(store: Store, wire: Wire, station: Station, tmp_path: Path) -> None:
    bucket = store.bucket(store.station)
    client = store.client(store.station)
    settings = {
        "SEALDOCK_SECOND_VAULT_URL": store.url(bucket, "copy", endpoint=wire.endpoint),
        "SEALDOCK_SECOND_VAULT_CREDENTIALS_FILE": str(store.station.file(tmp_path)),
    }
    both = replace(station, environment={**station.environment, **settings})
    card = make_card(tmp_path / "card", FILES)
    # A required bucket has to pass first, as the main one has.
    refused = both.run("dock", card, "--json").expect(76).error
    assert "sealdock vault preflight --second" in refused["todo"]
    both.ok("vault", "prepare")
    assert both.json("vault", "preflight", "--second")["ok"]
    assert both.dock(card)["ok"]

    def locked() -> int:
        """Check every version that the register names in the bucket; return how many there are."""
        query = "SELECT key, version, size, lock_until FROM stored_version WHERE vault = 'second'"
        rows = both.rows(query)
        for key, version, size, until in rows:
            head = client.head_object(Bucket=bucket, Key=f"copy/{key}", VersionId=version)
            assert (head["ObjectLockMode"], head["ContentLength"]) == ("COMPLIANCE", size)
            assert head["ObjectLockRetainUntilDate"] >= datetime.fromisoformat(until).replace(tzinfo=UTC)
        return len(rows)

    assert locked() == 2 * 3 + 4 + LEDGER
    assert both.json("verify", "--level", "full")["ok"]
    # The line is cut: clips wait, and go on when it is mended.
    wire.cut()
    more = make_card(card, {"more.mp4": b"more"})
    waiting = both.dock(more, code=33, SEALDOCK_DOCKING_PATIENCE_SECONDS="1")
    assert {clip["reason"] for clip in waiting["clips"]} >= {"second-vault-unavailable"}
    assert len(list(station.spool.iterdir())) == 1
    wire.mend()
    assert both.dock(more)["ok"]
    assert list(station.spool.iterdir()) == []
    # What the folder loses is given out, and given back, by the bucket.
    lost = station.object(digest_of(FILES["large.mp4"]))
    lost.unlink()
    clip = digest_of(FILES["large.mp4"])
    (given,) = both.json("retrieve", clip, "--purpose", "review", "--to", tmp_path / "out")
    assert (given["vault"], digest_of(Path(given["file"]))) == ("second", clip)
    assert both.json("reconcile", "--repair")["open"] == 0
    assert digest_of(lost) == clip
    # What somebody hides in the bucket is found, by name.
    client.delete_object(Bucket=bucket, Key=f"copy/{clip_key(clip)}")
    failed = both.run("verify", "--level", "lock", "--json").expect(44).json["failed"]
    assert {(item["problem"], item["vault"]) for item in failed} == {("second: delete-marker", "second")}


def test_an_old_home_is_copied_to_a_bucket(store: Store, station: Station, tmp_path: Path) -> None:
    assert station.dock(make_card(tmp_path / "card", FILES))["ok"]
    settings = {
        "SEALDOCK_SECOND_VAULT_URL": store.url(store.bucket(store.station)),
        "SEALDOCK_SECOND_VAULT_CREDENTIALS_FILE": str(store.station.file(tmp_path)),
        "SEALDOCK_SECOND_VAULT_CONFIRMATION": "checksum",
    }
    both = replace(station, environment={**station.environment, **settings})
    both.run("vault", "copy").expect(76)
    both.ok("vault", "preflight", "--second")
    killed = replace(both, wrapper=(KILLED, "before:storage.s3.multipart:Multipart._complete:1"))
    assert killed.run("vault", "copy").code == -signal.SIGKILL
    assert both.json("vault", "copy")["remaining"] == 0
    query = "SELECT count(*) FROM stored_version WHERE vault = 'second' AND confirmed_at IS NOT NULL"
    assert both.value(query) == 2 * 3 + 4 + LEDGER
    assert both.json("status")["second_vault"]["confirmed_by"] == {"checksum": 2}
    assert both.json("verify", "--level", "full")["ok"]
    assert both.json("status")["second_vault"]["confirmed_by"] == {"full": 2}
