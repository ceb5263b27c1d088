from datetime import datetime
from pathlib import Path

import pytest

from config.errors import InvalidSettingError, SettingsFileInvalidError
from config.profiles import Kind, NameFacts, Profile, kind_of_suffix, load_profiles

NOON = datetime(2026, 1, 15, 12, 0, 5)  # noqa: DTZ001 - a recorder names no zone


def profile(name: str) -> Profile:
    return {found.name: found for found in load_profiles(None)}[name]


@pytest.mark.parametrize(
    ("name", "path", "facts"),
    [
        (
            "cn-recorder",
            "DCIM/ABC1234_012345_20260115120005_0007.mp4",
            NameFacts(Kind.VIDEO, device="ABC1234", officer="012345", start=NOON, sequence=7),
        ),
        (
            "cn-recorder",
            "ABC1234_012345_20260115120005_0008_IMP.MP4",
            NameFacts(Kind.VIDEO, device="ABC1234", officer="012345", start=NOON, sequence=8, important=True),
        ),
        (
            "cn-recorder",
            "ABC1234_012345_20260115120005_9.wav",
            NameFacts(Kind.AUDIO, device="ABC1234", officer="012345", start=NOON, sequence=9),
        ),
        (
            "dcam",
            "DCAM_pixel7_zhang_san_20260115_120005.mp4",
            NameFacts(Kind.VIDEO, device="pixel7", user="zhang_san", start=NOON),
        ),
        (
            "dcam",
            "x/DCAM_pixel7_zhang_20260115_120005_IMP.jpg",
            NameFacts(Kind.STILL, device="pixel7", user="zhang", start=NOON, important=True),
        ),
        ("gopro", "DCIM/100GOPRO/GH021234.MP4", NameFacts(Kind.VIDEO, sequence=1234, chapter=2)),
        ("gopro", "DCIM/100GOPRO/GX011234.MP4", NameFacts(Kind.VIDEO, sequence=1234, chapter=1)),
        ("gopro", "DCIM/100GOPRO/GOPR0001.MP4", NameFacts(Kind.VIDEO, sequence=1)),
        ("gopro", "DCIM/100GOPRO/GP010001.MP4", NameFacts(Kind.VIDEO, sequence=1, chapter=1)),
        ("gopro", "DCIM/100GOPRO/GH021234.THM", NameFacts(Kind.SIDE, sequence=1234, chapter=2)),
        ("gopro", "DCIM/100GOPRO/GL021234.LRV", NameFacts(Kind.SIDE, sequence=1234, chapter=2)),
        ("novatek", "Movie/2026_0115_120005_012A.MP4", NameFacts(Kind.VIDEO, start=NOON, sequence=12)),
        ("novatek", "2026_0115_120005_012B.MP4", NameFacts(Kind.VIDEO, start=NOON, sequence=12)),
        ("event-dashcam", "20260115-120005_NOR_F.mp4", NameFacts(Kind.VIDEO, start=NOON)),
        ("event-dashcam", "20260115-120005_MOT_R+.mp4", NameFacts(Kind.VIDEO, start=NOON)),
        ("event-dashcam", "20260115-120005_EVT_F.mp4", NameFacts(Kind.VIDEO, start=NOON, important=True)),
        ("event-dashcam", "20260115-120005_NOR_F#.mp4", NameFacts(Kind.VIDEO, start=NOON, important=True)),
        ("event-dashcam", "20260115-120005_NOR_F*.mp4", NameFacts(Kind.VIDEO, start=NOON, important=True)),
        ("dcf", "DCIM/100CANON/IMG_0042.JPG", NameFacts(Kind.STILL, sequence=42)),
        ("dcf", "DCIM/100CANON/MVI_0043.THM", NameFacts(Kind.SIDE, sequence=43)),
    ],
)
def test_names_of_shipped_profiles(name: str, path: str, facts: NameFacts) -> None:
    assert profile(name).match(path) == facts


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cn-recorder", "ABC123_012345_20260115120005_0007.mp4"),
        ("dcam", "DCAM_pixel7_20260115_120005.mp4"),
        ("dcf", "DCIM/100CANON/IMG_0000.JPG"),
        ("dcf", "DCIM/099CANON/IMG_0001.JPG"),
        ("dcf", "100CANON/IMG_0001.JPG"),
        ("gopro", "GH1234.MP4"),
        ("plain", "anything.mp4"),
    ],
)
def test_names_that_a_profile_does_not_explain(name: str, path: str) -> None:
    assert profile(name).match(path) is None


def test_order_is_from_the_special_to_the_general() -> None:
    assert [found.name for found in load_profiles(None)] == [
        "cn-recorder",
        "dcam",
        "gopro",
        "novatek",
        "event-dashcam",
        "dcf",
        "plain",
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/b.MP4", "video"),
        ("b.m4a", "audio"),
        ("b.jpeg", "still"),
        ("b.srt", "side"),
        ("b.exe", "other"),
        ("b", "other"),
        (".mp4", "other"),
        ("dir.mp4/b", "other"),
    ],
)
def test_kind_of_suffix(name: str, kind: str) -> None:
    assert kind_of_suffix(name) == kind


def test_own_profiles_come_first_and_replace_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(
        """
        [acme]
        title = "Acme"
        time_zone = "Asia/Urumqi"
        side_files = [".IDX"]
        patterns = [{ regex = '(?P<sequence>\\d{3})\\..*', kind = "audio" }]
        """
    )
    (tmp_path / "a.toml").write_text('[dcf]\ntitle = "Ours"\n[plain]\ntitle = "Rest"\n')
    (tmp_path / "notes.txt").write_text("not a table")
    profiles = load_profiles(tmp_path)
    assert profiles[0].name == "acme"
    assert [found.name for found in profiles][-2:] == ["dcf", "plain"]
    assert profiles[-2].title == "Ours"
    assert profiles[-1].title == "Rest"
    assert profiles[0].time_zone == "Asia/Urumqi"
    assert profiles[0].side_files == (".idx",)
    assert profiles[0].match("001.mp4") == NameFacts(Kind.AUDIO, sequence=1)


@pytest.mark.parametrize(
    ("table", "key", "part"),
    [
        ("patterns = [{ regex = '(a+)+' }]", "acme.patterns.1.regex", "repeated"),
        ("patterns = [{ regex = '(' }]", "acme.patterns.1.regex", "regular expression"),
        ("patterns = [{ regex = '' }]", "acme.patterns.1.regex", "text"),
        ("patterns = [{ kind = 'video' }]", "acme.patterns.1.regex", "text"),
        ("patterns = [{ regex = 'a', kin = 'video' }]", "acme.patterns.1.kin", "nearest is kind"),
        ("patterns = [{ regex = 'a' }, { regex = 'a', kind = 'film' }]", "acme.patterns.2.kind", "audio"),
        ("patterns = [{ regex = '(?P<start>a)' }]", "acme.patterns.1.start_format", "together"),
        ("patterns = [{ regex = 'a', start_format = '%Y' }]", "acme.patterns.1.start_format", "together"),
        (
            "patterns = [{ regex = '(?P<start>a)', start_format = '%H%M' }]",
            "acme.patterns.1.start_format",
            "year",
        ),
        (
            "patterns = [{ regex = '(?P<start>a)', start_format = '%Y%m%d %z' }]",
            "acme.patterns.1.start_format",
            "zone",
        ),
        ("patterns = 'a'", "acme.patterns", "list"),
        ("patterns = ['a']", "acme.patterns.1", "section"),
        ("pattern = []", "acme.pattern", "nearest is patterns"),
        ("title = 3", "acme.title", "text"),
        ("time_zone = 'Asia/Nowhere'", "acme.time_zone", "time zone"),
        ("side_files = ['thm']", "acme.side_files", "suffixes"),
    ],
)
def test_table_that_cannot_be_used(tmp_path: Path, table: str, key: str, part: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"[acme]\n{table}\n")
    with pytest.raises(InvalidSettingError) as caught:
        load_profiles(tmp_path)
    assert caught.value.facts["key"] == f"{path}: {key}"
    assert part in str(caught.value.facts["problem"])


def test_two_own_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("[acme]\n")
    with pytest.raises(InvalidSettingError, match="another profile"):
        load_profiles(tmp_path)


def test_folder_or_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match=r"profiles\.directory"):
        load_profiles(tmp_path / "nothing")
    (tmp_path / "own.toml").write_text("[")
    with pytest.raises(SettingsFileInvalidError):
        load_profiles(tmp_path)
