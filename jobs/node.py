"""Everything a workflow works with, put together once by the composition root."""

import os
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.orm import Session

from config.profiles import Profile
from config.retention import Schedule
from config.settings import Settings
from hashing.digest import Algorithm
from ingest.offload import OffloadRules, Proved
from metadata.actor import Actor
from metadata.clock import ClockReading, StationClock
from metadata.models import Docking
from metadata.register import Register
from metadata.repo import dockings
from storage.local import LocalVault
from storage.vault import Vault

if TYPE_CHECKING:
    from cryptography import x509

    from hashing.keys import Signer
    from hashing.timestamp import Authority
    from jobs.ledger.keys import Log
    from jobs.probers import Probers
    from jobs.spooling import Gate
    from metadata.media.sandbox import Limits


_DOCKINGS_KEPT = 64
_HANDS = 3
_VOUCHED_SECONDS = 1.0
MAIN, SECOND = "main", "second"


class Store(NamedTuple):
    """A vault, what the register calls it, and whether a clip is safe only once this one has it."""

    name: str
    vault: Vault
    required: bool = True

    def reason(self, code: str) -> str:
        """Return an error's code as a reason that names the vault; the main one's is the plain code."""
        return code if self.name == MAIN else f"{self.name}-{code}"

    @property
    def setting(self) -> str:
        """Return the setting that says where it is."""
        return "vault.url" if self.name == MAIN else "second_vault.url"

    def fact(self) -> dict[str, str]:
        """Return what an event says of which vault it is about, likewise."""
        return {} if self.name == MAIN else {"vault": self.name}

    def told(self, problem: str) -> str:
        """Return what an integrity check found wrong, likewise."""
        return problem if self.name == MAIN else f"{self.name}: {problem}"


@dataclass(frozen=True)
class Node:
    """One home at work: its settings, register, vaults, keys and clock."""

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
    second: Vault | None = None
    """The second vault, if there is one."""
    proved: dict[str, Proved] = field(default_factory=dict)
    """Spool copies by clip that *this process* read back from the medium: what it found is not written down,
    since a medium may change while no process runs."""
    _started: list["Probers"] = field(default_factory=list)
    _dockings: dict[str, Docking] = field(default_factory=dict)
    _vouched: list[tuple[float, datetime | None]] = field(default_factory=list)
    _gates: list["Gate"] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def station_id(self) -> str:
        """Return the id of this station."""
        return self.settings.station.id

    @property
    def vault_name(self) -> str:
        """Return the register's name for the main vault, whose address changes when a home moves."""
        return MAIN

    @cached_property
    def stores(self) -> tuple[Store, ...]:
        """Return the vaults, the main one first."""
        main = Store(MAIN, self.vault)
        if self.second is None:
            return (main,)
        return main, Store(SECOND, self.second, required=self.settings.second_vault.required)

    @cached_property
    def required(self) -> tuple[Store, ...]:
        """Return the vaults that have to hold a clip before it counts as safe, the main one first."""
        return tuple(store for store in self.stores if store.required)

    def store(self, name: str) -> Store:
        """Return the vault of a name; LookupError if this home has none of it."""
        for store in self.stores:
            if store.name == name:
                return store
        raise LookupError(name)

    @cached_property
    def log(self) -> "Log":
        """Return the log of the register. Raises KeyFileInvalidError and KeyFileExposedError."""
        from jobs.ledger.keys import load  # noqa: PLC0415 - not needed by most commands

        return load(self.settings)

    @property
    def vault_folders(self) -> tuple[Path, ...]:
        """Return the folders of this machine in which the vaults lie."""
        return tuple(store.vault.root for store in self.stores if isinstance(store.vault, LocalVault))

    @property
    def hands(self) -> int:
        """Return how many objects of the vaults to look at at once.

        A store far away has others ready while one is read; a folder has none, and threads only get in each
        other's way.
        """
        if len(self.vault_folders) == len(self.stores):
            return 1
        return min(_HANDS, self.settings.docking.parallel)

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
            return self.weigh_clock(session)

    def weigh_clock(self, session: Session) -> ClockReading:
        """Do so in a session that is open already.

        What the register vouches for is asked once a second: it only ever moves to later times.
        """
        now = time.monotonic()
        if not self._vouched or now - self._vouched[-1][0] > _VOUCHED_SECONDS:
            self._vouched[:] = [(now, dockings.vouched_time(session))]
        return self.clock.read(self._vouched[-1][1])

    def docking(self, session: Session, docking_id: str) -> Docking:
        """Return a docking, asked for once: what its clips want of it stands since its inventory was taken.

        Whether it is closed, and by which documents, must be asked of the register.
        """
        kept = self._dockings.get(docking_id)
        if kept is None:
            kept = dockings.get(session, docking_id)
            session.expunge(kept)  # else it would be read anew, or written, with a later session
            if len(self._dockings) >= _DOCKINGS_KEPT:
                self._dockings.clear()
            self._dockings[docking_id] = kept
        return kept

    def probers(self) -> "Probers":
        """Return the sandboxed probers, one for each processor; each is started when it is needed."""
        from jobs.probers import Probers  # noqa: PLC0415 - not needed by most commands

        with self._turn:
            if not self._started:
                processors = len(os.sched_getaffinity(0))
                self._started.append(Probers(self.media_limits, most=processors))
            return self._started[0]

    @property
    def spool_gate(self) -> "Gate":
        """Return what says whether copying waits for the spool to drain."""
        from jobs.spooling import Gate  # noqa: PLC0415 - it knows this module

        with self._turn:
            if not self._gates:
                self._gates.append(Gate(self))
            return self._gates[0]

    @cached_property
    def media_limits(self) -> "Limits":
        """Return what looking into one media file may cost."""
        from metadata.media.sandbox import Limits  # noqa: PLC0415 - not needed by most commands

        media = self.settings.media
        return Limits(timeout=media.timeout, memory_bytes=media.memory_bytes, output_bytes=media.output_bytes)

    def close(self) -> None:
        """Stop the probers, close vaults and register."""
        for probers in self._started:
            probers.close()
        self._started.clear()
        for store in self.stores:
            store.vault.close()
        self.register.close()
