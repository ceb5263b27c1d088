"""What can be asked of a station at work: register, vault and figures, each cheap to ask again and again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from config.retention import Term
from hashing.digest import Digest
from jobs.asking import Answer, Asker
from jobs.liveness import Beat, look
from jobs.node import Node
from metadata.repo.figures import Figures, figures
from storage import layout

_REGISTER_SECONDS, _VAULT_SECONDS = 10.0, 30.0
_PATIENCE_SECONDS = 5.0


class Station:
    """The register's figures, and whether the vault answers."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._register: Asker[bool] = Asker(
            "register", self._ask_register, keep=_REGISTER_SECONDS, patience=_PATIENCE_SECONDS
        )
        # A register of many years takes its time to count: that is no sign of its being away.
        self._figures: Asker[Figures] = Asker(
            "figures", self._ask_figures, keep=_REGISTER_SECONDS, patience=_PATIENCE_SECONDS, stale=True
        )
        self._vault: Asker[bool] = Asker(
            "vault", self._ask_vault, keep=_VAULT_SECONDS, patience=_PATIENCE_SECONDS
        )

    def register(self) -> Answer[bool]:
        """Return whether the register answers."""
        return self._register.get()

    def figures(self) -> Answer[Figures]:
        """Return how the register stands, or stood a while ago if it is slow to count."""
        return self._figures.get()

    def vault(self) -> Answer[bool]:
        """Return whether the vault answers."""
        return self._vault.get()

    def cap(self) -> datetime:
        """Return the date that no lock has to reach beyond, from now (UTC)."""
        months = self.node.settings.retention.lock_cap_months
        return Term(months=months).after(self.node.clock.now()) or datetime.max.replace(tzinfo=UTC)

    def _ask_register(self) -> bool:
        self.node.register.require()
        self.node.register.check_version()
        return True

    def _ask_figures(self) -> Figures:
        self.node.register.require()
        with self.node.register.read() as session:
            return figures(session, cap=self.cap())

    def _ask_vault(self) -> bool:
        self.node.vault.versions(layout.clip_key(Digest.sha256(b"")))
        return True


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service lives, and whether register and vault answer: None, or the code of the problem."""

    beat: Beat | None
    """None: no service works in this home."""
    register: str | None
    vault: str | None

    @property
    def alive(self) -> bool:
        """Return whether the service works, and its main loop goes round."""
        return self.beat is not None and self.beat.alive

    @property
    def ready(self) -> bool:
        """Return whether a card that is docked now could be brought in to its end."""
        return self.register is None and self.vault is None

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong, in short stable words."""
        found = []
        if self.beat is None:
            found.append("watch: not-running")
        elif not self.beat.alive:
            found.append("watch: stuck")
        found += [f"register: {self.register}"] if self.register else []
        found += [f"vault: {self.vault}"] if self.vault else []
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return {
            "alive": self.alive,
            "ready": self.ready,
            "turn_age_seconds": None if self.beat is None else round(self.beat.age, 3),
            "register": self.register,
            "vault": self.vault,
        }


def health(station: Station, beat: Beat | None) -> Health:
    """Ask register and vault."""
    return Health(beat, station.register().problem, station.vault().problem)


def health_of(node: Node) -> Health:
    """Return how a home is, asked from outside of its service."""
    return health(Station(node), look(node.home))
