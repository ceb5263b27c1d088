"""Small things that a person is told: one of something, nothing of something, and why."""

from pathlib import Path

from tests.support.station import Station, make_card

FULL = {"SEALDOCK_SPOOL_MIN_FREE_BYTES": str(1 << 60), "SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}
IMPATIENT = {"SEALDOCK_DOCKING_PATIENCE_SECONDS": "1"}


def test_one_clip_is_one_and_nothing_is_said_of_nothing(station: Station, tmp_path: Path) -> None:
    assert station.ok("hold", "list").text == "No holds.\n"
    assert station.json("hold", "list") == []
    station.dock(make_card(tmp_path / "card", {"a.mp4": b"a"}), "--officer", "012345")
    assert "1 clip checked (lock)" in station.ok("verify", "--level", "lock").text
    unknown = station.ok("clips", "--officer", "nobody")
    assert (unknown.text, unknown.err) == ("No clips.\n", "No officer nobody is known.\n")
    assert station.json("clips", "--officer", "nobody") == []
    assert station.ok("clips", "--officer", "012345").err == ""


def test_a_table_that_is_not_there(station: Station, tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    refused = station.run("case", "import", missing).expect(71)
    assert f"{missing} was not imported: No such file or directory." in refused.err


def test_clips_that_were_not_begun_wait_for_what_the_others_wait_for(
    station: Station, tmp_path: Path
) -> None:
    card = make_card(tmp_path / "card", {f"{n}.mp4": b"%d" % n for n in range(5)})
    some = {**FULL, "SEALDOCK_DOCKING_PARALLEL": "2"}
    docked = station.dock(card, code=33, **some)
    assert sorted(clip["state"] for clip in docked["clips"]) == ["found"] * 3 + ["waiting"] * 2
    assert {clip["reason"] for clip in docked["clips"]} == {"spool-full"}
    told = station.run("dock", card, **some).expect(33).text
    assert told.count("spool-full") == 5
    assert station.dock(card)["ok"]


def test_a_folder_that_is_no_vault_is_named(station: Station, tmp_path: Path) -> None:
    """An empty place where a disk should be mounted, or a slip in vault.url."""
    card = make_card(tmp_path / "card", {"a.mp4": b"a"})
    station.dock(card)
    station.vault.rename(station.vault.with_name("elsewhere"))
    station.vault.mkdir()
    refused = station.run("dock", card, "--json", **IMPATIENT).expect(37)
    assert "not a vault" in str(refused.error["facts"]["problem"])
    told = station.run("dock", card, **IMPATIENT).expect(37)
    assert "not a vault (no .locks in it; is its disk mounted?)" in told.text
    assert "not a vault" in told.err
    station.vault.rmdir()
    station.vault.with_name("elsewhere").rename(station.vault)
    assert station.dock(card)["ok"]
