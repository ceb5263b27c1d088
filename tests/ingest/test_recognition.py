from pathlib import Path

import pytest

from config.profiles import Profile, load_profiles
from ingest.recognition import Recognition, recognise
from ingest.source import Entry

PROFILES = load_profiles(None)


def entry(path: bytes) -> Entry:
    return Entry(path, size=1, mtime_ns=0, read_only=False)


def of(*paths: bytes, profiles: tuple[Profile, ...] = PROFILES) -> Recognition:
    return recognise([entry(path) for path in paths], profiles)


def test_the_profile_that_explains_most_wins() -> None:
    found = of(b"a/GH010001.MP4", b"a/GH010002.MP4", b"DCIM/100ABCDE/DSCF0001.JPG")
    assert found.profile.name == "gopro"
    assert set(found.facts) == {b"a/GH010001.MP4", b"a/GH010002.MP4"}
    assert found.facts[b"a/GH010002.MP4"].sequence == 2


def test_the_earlier_profile_wins_a_tie() -> None:
    path = b"DCIM/100GOPRO/GH010001.MP4"  # a name of GoPro's and of DCF's
    named = {profile.name: profile for profile in PROFILES}
    for order in (("gopro", "dcf"), ("dcf", "gopro")):
        found = of(path, profiles=tuple(named[name] for name in order))
        assert found.profile.name == order[0]


@pytest.mark.parametrize("paths", [(), (b"notes.txt", b"movie.mp4"), (b"\xff\xfe", b"a\nb")])
def test_what_nothing_explains_is_plain(paths: tuple[bytes, ...]) -> None:
    found = of(*paths)
    assert (found.profile.name, dict(found.facts), found.serial) == ("plain", {}, None)


def test_no_file_is_left_out_by_a_profile() -> None:
    paths = [b"ABC1234_123456_20261120090000_0001.mp4", b"odd \xff.bin", b"x.jpg", b"x.wav", b"x.thm", b"x"]
    found = of(*paths)
    assert found.profile.name == "cn-recorder"
    kinds = [str(found.kind(entry(path))) for path in paths]
    assert kinds[0] == "video"
    assert kinds[2:4] == ["still", "audio"]
    assert set(kinds) <= {"video", "audio", "still", "side", "other"}


def test_the_serial_is_the_one_that_all_names_agree_on() -> None:
    one, same, other = (
        b"ABC1234_123456_20261120090000_0001.mp4",
        b"ABC1234_123456_20261120090100_0002_IMP.mp4",
        b"ABC9999_123456_20261120090200_0003.mp4",
    )
    assert of(one, same, b"unrelated.txt").serial == "ABC1234"
    assert of(one, same, other).serial is None
    assert of(one, same).facts[same].important


def test_hostile_names_do_not_slow_or_stop_it() -> None:
    hostile = [b"/".join([b"a" * 250] * 4), b"_" * 255, b"0" * 255, b"\xff" * 255, b"DCAM_" + b"_" * 250]
    assert of(*hostile).serial is None


def test_without_profiles() -> None:
    with pytest.raises(ValueError, match="no profiles"):
        of(b"clip", profiles=())


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        "[own]\ntitle = 'Own'\n"
        "patterns = [{ regex = '(?P<device>[A-Z]{2})-(?P<sequence>\\d+)\\.bin', kind = 'video' }]\n",
        encoding="utf-8",
    )
    found = of(b"AB-1.bin", b"AB-22.bin", profiles=load_profiles(tmp_path))
    assert (found.profile.name, found.serial) == ("own", "AB")
    assert found.kind(entry(b"AB-1.bin")) == "video"
