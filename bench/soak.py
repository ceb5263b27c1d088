"""Kill the station service at random moments while cards keep coming, then look for every clip.

``.venv/bin/python bench/soak.py --minutes 10`` ends with 0 if every clip is confirmed, its bytes are in the
vault, and ``verify --level full`` finds nothing; ``tests/faults`` has the short form.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.fault import Scene  # noqa: E402 - the checkout is on the path only now
from tests.support.service import finish, kill_at_random  # noqa: E402 - same
from tests.support.station import Station, thaw  # noqa: E402 - same


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="to repeat a run (default: the time)"
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sealdock-soak-", dir=chosen.folder) as folder:
        root = Path(folder) / "root"
        root.mkdir()
        station = Station(Path(folder) / "home").init()
        kills: list[int] = []
        kill_at_random(station, root, seconds=chosen.minutes * 60, seed=chosen.seed, on_kill=kills.append)
        scene = Scene.of(station, root)
        finish(station, root, len(scene.digests), within=600 + 60 * chosen.minutes)
        scene.check_card()
        lost = scene.lost()
        safe = len(scene.safe())
        clean = station.run("verify", "--level", "full", "--json")
        thaw(station.home)
    print(f"{len(kills)} kills, {len(scene.digests)} clips, {safe} objects safe, {len(lost)} lost")
    print(f"verify --level full ended with {clean.code}")
    sys.exit(bool(lost or clean.code or safe != len(set(scene.digests.values()))))


if __name__ == "__main__":
    main()
