import os
import subprocess
from pathlib import Path

import pytest

from ingest.places import find
from tests.support.lacking import lacking


def test_only_folders_directly_under_a_root_are_places(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "a/below"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    found = list(find([tmp_path, tmp_path / "nothing", tmp_path / "file"]))
    assert [place.path.name for place in found] == ["a", "b"]
    assert not any(place.mount_point for place in found)
    assert len({place.identity for place in found}) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_place_that_may_not_be_read_is_left_out_for_now(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert list(find([tmp_path])) == []
    closed.chmod(0o755)
    assert [place.path for place in find([tmp_path])] == [closed]


@pytest.mark.root
def test_a_mounted_volume_is_told_from_the_folder_below_it(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (before,) = find([tmp_path])
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", card], check=False).returncode != 0:
        lacking("no mounts here")
    try:
        (mounted,) = find([tmp_path])
    finally:
        subprocess.run(["umount", card], check=True)
    assert (before.mount_point, mounted.mount_point) == (False, True)
    assert before.identity != mounted.identity
