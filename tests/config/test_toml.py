from pathlib import Path

import pytest

from config.errors import SettingsFileInvalidError
from config.toml import read_toml


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[station]\nid = 'a'\n[station]\nid = 'b'\n", "the section [station] is there twice (at line 3"),
        ("[a.b]\nc = 1\n[a.b]\nd = 1\n", "the section [a.b] is there twice (at line 3"),
        ("[station]\nid = 'a'\nid = 'b'\n", "a key is there twice"),
        ("station\n", "Expected '='"),
    ],
    ids=["section", "below", "key", "other"],
)
def test_words_for_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(SettingsFileInvalidError) as raised:
        read_toml(path)
    assert told in str(raised.value)
