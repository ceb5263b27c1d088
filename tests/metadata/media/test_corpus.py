"""Every real camera file: nothing raises, and where we differ from other tools the reason is written down.

``docs/corpus.md`` is made from the table in this file; set WRITE_DOCS=1 to write it anew.
"""

import csv
import fnmatch
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from metadata.media.probe import Condition, Probe, Prober

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

DAMAGED = frozenset({Condition.TRUNCATED, Condition.UNFINISHED, Condition.UNKNOWN})
NOTHING = frozenset({Condition.NOT_MEDIA, Condition.EMPTY})
WHOLE = frozenset({Condition.INTACT})
# Files that the collection's own description calls damaged, whatever ffprobe says of them.
CALLED_DAMAGED = (
    "A23/*",
    "C02/invalid_*",
    "C04/*",
    "C13/*",
    "C17/*.jp*g",
    "C18/quicktime-jpeg.mov",
    "C22/*",
    "C23/*",
)


@dataclass(frozen=True)
class Reason:
    """Why our condition differs, for every file that matches `files` (a shell pattern)."""

    files: str
    ours: Condition
    why: str


TEXT = "A text side file; ffprobe takes any text for terminal art (tty)."
TELEMETRY = (
    "Whole structure. The error is the decoder's: the only track is telemetry, of which it makes nothing."
)
CODEC = "Whole structure; the codec meets errors inside the media data, which only decoding shows."
TIMES = "Whole structure; the complaint is about time stamps that do not increase."
SYSTEMS = (
    "Two tracks of MPEG-4 scene data that ffmpeg cannot read; the chunks and lengths of all tracks are whole."
)
ENCRYPTED = "Encrypted (CENC): whole, and not decodable without the key."
COVER = "A cover picture embedded by the rules of the format; other tools find no fault either."

EXPLAINED = (
    Reason(
        "A23/Panasonic_AG_HMC_151.MTS",
        Condition.INTACT,
        "Cut inside a picture, yet between two transport packets; a video packet of this format states no "
        "length, so nothing is missing from the structure. Only decoding shows it.",
    ),
    Reason("B13/synthetic-pndm.mp4", Condition.INTACT, TELEMETRY),
    Reason("B13/real-anonymized.mp4", Condition.INTACT, TELEMETRY),
    Reason("B16/*.txt", Condition.NOT_MEDIA, TEXT),
    Reason("B16/*.gps", Condition.NOT_MEDIA, TEXT),
    Reason(
        "B19/*", Condition.NOT_MEDIA, "Subtitles are a side file here: a clip of their own, but no media."
    ),
    Reason("C02/invalid__h265_aac_invalid_data.mp4", Condition.INTACT, CODEC),
    Reason("C02/invalid_contains_*.mp3", Condition.INTACT, COVER),
    Reason(
        "C02/invalid__h264_aac_missing_data.mp4",
        Condition.UNKNOWN,
        "ffprobe refuses it. Bytes are missing in the middle: the index is there, but no chain of boxes "
        "leads to it. Media, kept and marked.",
    ),
    Reason("C04/sample_with_invalid_nalu.mp4", Condition.INTACT, CODEC),
    Reason(
        "C04/sample_malformed_free_box.mp4",
        Condition.UNKNOWN,
        "ffprobe refuses it. A box of impossible size hides the index, which is there. Media, kept "
        "and marked.",
    ),
    Reason(
        "C09/bug1079747.mp4",
        Condition.TRUNCATED,
        "ffprobe refuses it. An MP4 whose first box reaches to the end: neither index nor data.",
    ),
    Reason("C09/bear_mpeg4asp_mp3.avi", Condition.INTACT, TIMES),
    Reason("C09/flash.flv", Condition.INTACT, TIMES),
    Reason(
        "C09/0-timescale.mp4",
        Condition.INTACT,
        "One track states a time scale of zero; every length and offset in bytes is consistent.",
    ),
    Reason("C09/_1601video.mp4", Condition.INTACT, SYSTEMS),
    Reason("C09/video.mp4", Condition.INTACT, SYSTEMS),
    Reason("C09/gizmo-frag-2.mp4", Condition.INTACT, ENCRYPTED),
    Reason("C09/short-cenc.mp4", Condition.INTACT, ENCRYPTED),
    Reason("C09/xtrem-sport.mp4", Condition.INTACT, CODEC),
    Reason(
        "C13/Megamind.avi", Condition.INTACT, "Whole structure; one frame of sound is incomplete in itself."
    ),
    Reason(
        "C13/Megamind_bugy.avi",
        Condition.INTACT,
        "Without its sound and with a wrong rate: wrong, but no length says so. ffprobe finds no fault "
        "either.",
    ),
    Reason("C13/box.mp4", Condition.INTACT, CODEC),
    Reason(
        "C17/corrupted.jpg",
        Condition.UNKNOWN,
        "ffprobe finds no fault. Changed bytes look like a marker inside the picture data, and no segment "
        "follows it.",
    ),
    Reason(
        "C17/*.jp*g",
        Condition.INTACT,
        "The damage is in the description (Exif); the picture runs from its start to its end marker.",
    ),
    Reason("C18/*.json", Condition.NOT_MEDIA, TEXT),
    Reason("C23/*.SRT", Condition.NOT_MEDIA, "Cut-off subtitles are a text side file like whole ones."),
    Reason(
        "D09/*.img.gz",
        Condition.NOT_MEDIA,
        "A packed disk image; ffprobe was shown the unpacked one and went by its name (.img).",
    ),
    Reason(
        "A18/signed_test_h264.mp4",
        Condition.INTACT,
        "Whole structure; one sample holds no picture, and the decoder says so.",
    ),
)


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as manifest:
        return list(csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def probes(corpus: Path, rows: list[dict[str, str]], shared_prober: Prober) -> dict[str, Probe]:
    return {row["file"]: shared_prober.probe(corpus / row["file"]) for row in rows}


def disagree(row: Mapping[str, str], ours: Condition) -> bool:
    """Return whether ffprobe with its decoder, or the collection's description, says otherwise."""
    if row["ffprobe_rc"] == "0":
        tools = DAMAGED if row["decode_errors"] not in ("", "0") else WHOLE
    else:
        tools = NOTHING
    called_damaged = any(fnmatch.fnmatchcase(row["file"], pattern) for pattern in CALLED_DAMAGED)
    return ours not in tools or (called_damaged and ours not in DAMAGED | {Condition.EMPTY})


def differences(
    rows: list[dict[str, str]], probes: Mapping[str, Probe]
) -> Iterator[tuple[dict[str, str], Probe]]:
    for row in rows:
        if disagree(row, probes[row["file"]].condition):
            yield row, probes[row["file"]]


def reason(name: str, condition: Condition) -> Reason | None:
    fitting = (one for one in EXPLAINED if one.ours is condition and fnmatch.fnmatchcase(name, one.files))
    return next(fitting, None)


def test_every_file_of_the_manifest_was_looked_at(
    rows: list[dict[str, str]], probes: Mapping[str, Probe]
) -> None:
    assert len(probes) == len(rows) > 100
    assert not [name for name, probe in probes.items() if "parser" in str(probe.problem)]


def test_every_difference_has_its_reason_and_every_reason_its_difference(
    rows: list[dict[str, str]], probes: Mapping[str, Probe]
) -> None:
    found = [(row["file"], probe.condition) for row, probe in differences(rows, probes)]
    unexplained = [
        (name, condition.value, probes[name].problem)
        for name, condition in found
        if not reason(name, condition)
    ]
    assert not unexplained
    used = {reason(name, condition) for name, condition in found}
    assert not [one.files for one in EXPLAINED if one not in used]


def test_empty_and_cut_files_are_told_from_whole_ones(probes: Mapping[str, Probe]) -> None:
    expected = {
        "C18/2018-04-12 19_24_49.mov": Condition.EMPTY,
        "C18/quicktime-jpeg.mov": Condition.TRUNCATED,
        "C22/pentax_320x240.mov": Condition.TRUNCATED,
        "C02/invalid_1_missing_data.mp3": Condition.TRUNCATED,
        "B12/2e-drive-730.mp4": Condition.TRUNCATED,
        "C04/sample_missing_stsd.mp4": Condition.UNKNOWN,
        "B01/karma.mp4": Condition.INTACT,
        "A15/vtest.avi": Condition.INTACT,
    }
    assert {name: probes[name].condition for name in expected} == expected


def test_makers_models_and_lengths_agree_with_the_manifest(
    rows: list[dict[str, str]], probes: Mapping[str, Probe]
) -> None:
    compared = Counter[str]()
    for row in rows:
        probe = probes[row["file"]]
        if row["make"] and probe.make:
            assert probe.make == row["make"], row["file"]
            compared["make"] += 1
        if row["model"] and probe.model:
            assert probe.model == row["model"], row["file"]
            compared["model"] += 1
        if row["duration"] and probe.duration is not None and row["container"] != "image2":
            assert abs(probe.duration.total_seconds() - float(row["duration"])) < 0.001, row["file"]
            compared["duration"] += 1
    assert compared["make"] > 25
    assert compared["model"] > 25
    assert compared["duration"] > 60


def test_the_document_says_what_the_table_says(
    project_root: Path, rows: list[dict[str, str]], probes: Mapping[str, Probe]
) -> None:
    text = document(rows, probes)
    path = project_root / "docs" / "corpus.md"
    if os.environ.get("WRITE_DOCS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text
    for row in rows:
        assert not row["first_gps"] or row["first_gps"].partition(",")[0] not in text


def document(rows: list[dict[str, str]], probes: Mapping[str, Probe]) -> str:
    counts = Counter(probe.condition for probe in probes.values())
    groups: dict[Reason, list[dict[str, str]]] = {}
    for row, probe in differences(rows, probes):
        one = reason(row["file"], probe.condition)
        if one is not None:
            groups.setdefault(one, []).append(row)
    lines = [
        "# Real camera files: what we say of them, and why it differs",
        "",
        "Made by `tests/metadata/media/test_corpus.py` from the table in it (`WRITE_DOCS=1` writes it anew).",
        "The files themselves are not part of the project: good clips (A), telemetry (B), damaged or hostile",
        "media (C) and file-system images (D) from public collections.",
        "",
        "A condition is read from the container's structure. **Nothing is decoded**: `intact` means that",
        "every length and offset stays inside the file and the index is there, not that every picture plays.",
        "",
        f"{len(rows)} files:",
        "",
        "| condition | files |",
        "|---|---|",
        *(f"| {condition.value} | {counts[condition]} |" for condition in Condition if counts[condition]),
        "",
        "## Differences from other tools",
        "",
        "A difference is: ffprobe reads it without complaint and we do not call it intact; decoding fails,",
        "or its collection calls it damaged, and we do not; ffprobe refuses it and we see media.",
        "",
        "| files | ffprobe exit code | decoding errors | ours | why |",
        "|---|---|---|---|---|",
    ]
    for one in EXPLAINED:
        members = groups.get(one, [])
        codes = "/".join(sorted({row["ffprobe_rc"] for row in members}))
        errors = "/".join(sorted({row["decode_errors"] or "-" for row in members}))
        count = f" ({len(members)} files)" if len(members) > 1 else ""
        lines.append(f"| `{one.files}`{count} | {codes} | {errors} | {one.ours.value} | {one.why} |")
    lines += [
        "",
        "## Files that are not intact",
        "",
        "Where the tools agree, or where the reason above applies; in our words.",
        "",
        "| file | ours | what the structure says |",
        "|---|---|---|",
    ]
    for row in rows:
        probe = probes[row["file"]]
        if probe.condition in DAMAGED:
            lines.append(f"| `{row['file']}` | {probe.condition.value} | {probe.problem} |")
    return "\n".join(lines) + "\n"
