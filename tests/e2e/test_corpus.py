"""Real camera files, whole and damaged: every one is docked, sealed and kept, with the condition found."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.station import ROOT, Station, by_path, openssl_accepts, sealed_document, thaw

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

_ROW = re.compile(r"^\| (\w+) \| (\d+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def station(blank: Station, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    station = blank.copy(tmp_path_factory.mktemp("corpus") / "home")
    yield station
    thaw(station.home)


def test_every_file_is_confirmed_with_the_condition_found(station: Station, corpus: Path) -> None:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        digests = {
            row["file"]: row["sha256"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        }
    found = station.dock(corpus)
    assert found["ok"]
    clips = by_path(found)
    assert {path: clip["sha256"] for path, clip in clips.items() if path in digests} == digests
    assert {clip["state"] for clip in clips.values()} == {"released"}
    # The document says of each file why we differ from other tools; here the same is docked for real.
    document = (ROOT / "docs" / "corpus.md").read_text("utf-8")
    told = {condition: int(count) for condition, count in _ROW.findall(document)}
    assert Counter(clips[path]["condition"] for path in digests) == told


def test_every_seal_is_accepted_by_openssl(station: Station) -> None:
    seals = sorted(station.vault.glob("seals/*/*.p7s"))
    assert len(seals) == station.value("SELECT count(*) FROM clip") > 100
    for seal in seals:
        assert openssl_accepts(station, seal, sealed_document(seal)), seal


def test_previews_of_damaged_files_do_no_harm(station: Station) -> None:
    waiting = station.json("status")["to_derive"]
    assert waiting > 50
    assert station.json("derive") == {"derived": waiting, "failed": 0}
    assert station.value("SELECT count(*) FROM derivative WHERE poster_sha256 IS NOT NULL") > 50
    assert station.json("verify", "--level", "full")["ok"] is True
