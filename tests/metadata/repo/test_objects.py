import hashlib
import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from hashing.digest import Algorithm
from hashing.reader import Reading, read_through
from metadata.models import Alert, AlertAcknowledgement, Derivative, StoredKind
from metadata.repo import integrity, objects
from metadata.repo.objects import Stored
from tests.support.register import ACTOR, AT, add_clip

VAULT = "file:///vault"


@dataclass(frozen=True)
class Version:
    key: str = "clips/x"
    version: str = "1"
    size: int = 3
    lock_mode: str = "advisory"
    lock_until: datetime | None = AT
    held: bool = False


def stored(
    found: Version, sha256: str = "a" * 64, kind: StoredKind = StoredKind.ORIGINAL, how: str = "full"
) -> Stored:
    return Stored(found, kind, sha256, how)


def reading(tmp_path: Path, data: bytes) -> Reading:
    path = tmp_path / "bytes"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_through(fd, algorithms=(Algorithm.SHA256, Algorithm.SHA512))
    finally:
        os.close(fd)


def test_the_same_bytes_are_one_object(session: Session, tmp_path: Path) -> None:
    one = objects.ensure(session, reading(tmp_path, b"abc"), AT)
    assert objects.ensure(session, reading(tmp_path, b"abc"), AT + timedelta(1)) is one
    assert (one.sha256, one.size) == (hashlib.sha256(b"abc").hexdigest(), 3)
    assert one.other_digests == [f"sha512:{hashlib.sha512(b'abc').hexdigest()}"]
    assert objects.chunks(one).root.hex == one.chunk_root
    assert objects.chunks(one).leaf(0) == hashlib.sha256(b"abc").digest()


def test_all_empty_files_are_one_object(session: Session, tmp_path: Path) -> None:
    one = objects.ensure(session, reading(tmp_path, b""), AT)
    assert (one.size, one.chunk_leaves) == (0, b"")
    assert objects.chunks(one).root.hex == one.chunk_root


def test_a_version_seen_again_refreshes_its_lock(session: Session) -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    later = AT + timedelta(days=9)
    row = objects.note_stored(session, VAULT, stored(Version(), sha256), AT)
    again = replace(Version(), lock_until=later, lock_mode="compliance")
    assert objects.note_stored(session, VAULT, stored(again, sha256), later) is row
    assert (row.lock_until, row.lock_mode, row.created_at) == (later, "compliance", AT)
    second = objects.note_stored(session, VAULT, stored(replace(again, version="2"), sha256), AT)
    assert {one.id for one in objects.versions_at(session, VAULT, "clips/x")} == {row.id, second.id}
    assert objects.versions_at(session, "file:///other", "clips/x") == []


def test_what_was_read_back_once_is_never_confirmed_less(session: Session) -> None:
    row = objects.note_stored(session, VAULT, stored(Version(), how="checksum"), AT)
    assert (row.confirmation, row.confirmed_at) == ("checksum", None)
    assert objects.confirmations(session, ["a" * 64]) == {}
    objects.note_confirmed(session, {row.id: Version()}, AT)
    session.expire_all()
    assert objects.confirmations(session, ["a" * 64, "b" * 64]) == {"a" * 64: "checksum"}
    for how in ("full", "checksum"):
        assert objects.note_stored(session, VAULT, stored(Version(), how=how), AT) is row
        assert row.confirmation == "full"
    objects.note_stored(
        session, VAULT, stored(replace(Version(), key="k"), how="checksum"), AT, confirmed=True
    )
    assert objects.confirmation_counts(session, VAULT) == {"full": 1, "checksum": 1}
    assert objects.confirmation_counts(session, "second") == {}


def test_what_a_second_vault_lacks_and_how_both_confirmed(session: Session) -> None:
    def note(vault: str, key: str, how: str, *, confirmed: bool = True, version: str = "1") -> None:
        found = stored(replace(Version(), key=key, version=version), how=how)
        objects.note_stored(session, vault, found, AT, confirmed=confirmed)

    note("main", "a", "full")
    note("main", "a", "full", version="2")
    note("main", "b", "full", confirmed=False)
    assert objects.lacking(session, "main", "second") == 1
    note("second", "a", "checksum", confirmed=False)
    assert objects.lacking(session, "main", "second") == 1
    assert objects.confirmations(session, ["a" * 64]) == {"a" * 64: "full"}
    note("second", "a", "checksum")
    assert objects.lacking(session, "main", "second") == 0
    assert objects.confirmations(session, ["a" * 64]) == {"a" * 64: "checksum"}
    note("second", "a", "full")
    assert objects.confirmations(session, ["a" * 64]) == {"a" * 64: "full"}


def test_a_newer_version_supersedes(session: Session) -> None:
    first = objects.note_stored(session, VAULT, stored(Version()), AT)
    assert not objects.is_superseded(session, first)
    second = objects.note_stored(session, VAULT, stored(replace(Version(), version="2")), AT)
    beside = objects.note_stored(session, VAULT, stored(replace(Version(), key="seals/a/m.json")), AT)
    assert objects.is_superseded(session, first)
    assert not objects.is_superseded(session, second)
    assert objects.below(session, VAULT, ["clips/x"], "seals/a/") == [first, second, beside]
    assert objects.below(session, VAULT, ["clips/x"], "seals/_/") == [first, second]


def test_the_stalest_come_first(session: Session) -> None:
    for number, days in enumerate([5, None, 1, None]):
        found = stored(replace(Version(), key=f"k{number}"), f"{number}" * 64)
        row = objects.note_stored(session, VAULT, found, AT)
        row.verified_at = None if days is None else AT + timedelta(days=days)
    objects.note_stored(session, VAULT, stored(Version(), kind=StoredKind.SEAL), AT)
    session.flush()
    order = [digest[0] for digest in integrity.stalest(session, [VAULT])]
    assert order[2:] == ["2", "0"]
    assert set(order[:2]) == {"1", "3"}


def test_what_still_wants_derivatives(session: Session) -> None:
    video = add_clip(session, state="confirmed")
    done = add_clip(session, state="released")
    add_clip(session, state="sealed")
    add_clip(session, state="confirmed", kind="other")
    session.add(Derivative(clip_id=done.id, sampled_frames=0, at=AT))
    session.flush()
    assert integrity.underived(session) == [video.id]


def test_the_same_alert_is_raised_once_until_somebody_answers(session: Session) -> None:
    clip, other = add_clip(session), add_clip(session)

    def found(run: str, problem: str = "digest", of: str | None = clip.id, at: datetime = AT) -> Alert:
        facts = {"run": run, "problem": problem}
        return integrity.raise_alert(session, "integrity", at, clip=of, facts=facts, once=True)

    first = found("1")
    assert found("2") is first
    assert len({item.id for item in (first, found("2", "size"), found("2", of=other.id))}) == 3
    without = found("2", of=None)
    assert without is not first
    assert found("3", of=None) is without
    session.add(
        AlertAcknowledgement(id="a", alert_id=first.id, actor={}, at=AT, note="its disk was exchanged")
    )
    session.flush()
    assert found("4") is first
    assert found("4", at=AT + timedelta(hours=21)) is not first
    integrity.end_alerts(session, "integrity", AT)
    assert found("5", of=None) is not without


def test_alerts(session: Session) -> None:
    integrity.raise_alert(session, "quarantined", AT, facts={"reason": "x"})
    integrity.raise_alert(session, "quarantined", AT, facts={"reason": "y"})
    assert integrity.alert_counts(session) == {"quarantined": 2}
    assert integrity.has_alert(session, "quarantined", {"reason": "x"})
    assert not integrity.has_alert(session, "quarantined", {"reason": "z"})
    assert not integrity.has_alert(session, "other", {"reason": "x"})
    ((newest, answer),) = integrity.alerts_with_answers(session, 1, every=False)
    assert answer is None
    session.add(
        AlertAcknowledgement(id="a" * 26, alert_id=newest.id, actor=ACTOR.to_json(), note="seen", at=AT)
    )
    session.flush()
    assert integrity.alert_counts(session) == {"quarantined": 1}
    assert newest.id not in {row.id for row, _ in integrity.alerts_with_answers(session, 9, every=False)}
    kept = {row.id: said for row, said in integrity.alerts_with_answers(session, 9, every=True)}
    assert kept[newest.id] is integrity.acknowledgement(session, newest.id) is not None
    assert [row.id for row in integrity.alerts_named(session, newest.id[-9:])] == [newest.id]
    assert integrity.alerts_named(session, "%") == integrity.alerts_named(session, newest.id[-5:]) == []


def test_keys_come_in_the_order_of_their_bytes(session: Session) -> None:
    keys = ["B/x", "a-b/x", "a.json", "a/X", "a/x", "a/x.json", "b"]
    assert keys == sorted(keys)
    for number, key in enumerate(reversed(keys)):
        for version in ("1", "2"):
            found = replace(Version(), key=key, version=version)
            objects.note_stored(session, VAULT, stored(found, f"{number:064x}"), AT)
    objects.note_stored(session, "another", stored(replace(Version(), key="a/y")), AT)
    groups = objects.groups_after(session, VAULT, "", 100)
    assert [[(row.key, row.version) for row in group] for group in groups] == [
        [(key, "1"), (key, "2")] for key in keys
    ]
    seen: list[str] = []
    while page := objects.groups_after(session, VAULT, seen[-1] if seen else "", 2):
        assert len(page) <= 2
        seen += [group[0].key for group in page]
    assert seen == keys
