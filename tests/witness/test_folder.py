"""What lies in a witness's folder: made, locked, guarded, and refused when it is damaged or went back."""

import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.errors import WitnessFolderError, WitnessStateError
from hashing.checkpoint import Checkpoint, cosign
from hashing.notes import KeyType, Note, NoteError, NoteKey, Vkey
from tests.support.ledger import LOG, ORIGIN
from tests.support.outsiders import Go
from tests.support.station import until
from tests.support.witnessing import NAME, Log, Witness, body, make
from witness.folder import create, opened
from witness.state import State

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_init_and_what_lies_there(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "new" / "witness")
    told = witness.run("init", "--name", NAME).expect(0).text
    vkey = Vkey.parse(told.splitlines()[-1])
    assert (vkey.name, vkey.kind) == (NAME, KeyType.COSIGNATURE)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in witness.folder.iterdir()}
    assert modes == {"witness.key": 0o600, "witness.db": 0o600}
    assert stat.S_IMODE(witness.folder.stat().st_mode) == 0o700
    assert NoteKey.load(NAME, vkey.kind, (witness.folder / "witness.key").read_bytes()).vkey == vkey
    assert witness.run("init", "--name", NAME, "--json").expect(92).error["error"] == "witness-folder"
    assert witness.run("add-log", str(LOG.vkey), "--json").expect(0).json["added"] is True
    assert witness.run("add-log", str(LOG.vkey), "--origin", "b c").expect(0)
    assert witness.run("add-log", str(LOG.vkey), "--origin", "").expect(2)
    logs = witness.run("logs", "--json").expect(0).json
    assert [row["origin"] for row in logs["logs"]] == ["b c", ORIGIN]
    assert (logs["vkey"], logs["logs"][1]["size"]) == (str(vkey), None)
    assert str(vkey) in witness.run("logs").expect(0).text


def test_names_that_no_key_can_have(tmp_path: Path) -> None:
    assert Witness(tmp_path / "w").run("init", "--name", "a b").expect(2)
    assert not (tmp_path / "w").exists()
    with pytest.raises(NoteError):
        create(tmp_path / "w", "a+b")


def test_a_folder_without_a_witness(tmp_path: Path) -> None:
    for word in ("logs", "evidence", "serve"):
        ran = Witness(tmp_path).run(word).expect(92)
        assert "there is no witness in it" in ran.err
    (tmp_path / "a-file").touch()
    assert Witness(tmp_path / "a-file").run("logs").expect(92)
    with pytest.raises(WitnessFolderError):
        create(tmp_path / "a-file" / "w", "n")


def test_only_one_process_serves(tmp_path: Path) -> None:
    witness = make(tmp_path, Log())
    with witness.serving():
        second = Witness(witness.folder).run("serve", "--listen", "127.0.0.1:0").expect(94)
        assert "already" in second.err
        assert witness.post(Log().grow(1).request(0)).status == 200
    with witness.serving():
        assert witness.post(Log().grow(2).request(1)).status == 200


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    witness = make(tmp_path, Log())
    (witness.folder / "witness.key").chmod(0o640)
    assert witness.run("serve").expect(46)
    (witness.folder / "witness.key").chmod(0o600)
    (witness.folder / "witness.key").write_text("-----BEGIN")
    assert witness.run("serve").expect(47)
    (witness.folder / "witness.key").unlink()
    assert witness.run("serve").expect(47)
    (witness.folder / "witness.key").write_bytes(NoteKey.generate(NAME, KeyType.COSIGNATURE).pem())
    (witness.folder / "witness.key").chmod(0o600)
    assert "another key" in witness.run("serve").expect(93).err


def grown(folder: Path) -> Witness:
    witness, log = make(folder, Log()), Log().grow(3)
    with witness.serving():
        assert witness.post(log.request(0)).status == 200
    return witness


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    witness = grown(tmp_path)
    path = witness.folder / "witness.db"
    whole = path.read_bytes()
    for damaged in (
        b"",
        b"no database",
        whole[: len(whole) // 2],
        whole[:1000] + bytes(9000) + whole[10000:],
    ):
        path.write_bytes(damaged)
        ran = witness.run("serve").expect(93)
        assert "Do not put an older copy back" in ran.err
    path.write_bytes(whole)
    with witness.serving():
        assert witness.post(Log().grow(4).request(3)).status == 200


def test_a_state_that_somebody_edited_is_refused(tmp_path: Path) -> None:
    witness = grown(tmp_path)
    other = Log().grow(2, "other").note().spell().decode()
    with closing(sqlite3.connect(witness.folder / "witness.db", isolation_level=None)) as db:
        for statement in (
            "DELETE FROM cosigned",
            "UPDATE cosigned SET size = 2",
            "INSERT INTO cosigned SELECT origin, 2, root, at, note FROM cosigned",
            "REPLACE INTO cosigned SELECT origin, size, hex(randomblob(22)), at, note FROM cosigned",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(statement)
        db.execute("UPDATE cosigned SET note = ?", (other,))
    with pytest.raises(WitnessStateError), opened(witness.folder):
        pass


def test_a_key_of_a_state_that_grows_backwards(tmp_path: Path) -> None:
    key = NoteKey.generate(NAME, KeyType.COSIGNATURE)
    state = State.create(tmp_path / "s.db", key.vkey, AT)
    log = Log().grow(5)
    with state.change():
        state.keep(log.checkpoint(), cosign(log.note(), key, AT), AT)
    for wrong in (log.checkpoint(4), Checkpoint(ORIGIN, 5, bytes(32))):
        with pytest.raises(sqlite3.IntegrityError), state.change():
            state.keep(wrong, cosign(log.note(4), key, AT), AT)
    assert [row.latest.size for row in state.logs() if row.latest] == []
    latest = state.latest(ORIGIN)
    assert latest is not None
    assert (latest.size, latest.root) == (5, log.checkpoint().root)
    state.close()


def test_an_old_state_that_was_put_back_is_found_out_by_its_own_signature(tmp_path: Path) -> None:
    witness, log = make(tmp_path, Log()), Log().grow(3)
    with witness.serving():
        assert witness.post(log.request(0)).status == 200
    shutil.copy(witness.folder / "witness.db", tmp_path / "backup.db")
    log.grow(3)
    with witness.serving():
        assert witness.post(log.request(3)).status == 200
        cosigned = witness.latest(ORIGIN).body
    shutil.copy(tmp_path / "backup.db", witness.folder / "witness.db")
    with witness.serving():
        assert witness.post(body(3, log.proof(3), Note.parse(cosigned))).status == 503
        assert witness.post(log.request(3)).status == 503  # and nothing more for this log
        health = witness.ask("GET", "/health")
        assert (health.status, health.json["stopped"]) == (503, 1)
        (event,) = witness.events("witness-state-behind")
        assert (event["level"], event["size"]) == ("error", 6)
    with witness.serving():
        assert witness.post(log.request(3)).status == 503
    assert "STOPPED" in witness.run("logs").expect(0).text


def test_the_state_is_full_or_gone_while_it_runs(tmp_path: Path) -> None:
    witness, log = make(tmp_path, Log()), Log().grow(3)
    with witness.serving():
        assert witness.post(log.request(0)).status == 200
        with closing(sqlite3.connect(witness.folder / "witness.db", isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")  # longer than it waits
            assert witness.post(log.grow(1).request(3)).status == 503
            db.execute("ROLLBACK")
        until(lambda: witness.post(log.request(3)).status == 200)
        assert len(witness.events("witness-state-failed")) == 1


def test_beyond_this_computer_it_needs_tls(tmp_path: Path) -> None:
    witness = make(tmp_path)
    for place in ("0.0.0.0:0", "[::]:0", "witness.example:0"):
        assert "--tls-certificate" in witness.run("serve", "--listen", place).expect(2).err
    assert witness.run("serve", "--listen", "nonsense").expect(2)
    assert witness.run("serve", "--tls-key", "x").expect(2)
    with witness.serving("--behind-proxy", "--listen", "0.0.0.0:0"):
        assert witness.ask("GET", "/health").status == 200


def test_the_reference_implementation_opens_what_is_handed_out(tmp_path: Path) -> None:
    missing = Go.missing()
    if missing:
        pytest.skip(missing)
    witness, log = make(tmp_path, Log()), Log().grow(9)
    with witness.serving():
        assert witness.post(log.request(0)).status == 200
        note = witness.latest(ORIGIN).body.decode()
    vkeys = [str(LOG.vkey), str(witness.vkey)]
    spoilt = note.replace("\n9\n", "\n8\n")
    good, bad = Go.build(tmp_path).ask(
        {"op": "open", "text": note, "vkeys": vkeys}, {"op": "open", "text": spoilt, "vkeys": vkeys}
    )
    assert (good.error, good.lines) == ("", [log.checkpoint().text, ORIGIN, NAME])
    assert bad.error


def test_commands_need_no_home(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "w", {"SEALDOCK_HOME": str(tmp_path / "nowhere"), "HOME": str(tmp_path)})
    witness.run("init", "--name", NAME).expect(0)
    witness.run("add-log", str(LOG.vkey)).expect(0)
    with witness.serving():
        assert witness.post(Log().grow(1).request(0)).status == 200
    assert not (tmp_path / "nowhere").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w", "w.log"]
