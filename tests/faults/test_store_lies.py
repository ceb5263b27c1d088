"""The store answers as if all were well, and it is not (a stand-in written for this)."""

from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.bucket import bucket_home
from tests.support.fault import Scene, Story, fault
from tests.support.hostile_s3 import Lie, hostile_store
from tests.support.station import make_card
from tests.support.store import Store, User

pytestmark = pytest.mark.slow

MIB = 1 << 20
FILES: dict[str | bytes, bytes] = {
    "small.mp4": b"small" * 1000,
    "large.mp4": bytes(range(256)) * (17 * MIB // 256),
}
NOBODY = User("station", "a-secret")
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}
Q, W = (
    "`dock` 33, quarantined (`{}`) → alert `quarantined`",
    "`dock` 33, waiting (`vault-unavailable`) → no alert",
)
LIES = {
    Lie.KEEPS_NOTHING: ("answers 200 to a clip and keeps nothing", Q.format("object-missing")),
    Lie.OTHER_BYTES: ("keeps other bytes than it was sent", Q.format("digest-mismatch")),
    Lie.FEWER_BYTES: ("keeps a byte less", Q.format("digest-mismatch")),
    Lie.NO_LOCK: ("answers 200 to a lock and sets none", Q.format("lock-missing")),
    Lie.DROPS_LOCK: ("shows the lock at first, then drops it", Q.format("lock-missing")),
    Lie.SHORTER_LOCK: ("locks for a shorter time than it was asked for", Q.format("lock-missing")),
    Lie.GOVERNANCE: (
        "sets a lock that can be lifted (governance) in place of a compliance lock",
        Q.format("lock-missing"),
    ),
    Lie.ENDLESS: ("sends bytes without end when a clip is read back", W),
    Lie.HUGE_LISTING: ("lists versions of a clip without end", W),
    Lie.GARBAGE: ("answers 200 with a page that is no S3 at all when a clip is read back", W),
}
UNREAD = "; nothing is read back (`vault.confirmation` is `checksum`)"
CHECKSUM = {
    Lie.OTHER_CHECKSUM: (
        f"keeps other bytes than it was sent and tells their checksum{UNREAD}",
        Q.format("digest-mismatch"),
    ),
    Lie.FEWER_BYTES: (f"keeps a byte less{UNREAD}", Q.format("digest-mismatch")),
}
LATER = {
    Lie.OTHER_BYTES_LATER: ("gives the right bytes back once, then others", "digest"),
    Lie.DROPS_LOCK_LATER: ("shows the lock until the clip is confirmed, then drops it", "lock-missing"),
}


def home(url: str, folder: Path) -> Scene:
    nowhere = Store(url, *[NOBODY] * 5)
    station = bucket_home(nowhere, nowhere.url("evidence-liar"), folder).init()
    return Scene.of(station, make_card(folder / "card", FILES))


def test_the_stand_in_is_believed_when_it_is_honest(tmp_path: Path) -> None:
    """Else the tests below would show nothing but its own faults."""
    with hostile_store(Lie.NONE) as store:
        scene = home(store.url, tmp_path)
        store.checked.clear()  # preflight sends a wrong one on purpose
        assert scene.station.dock(scene.card)["ok"]
        assert scene.station.json("verify", "--level", "full")["ok"]
        # Every body came with its Content-MD5: the parts of the large clip, too, of which there are two.
        assert len(store.checked) > len(FILES) + 1
        assert all(store.checked)
        large = store.kept[next(key for key, kept in store.kept.items() if len(kept.data) == 17 * MIB)]
        assert large.etag.endswith("-2")


def test_without_its_md5_nothing_is_taken() -> None:
    """Else the test above would show nothing."""
    with hostile_store(Lie.NONE) as store:
        with closing(HTTPConnection(store.url.removeprefix("http://"), timeout=10)) as asked:
            asked.request("PUT", "/bucket/key", b"bytes")
            assert asked.getresponse().status == 400
        assert (store.checked, store.kept) == ([False], {})


@pytest.mark.parametrize(
    "lie", [pytest.param(lie, marks=fault(f"It {title}", told)) for lie, (title, told) in LIES.items()]
)
def test_a_lie(story: Story, tmp_path: Path, lie: Lie) -> None:
    tell(story, tmp_path, lie)


@pytest.mark.parametrize(
    "lie",
    [pytest.param(lie, marks=fault(f"It {title}", told)) for lie, (title, told) in CHECKSUM.items()],
)
def test_a_lie_where_its_checksum_is_enough(story: Story, tmp_path: Path, lie: Lie) -> None:
    tell(story, tmp_path, lie, SEALDOCK_VAULT_CONFIRMATION="checksum")


def tell(story: Story, folder: Path, lie: Lie, **settings: str) -> None:
    with hostile_store(Lie.NONE) as store:
        scene = home(store.url, folder)
        store.lie = lie  # only now: preflight has passed
        story.docked(scene.station.run("dock", scene.card, "--json", **settings, **IMPATIENT))
        story.alerts(scene)
        assert scene.rows("SELECT count(*) FROM clip WHERE state IN ('confirmed', 'released')") == [(0,)]
        story.ends(scene)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(
            lie,
            marks=fault(
                f"It {title}; later it is honest again",
                f"`dock` 0, all safe → `verify` 44, `{problem}` → alert `integrity` → "
                f"`dock` 33, not safe any more (`{problem}`)",
            ),
        )
        for lie, (title, problem) in LATER.items()
    ],
)
def test_a_lie_that_begins_later(story: Story, tmp_path: Path, lie: Lie) -> None:
    with hostile_store(Lie.NONE) as store:
        scene = home(store.url, tmp_path)
        story.docked(scene.station.run("dock", scene.card, "--json"))
        store.lie = lie
        story.verified(scene)
        story.alerts(scene)
        story.docked(scene.station.run("dock", scene.card, "--json"))
        store.lie = Lie.NONE
        story.ends(replace(scene, fetch=store.digest))
