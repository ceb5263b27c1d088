import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.names import from_uri, last_part, readable, to_uri

PARTS = st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, ord("/")} & set(raw))


@settings(database=None)
@given(parts=st.lists(PARTS.filter(lambda raw: raw not in {b".", b".."}), max_size=4))
def test_a_uri_holds_any_path(parts: list[bytes]) -> None:
    path = Path(os.fsdecode(b"/" + b"/".join(parts)))
    uri = to_uri(path)
    assert uri.isascii()
    assert uri.isprintable()
    assert from_uri(uri) == path


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_uri(to_uri(Path("card"))) == tmp_path / "card"


@pytest.mark.parametrize("uri", ["", "/card", "file:/card", "file://host/card", "http://host/card"])
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not a file URI"):
        from_uri(uri)


def test_bytes_that_are_no_text_stay_readable_and_apart() -> None:
    assert readable("执法".encode()) == "执法"
    assert readable(b"gbk-\xb7\xa8") == "gbk-\\xb7\\xa8"
    assert last_part(b"DCIM/100MEDIA/\xff.mp4") == b"\xff.mp4"
    assert last_part(b"alone") == b"alone"
