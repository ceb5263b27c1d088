"""Trusted timestamps: set while docking, or pending and completed by a later run. Nothing waits for them."""

from pathlib import Path

import pytest

from config.errors import VerificationFailedError
from hashing import timestamp
from tests.support.station import Station, flip, make_card, openssl_accepts
from tests.support.tsa import Behaviour, TestAuthority, authority

pytestmark = pytest.mark.slow


def _settings(tsa: TestAuthority) -> dict[str, str]:
    return {
        "SEALDOCK_TIMESTAMP_URL": tsa.url,
        "SEALDOCK_TIMESTAMP_TRUST_ROOTS": str(tsa.root_path),
        "SEALDOCK_TIMESTAMP_TIMEOUT_SECONDS": "2",
    }


def _stamped(station: Station) -> list[Path]:
    return sorted(station.vault.glob("seals/*/*.json.t.p7s"))


def test_an_authority_that_answers_stamps_every_seal(station: Station, tmp_path: Path) -> None:
    card = make_card(
        tmp_path / "card", {"DCIM/100MEDIA/MOVI0001.MP4": b"one", "DCIM/100MEDIA/MOVI0002.MP4": b""}
    )
    with authority(tmp_path / "tsa") as tsa:
        station.dock(card, **_settings(tsa))
        assert tsa.asked == 2
        assert station.json("seals", "status", "--json", **_settings(tsa)) == {"timestamped": 2, "pending": 0}
        stamped = _stamped(station)
        assert len(stamped) == 2
        for seal in stamped:
            plain = seal.with_name(seal.name.replace(".t.p7s", ".p7s")).read_bytes()
            assert timestamp.embedded_token(plain) is None
            assert timestamp.signature_value(plain) == timestamp.signature_value(seal.read_bytes())
            assert openssl_accepts(station, seal, seal.with_name(seal.name.removesuffix(".t.p7s")))
        assert station.json("verify", "--level", "full", "--json", **_settings(tsa))["ok"]


@pytest.mark.parametrize("behaviour", [Behaviour.GARBAGE, Behaviour.OTHER_IMPRINT])
def test_an_authority_that_lies_leaves_the_seal_pending(
    station: Station, tmp_path: Path, behaviour: Behaviour
) -> None:
    card = make_card(tmp_path / "card", {f"{i}.mp4": bytes([i]) for i in range(12)})
    with authority(tmp_path / "tsa") as tsa:
        tsa.behaviour = behaviour
        assert station.dock(card, **_settings(tsa))["ok"]
        assert 1 <= tsa.asked <= 4, "only clips that were under way may have asked"
        assert station.json("seals", "status", "--json", **_settings(tsa)) == {
            "timestamped": 0,
            "pending": 12,
        }
        assert station.value("SELECT count(*) FROM alert WHERE kind = 'timestamp-invalid'") == 1
        assert _stamped(station) == []

        station.run("seals", "complete", **_settings(tsa)).expect(1)
        tsa.behaviour = Behaviour.GOOD
        done = station.json("seals", "complete", "--json", **_settings(tsa))
        assert done == {"completed": 12, "pending": 0}
        assert len(_stamped(station)) == 12
        assert station.json("verify", "--level", "full", "--json", **_settings(tsa))["ok"]
        clips = station.json("clips", "--json")
        assert all(station.events(clip["id"]).count("timestamped") == 1 for clip in clips)


def test_an_authority_that_is_away_is_no_alarm(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"a.mp4": b"one"})
    with authority(tmp_path / "tsa") as tsa:
        settings = _settings(tsa)
    assert station.dock(card, **settings)["ok"]
    assert station.json("seals", "status", "--json", **settings) == {"timestamped": 0, "pending": 1}
    assert station.value("SELECT count(*) FROM alert") == 0


def test_a_stamped_seal_that_was_changed_is_named(station: Station, tmp_path: Path) -> None:
    card = make_card(tmp_path / "card", {"a.mp4": b"one"})
    with authority(tmp_path / "tsa") as tsa:
        clip = station.dock(card, **_settings(tsa))["clips"][0]
    (stamped,) = _stamped(station)
    flip(stamped, 40)
    found = station.run("verify", "--level", "full", "--json").expect(VerificationFailedError.exit_code).json
    assert [(item["clip"], item["problem"]) for item in found["failed"]] == [
        (clip["id"], "timestamped-seal: digest")
    ]


def test_timestamps_are_checked_against_the_roots_that_are_configured(
    station: Station, tmp_path: Path
) -> None:
    card = make_card(tmp_path / "card", {"a.mp4": b"one"})
    with authority(tmp_path / "tsa") as tsa, authority(tmp_path / "other") as other:
        clip = station.dock(card, **_settings(tsa))["clips"][0]
        station.ok("verify", "--level", "full", **_settings(tsa))
        ran = station.run("verify", "--level", "full", "--json", **_settings(other))
    found = ran.expect(VerificationFailedError.exit_code).json
    assert [(item["clip"], item["problem"]) for item in found["failed"]] == [(clip["id"], "timestamp")]
