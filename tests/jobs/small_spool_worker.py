"""Docks 40 MiB through a spool of 24 MiB while the vault is away; ``test_spooling`` gives it mounts."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.station import Station, make_card

MIB = 1 << 20
CLIPS = 10


def main() -> None:
    station = Station(
        Path(sys.argv[1]),
        {
            "SEALDOCK_SPOOL_MIN_FREE_BYTES": str(MIB),
            "SEALDOCK_SPOOL_HIGH_WATERMARK": "50",
            "SEALDOCK_SPOOL_LOW_WATERMARK": "20",
            "SEALDOCK_DOCKING_PARALLEL": "8",
            "SEALDOCK_DOCKING_PATIENCE_SECONDS": "3",
        },
    )
    station.spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", station.spool], check=True)
    card = make_card(Path(sys.argv[2]), {f"{n}.mp4": bytes([n]) * (4 * MIB) for n in range(CLIPS)})
    hidden = station.vault.rename(station.vault.with_name("away"))
    docked = station.dock(card, code=33)
    waited = [clip for clip in docked["clips"] if clip["reason"] == "spool-high"]
    check(waited, "some clips wait for the spool")
    check(station.json("status")["spool"]["high"], "status says so")
    check(station.json("status")["alert_counts"] == {"spool-high": 1}, "one alert stands")
    check("SPOOL" in station.ok("status").text, "for people, too")
    hidden.rename(station.vault)
    station.dock(card)
    states = dict(station.rows("SELECT state, count(*) FROM clip GROUP BY state"))
    check(not any(station.spool.iterdir()), "nothing is left in the spool")
    print(  # noqa: T201 - what the test reads
        json.dumps(
            {
                "waited": len(waited),
                "clips": CLIPS,
                "released": states.get("released", 0),
                "alerts": station.json("status")["alert_counts"],
            }
        )
    )


def check(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)


main()
