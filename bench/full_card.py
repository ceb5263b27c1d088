"""Dock a card of 100,000 tiny files, killed after 500 are confirmed, to its end; print how long it took.

``tests/faults`` has the short form, which stops after the rerun has gone on. The goal is that it ends.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.fault import Scene  # noqa: E402 - the checkout is on the path only now
from tests.support.full_card import dock_until, make_full_card  # noqa: E402 - same
from tests.support.station import Station, thaw  # noqa: E402 - same


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000, help="in thousands (default 100000)")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sealdock-full-card-", dir=chosen.folder) as folder:
        station = Station(Path(folder) / "home").init()
        scene = Scene.of(station, make_full_card(Path(folder) / "card", chosen.files))
        dock_until(station, scene.card, min(500, chosen.files // 2), within=6 * 3600)
        began = time.monotonic()
        with station.start("dock", scene.card) as rest:  # days may pass: no time limit
            said, _ = rest.communicate()
        seconds = time.monotonic() - began
        lost, safe = scene.lost(), len(scene.safe())
        thaw(station.home)
    print(said.decode().strip().rpartition("\n")[2])
    print(
        f"{len(scene.digests)} files, {safe} objects safe, {len(lost)} lost; the rerun took {seconds:.0f} s"
    )
    sys.exit(bool(lost or rest.returncode))


if __name__ == "__main__":
    main()
