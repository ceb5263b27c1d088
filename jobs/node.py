"""Everything a workflow works with, put together once by the composition root."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from config.profiles import Profile
from config.retention import Schedule
from config.settings import Settings
from hashing.digest import Algorithm
from ingest.offload import OffloadRules
from metadata.actor import Actor
from metadata.clock import ClockReading, StationClock
from metadata.register import Register
from metadata.repo import dockings
from storage.vault import Vault

if TYPE_CHECKING:
    from cryptography import x509

    from hashing.keys import Signer
    from hashing.timestamp import Authority
    from metadata.media.probe import Prober


@dataclass(frozen=True)
class Node:
    """One home at work: its settings, register, vault, keys and clock."""

    settings: Settings
    home: Path
    register: Register
    vault: Vault
    signer: "Signer"
    trust_roots: "tuple[x509.Certificate, ...]"
    schedule: Schedule
    profiles: tuple[Profile, ...]
    actor: Actor
    clock: StationClock = field(default_factory=StationClock)
    authority: "Authority | None" = None
    _started: list["Prober"] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def station_id(self) -> str:
        """Return the id of this station."""
        return self.settings.station.id

    @property
    def spool(self) -> Path:
        """Return the folder that verified copies rest in until the vault has them."""
        return self.settings.spool_path

    @cached_property
    def offload_rules(self) -> OffloadRules:
        """Return how clips are copied."""
        return OffloadRules(
            algorithms=tuple(Algorithm(name) for name in self.settings.hashing.algorithms),
            attempts=self.settings.docking.change_attempts,
            min_free_bytes=self.settings.spool.min_free_bytes,
        )

    def read_clock(self) -> ClockReading:
        """Read the station's clock and weigh it against what the register vouches for."""
        with self.register.read() as session:
            return self.clock.read(dockings.vouched_time(session))

    def prober(self) -> "Prober":
        """Return the sandboxed prober, started at the first call."""
        from metadata.media.probe import Limits, Prober  # noqa: PLC0415 - not needed by most commands

        with self._turn:
            if not self._started:
                media = self.settings.media
                limits = Limits(
                    timeout=timedelta(seconds=media.timeout_seconds),
                    memory_bytes=media.memory_bytes,
                    output_bytes=media.output_bytes,
                )
                self._started.append(Prober(limits))
            return self._started[0]

    def close(self) -> None:
        """Stop the prober and close the register."""
        for prober in self._started:
            prober.close()
        self._started.clear()
        self.register.close()
