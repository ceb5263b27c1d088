"""What is safe already is not taken on trust: the vault is asked, and the card gives back what is gone."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.station import Station, by_path, clip_key, digest_of, flip, make_card, writable

pytestmark = pytest.mark.slow

FILES: dict[str | bytes, bytes] = {"a.mp4": b"a", "b.mp4": bytes(300_000), "c.txt": b"c"}
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card", FILES)


@pytest.fixture
def docked(station: Station, card: Path) -> Station:
    assert station.dock(card)["ok"]
    return station


def last_close(station: Station) -> dict[str, object]:
    found: dict[str, object] = json.loads(station.value("SELECT close FROM docking ORDER BY id DESC LIMIT 1"))
    return found


@pytest.mark.parametrize("arguments", [(), ("--reread",)], ids=["known", "reread"])
def test_what_the_vault_has_lost_comes_back_from_the_card(
    docked: Station, card: Path, arguments: tuple[str, ...]
) -> None:
    lost = docked.object(digest_of(b"a"))
    until_when = docked.lock(clip_key(digest_of(b"a")))
    lost.unlink()
    (manifest,) = (docked.vault / "seals" / digest_of(b"c")).glob("*.json")
    manifest.unlink()
    found = docked.dock(card, *arguments)
    assert found["ok"] is True
    assert lost.read_bytes() == b"a"
    assert manifest.exists()
    assert docked.lock(clip_key(digest_of(b"a"))) >= until_when
    assert docked.json("verify", "--level", "full")["ok"] is True
    clips = by_path(found)
    for name in ("a.mp4", "c.txt"):
        assert {"integrity-failed", "restored"} <= set(docked.events(clips[name]["id"]))
    assert "restored" not in docked.events(clips["b.mp4"]["id"])
    assert docked.json("status")["alert_counts"] == {"integrity": 2}
    assert list(docked.spool.iterdir()) == []


def test_a_receipt_says_what_was_done_this_time(docked: Station, card: Path) -> None:
    again = docked.ok("dock", card).text
    assert "3 clips were safe from an earlier docking and were not read again." in again
    assert "Read back when first docked, not now: 3." in again
    assert "read back. The recorder" not in again
    reread = docked.ok("dock", card, "--reread").text
    assert "3 clips were safe from an earlier docking; the card gave the same bytes again." in reread
    assert "SAFE: every clip is stored, locked and read back." in reread
    docked.object(digest_of(b"a")).unlink()
    mended = docked.ok("dock", card).text
    assert "put right in the vault: a.mp4 (found there: missing)" in mended
    assert "2 clips were safe from an earlier docking and were not read again." in mended
    assert "not media: a.mp4" in mended
    told = docked.ok("dock", card, SEALDOCK_LANGUAGE="zh_CN").text
    assert "不是媒体文件" in told
    assert "not media" not in told
    docked.object(digest_of(b"a")).unlink()
    found = docked.dock(card)
    assert found["restored"] == [{"clip": by_path(found)["a.mp4"]["id"], "problem": "missing"}]


def test_reread_reads_the_vault_too(docked: Station, card: Path) -> None:
    """Nobody knew of the wrong byte: neither the card nor a look at the lock shows it."""
    flip(docked.object(digest_of(b"a")))
    assert docked.dock(card)["ok"] is True
    assert by_path(docked.dock(card, "--reread", code=33))["a.mp4"]["reason"] == "digest"
    assert by_path(docked.dock(card, code=33))["a.mp4"]["reason"] == "digest"


def test_a_lock_that_was_taken_away_is_set_again(docked: Station, card: Path) -> None:
    key = clip_key(digest_of(b"a"))
    before = docked.lock(key)
    (docked.vault / ".locks" / f"{key}.json").unlink()
    assert docked.dock(card)["ok"] is True
    assert docked.lock(key) >= before


def test_what_cannot_be_mended_is_not_called_safe(docked: Station, card: Path) -> None:
    """The object is gone, and the card holds other bytes by now under the same name, size and time."""
    docked.object(digest_of(b"a")).unlink()
    make_card(card, {"a.mp4": b"x"})
    told = docked.run("dock", card, "--json").expect(33)
    found = by_path(told.json)
    assert told.json["ok"] is False
    assert found["a.mp4"]["reason"] == "missing"
    assert found["b.mp4"]["reason"] is None
    assert told.error["error"] == "docking-incomplete"
    assert told.error["facts"]["unsafe"] == 1
    assert told.error["retriable"] is False
    assert last_close(docked)["safe"] is False
    seen = docked.run("dock", card).expect(33)
    assert "NOT SAFE in the vault: a.mp4  missing" in seen.text
    assert "SAFE: every" not in seen.text
    assert not docked.object(digest_of(b"x")).exists()


def test_bytes_that_verify_found_wrong_are_not_called_safe(docked: Station, card: Path) -> None:
    stored = docked.object(digest_of(b"a"))
    flip(stored)
    docked.run("verify", "--level", "full").expect(44)
    found = docked.dock(card, code=33)
    assert by_path(found)["a.mp4"]["reason"] == "digest"
    with writable(stored) as path:
        path.write_bytes(b"a")
    assert docked.dock(card)["ok"] is True


def test_a_weaker_check_does_not_vouch_for_bytes_that_it_did_not_read(
    station: Station, tmp_path: Path
) -> None:
    """Five chunks, of which a sample reads four: it cannot know of the one that is wrong."""
    chunk = 8 * 1024 * 1024
    card = make_card(tmp_path / "card", {"a.bin": bytes(4 * chunk) + b"the end"})
    (clip,) = station.dock(card)["clips"]
    stored = station.object(clip["sha256"])
    flip(stored, 3)
    station.run("verify", "--level", "full").expect(44)
    station.ok("verify", "--level", "lock")
    assert station.json("clips")[0]["integrity"] == "digest"
    assert "FAILED A CHECK: digest" in station.ok("clips").text
    assert station.dock(card, code=33)["clips"][0]["reason"] == "digest"
    while station.run("verify", "--level", "sample").code != 0:
        pass  # one in five does not meet the chunk
    for arguments in ((), ("--reread",)):
        assert station.dock(card, *arguments, code=33)["clips"][0]["reason"] == "digest"
    flip(stored, 3)  # somebody puts it right, which a check that reads everything finds
    assert station.dock(card)["ok"] is True
    station.ok("verify", "--level", "full")
    assert station.json("clips")[0]["integrity"] is None
    assert station.dock(card)["ok"] is True


def test_what_a_docking_brought_back_is_known_to_be_well(docked: Station, card: Path) -> None:
    stored = docked.object(digest_of(b"a"))
    flip(stored)
    docked.run("verify", "--level", "full").expect(44)
    stored.unlink()
    assert docked.dock(card)["ok"] is True
    assert stored.read_bytes() == b"a"
    assert {clip["integrity"] for clip in docked.json("clips")} == {None}


@pytest.mark.parametrize("left", [True, False], ids=["empty folder", "nothing"])
def test_a_vault_that_is_away_cannot_answer(docked: Station, card: Path, left: bool) -> None:
    docked.vault.rename(docked.home / "unmounted")
    if left:
        docked.vault.mkdir()
    told = docked.run("dock", card, "--json", **IMPATIENT).expect(37)
    assert told.json["ok"] is False
    assert told.error["error"] == "docking-unfinished"
    assert "SAFE: every" not in docked.run("dock", card, **IMPATIENT).expect(37).text
    assert docked.json("status")["vault_problem"]
    assert "VAULT: " in docked.ok("status").text
    shutil.rmtree(docked.vault, ignore_errors=True)
    (docked.home / "unmounted").rename(docked.vault)
    assert docked.dock(card)["ok"] is True
    assert docked.json("status")["vault_problem"] is None
    assert docked.json("status")["unfinished_dockings"] == []


def test_a_long_outage_is_over_when_it_is_over(station: Station, card: Path) -> None:
    """Pauses of earlier tries are not gone through again by the dock that comes after them."""
    station.vault.rename(station.home / "unmounted")
    for _ in range(3):
        waits = station.run("dock", card, "--json", SEALDOCK_DOCKING_PATIENCE_SECONDS="6").expect(33)
        assert waits.error["retriable"] is True
        assert "ended" not in waits.error["happened"]
    (station.home / "unmounted").rename(station.vault)
    assert station.dock(card, SEALDOCK_DOCKING_PATIENCE_SECONDS="3")["ok"] is True


def test_own_folders_are_never_a_card(station: Station, tmp_path: Path) -> None:
    home = station.home
    for source in (tmp_path, home, home / "keys", station.vault, home / ".." / home.name):
        refused = station.run("dock", source, "--json").expect(38)
        assert refused.error["error"] == "source-forbidden"
    assert station.value("SELECT count(*) FROM docking") == 0
