"""Fixtures for every room: where the checkout is, and small media made by ffmpeg once a run."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports them: what fails in a helper is shown like what fails in a test.
pytest.register_assert_rewrite("tests.support")

from tests.support import postgres as support  # noqa: E402
from tests.support.lacking import lacking  # noqa: E402
from tests.support.store import Store  # noqa: E402


@pytest.fixture(scope="session")
def project_root() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpus(project_root: Path) -> Path:
    """Real camera files: the folder named by TEST_CORPUS, else the one beside the checkout."""
    folder = Path(os.environ.get("TEST_CORPUS") or project_root.parent / "shared" / "corpus")
    if not folder.is_dir():
        pytest.skip("no folder of real camera files on this machine")
    return folder


@pytest.fixture(scope="session")
def store() -> Store:
    """A real S3 store with object lock. Where the project itself is tested, there must be one."""
    found = Store.from_environment()
    if found is None:
        lacking("there is no S3 store: `make test` starts a Ceph when root calls (deploy/dev/ceph.sh)")
    return found


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def video(media: Path) -> Path:
    """An intact MP4: MPEG-4 and AAC, 2 s, 160x120, the same bytes every run. Copy before changing."""
    path = media / "video.mp4"
    generate(
        "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=2",
        "-c:v", "mpeg4", "-c:a", "aac", "-shortest",
        target=path,
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def picture(media: Path) -> Path:
    """An intact JPEG: 160x120, the same bytes every run. Copy before changing."""
    path = media / "picture.jpg"
    generate("-f", "lavfi", "-i", "testsrc=size=160x120:rate=1:duration=1", "-frames:v", "1", target=path)
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[support.Server]:
    """The PostgreSQL that the environment names, else a throw-away one of this run's own."""
    if os.environ.get("TEST_POSTGRES_URL"):
        yield support.server_of(os.environ)
        return
    needs_postgres()
    with support.cluster() as own:
        yield own.server


@pytest.fixture
def cluster() -> Iterator[support.Cluster]:
    """A PostgreSQL that the test may stop and start."""
    needs_postgres()
    with support.cluster() as own:
        yield own


def needs_postgres() -> None:
    """Leave a test out without PostgreSQL."""
    if support.available():
        return
    lacking("there is no PostgreSQL server here; its Debian package is named postgresql")


def generate(*arguments: str, target: Path) -> None:
    """Make a read-only media file with ffmpeg, without times or version strings in it."""
    command = ["ffmpeg", "-v", "error", "-nostdin", *arguments, "-threads", "1"]
    subprocess.run(
        [*command, "-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1", str(target)],
        check=True,
        timeout=60,
    )
    target.chmod(0o444)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is allowed the most time first: at the end, the other processors would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs root where an ordinary user runs the tests."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        lacking("only root can do this")
