"""Against the vault, the log's key and the witness."""

import shutil
import subprocess
import sys
from pathlib import Path

from hashing.checkpoint import Checkpoint
from hashing.log import MemoryStore, tree_root
from hashing.notes import KeyType, NoteKey
from tests.support import insider
from tests.support.station import ROOT, Ran, Station, thaw, writable
from tests.support.threat import Attack, threat
from tests.support.witnessing import NAME, Witness, make


@threat(
    "The bytes of a stored clip are replaced in the vault", "`verify` 44: `digest`; `ledger check` 0: nothing"
)
def test_an_object_replaced(station: Station, attack: Attack) -> None:
    digest = station.value("SELECT sha256 FROM clip WHERE name = 'a.txt'")
    with writable(station.object(digest)) as path:
        path.write_bytes(b"A")
    attack.verified(station)
    attack.checked(station)
    attack.ends()


@threat("A stored clip is destroyed in the vault", "`verify` 44: `missing`; `ledger check` 0: nothing")
def test_an_object_destroyed(station: Station, attack: Attack) -> None:
    path = station.object(station.value("SELECT sha256 FROM clip WHERE name = 'a.txt'"))
    thaw(path)
    path.unlink()
    attack.verified(station)
    attack.checked(station)
    attack.ends()


def re_signed(station: Station) -> None:
    """Rewrite history and everything that this machine holds of it, with the log's own key."""
    insider.rewrite(station, lambda _number, body: body.replace(b'"case-evidence"', b'"case-evidencE"'))
    insider.change(station, "UPDATE tag SET category = 'case-evidencE'")
    vkey = (station.home / "keys" / "ledger.vkey").read_text().strip()
    key = NoteKey.load(
        vkey.partition("+")[0], KeyType.ED25519, (station.home / "keys" / "ledger.key").read_bytes()
    )
    with insider.register(station) as connection:
        leaves = MemoryStore(
            [row[0] for row in connection.execute("SELECT leaf_hash FROM custody_event ORDER BY sequence")]
        )
        sizes = [row[0] for row in connection.execute("SELECT size FROM ledger_checkpoint")]
        notes = {
            size: Checkpoint(key.name, size, tree_root(leaves, size)).sign(key).spell() for size in sizes
        }
        for size, note in notes.items():
            connection.execute("UPDATE ledger_checkpoint SET note = ? WHERE size = ?", (note, size))
        connection.execute("DELETE FROM ledger_cosignature")
    folder = station.vault / "ledger" / key.name / "checkpoints"
    for path in folder.iterdir():
        with writable(path):
            path.write_bytes(notes[int(path.name)])


@threat(
    "History is rewritten and every checkpoint signed again with the stolen key of the log, in the register "
    "and in a local vault; nobody outside is asked",
    "`ledger check` 0: nothing",
)
def test_re_signed_without_a_witness(station: Station, attack: Attack) -> None:
    re_signed(station)
    attack.checked(station)
    attack.ends()


@threat(
    "The same, and a witness in other hands has cosigned the log",
    "`ledger check` 103: `history-rewritten`; `tag` 102: `ledger-forked`",
)
def test_re_signed_with_a_witness(witnessed: Station, attack: Attack) -> None:
    re_signed(witnessed)
    attack.checked(witnessed)
    clip = witnessed.value("SELECT max(id) FROM clip")
    attack.refused("tag", witnessed.run("tag", clip, "--category", "case-evidence", "--json"))
    attack.ends()


def said(ran: Ran) -> list[str]:
    """The errors of a publication, by holder, or the one that it ended with."""
    return sorted(ran.json["failed"].values()) if ran.out else [ran.error["error"]]


@threat(
    "The register is copied, both copies go on, and both ask the witness",
    "the witness cosigns the first; `ledger publish` 102: `ledger-forked`; the witness keeps both signed "
    "notes",
)
def test_a_forked_log(witnessed: Station, witness: Witness, attack: Attack, tmp_path: Path) -> None:
    other = Station(tmp_path / "other", witnessed.environment)
    shutil.copytree(witnessed.home, other.home)
    witnessed.ok("case", "add", "苏吴城管罚字〔2026〕第31号")
    assert witnessed.json("ledger", "publish")["ok"]
    attack.saw("the witness cosigns the first")
    # The copy's own vault knows nothing of it, and the witness is asked only when it publishes.
    with insider.register(other) as connection:
        connection.execute("DELETE FROM ledger_standing")
    away = {**other.environment, "SEALDOCK_LEDGER_WITNESSES": ""}
    Station(other.home, away).ok("case", "add", "苏吴城管罚字〔2026〕第32号")
    Station(other.home, away).ok("case", "add", "苏吴城管罚字〔2026〕第33号")
    ran = other.run("ledger", "publish", "--json")
    attack.told(
        "ledger publish", ran, sorted(ran.json["failed"].values()) if ran.out else [ran.error["error"]]
    )
    kept = witness.run("evidence", "--json")
    assert kept.json
    attack.saw("the witness keeps both signed notes")
    attack.ends()
    thaw(other.home)


@threat(
    "The same, and each copy does one thing only",
    "the witness cosigns the first; `tag` 102: `ledger-forked`; the witness keeps both signed notes",
)
def test_a_forked_log_of_one_event(
    witnessed: Station, witness: Witness, attack: Attack, tmp_path: Path
) -> None:
    other = Station(tmp_path / "other", witnessed.environment)
    shutil.copytree(witnessed.home, other.home)
    away = Station(other.home, {**other.environment, "SEALDOCK_LEDGER_WITNESSES": ""})
    size = witnessed.value("SELECT count(*) FROM custody_event")
    for number in (31, 32):
        away.ok("case", "add", f"苏吴城管罚字〔2026〕第{number}号")
    while witnessed.value("SELECT count(*) FROM custody_event") <= size:
        witnessed.ok("case", "add", "苏吴城管罚字〔2026〕第33号")
    assert witnessed.json("ledger", "publish")["ok"]
    attack.saw("the witness cosigns the first")
    clip = other.value("SELECT max(id) FROM clip")
    attack.refused("tag", other.run("tag", clip, "--category", "case-evidence", "--json"))
    assert witness.run("evidence", "--json").json
    attack.saw("the witness keeps both signed notes")
    attack.ends()
    thaw(other.home)


@threat(
    "A witness is brought back to an older state of its own",
    "`tag` 0; an alert names the witness that went back",
)
def test_a_witness_that_went_back(station: Station, witness: Witness, attack: Attack, tmp_path: Path) -> None:
    vkey = witness.vkey
    with witness.serving():
        place = f"http://127.0.0.1:{witness.port} {vkey}"
        home = Station(station.home, {**station.environment, "SEALDOCK_LEDGER_WITNESSES": place})
        home.ok("ledger", "publish")
        shutil.copytree(witness.folder, tmp_path / "older")
        home.ok("case", "add", "苏吴城管罚字〔2026〕第51号")
        home.ok("ledger", "publish")
    shutil.rmtree(witness.folder)
    (tmp_path / "older").rename(witness.folder)
    port = witness.port
    with witness.serving("--listen", f"127.0.0.1:{port}"):
        clip = home.value("SELECT max(id) FROM clip")
        home.ok("tag", clip, "--category", "inspection")
        attack.saw("`tag` 0")
    alerts = home.json("alerts", "list")
    assert {(item["kind"], item["facts"]["problem"]) for item in alerts} >= {("ledger", "witness-went-back")}
    attack.saw("an alert names the witness that went back")
    attack.ends()


@threat(
    "The events are taken out of the vault, and the rows that name them out of the register: it could not be "
    "made anew any more",
    "`ledger check` 103: `bundle-missing`",
)
def test_bundles_destroyed(station: Station, attack: Attack) -> None:
    thaw(station.vault)
    shutil.rmtree(station.vault / "events")
    insider.change(station, "DELETE FROM stored_version WHERE kind = 'events'")
    attack.checked(station)
    attack.ends()


@threat(
    "The witness is replaced by another one that signs anything",
    "`ledger show` does not count it: its key is not the one of the settings; `ledger publish` 0: nothing",
)
def test_a_witness_swapped(witnessed: Station, witness: Witness, attack: Attack, tmp_path: Path) -> None:
    witness.stop()
    other = make(tmp_path / "other")
    other.run("add-log", (witnessed.home / "keys" / "ledger.vkey").read_text().strip()).expect(0)
    with other.serving("--listen", f"127.0.0.1:{witness.port}"):
        witnessed.ok("case", "add", "苏吴城管罚字〔2026〕第41号")
        size = witnessed.value("SELECT count(*) FROM custody_event")
        ran = witnessed.run("ledger", "publish", "--json")
    holders = {item["name"]: item for item in witnessed.json("ledger", "show")["holders"]}
    assert holders[NAME]["size"] < size
    assert holders[NAME]["problem"] == "witness-unavailable"
    attack.saw("`ledger show` does not count it: its key is not the one of the settings")
    attack.told("ledger publish", ran, said(ran))
    attack.ends()


@threat(
    "The clock is set back before a docking",
    "the manifest, the log and an alert say that the clock was not plausible; `ledger check` 0: nothing",
)
def test_a_clock_set_back(station: Station, attack: Attack, tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "late.txt").write_bytes(b"late")
    done = subprocess.run(
        ["faketime", "-m", "2020-01-01 00:00:00", sys.executable, "-m", "cli", "dock", tmp_path / "card"],
        cwd=ROOT, env=station.variables(), capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (facts,) = station.rows(
        "SELECT body FROM custody_event WHERE kind = 'inventoried' ORDER BY sequence DESC LIMIT 1"
    )
    assert b'"plausible":false' in facts[0]
    assert station.value("SELECT count(*) FROM alert WHERE kind = 'clock-implausible'") == 1
    attack.saw("the manifest, the log and an alert say that the clock was not plausible")
    attack.checked(station)
    attack.ends()
