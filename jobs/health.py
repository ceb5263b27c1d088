"""What can be asked of a station at work: register, vault and figures, each cheap to ask again and again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from config.retention import Term
from hashing.digest import Digest
from jobs.asking import Answer, Asker
from jobs.liveness import Beat, look
from jobs.node import MAIN, SECOND, Node
from metadata.repo.figures import Figures, figures
from storage import layout
from storage.vault import Vault

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
        self._vaults: dict[str, Asker[bool]] = {
            store.name: Asker(
                store.setting.partition(".")[0],
                partial(_ask_vault, store.vault),
                keep=_VAULT_SECONDS,
                patience=_PATIENCE_SECONDS,
            )
            for store in node.stores
        }

    def register(self) -> Answer[bool]:
        """Return whether the register answers."""
        return self._register.get()

    def figures(self) -> Answer[Figures]:
        """Return how the register stands, or stood a while ago if it is slow to count."""
        return self._figures.get()

    def vault(self) -> Answer[bool]:
        """Return whether the main vault answers."""
        return self._vaults[MAIN].get()

    def second_vault(self) -> Answer[bool] | None:
        """Return whether the second vault answers; None if there is none."""
        return self._vaults[SECOND].get() if SECOND in self._vaults else None

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
            second = None if self.node.second is None else SECOND
            return figures(session, cap=self.cap(), second=second)


def _ask_vault(vault: Vault) -> bool:
    vault.versions(layout.clip_key(Digest.sha256(b"")))
    return True


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service lives, and whether register and vault answer: None, or the code of the problem."""

    beat: Beat | None
    """None: no service works in this home."""
    register: str | None
    vault: str | None
    second_vault: str | None = None
    second_required: bool = True

    @property
    def alive(self) -> bool:
        """Return whether the service works, and its main loop goes round."""
        return self.beat is not None and self.beat.alive

    @property
    def ready(self) -> bool:
        """Return whether a card that is docked now could be brought in to its end."""
        second = self.second_vault if self.second_required else None
        return self.register is None and self.vault is None and second is None

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
        found += [f"second_vault: {self.second_vault}"] if self.second_vault else []
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return {
            "alive": self.alive,
            "ready": self.ready,
            "turn_age_seconds": None if self.beat is None else round(self.beat.age, 3),
            "register": self.register,
            "vault": self.vault,
            "second_vault": self.second_vault,
        }


def health(station: Station, beat: Beat | None) -> Health:
    """Ask register and vaults."""
    second = station.second_vault()
    return Health(
        beat,
        station.register().problem,
        station.vault().problem,
        None if second is None else second.problem,
        second_required=station.node.settings.second_vault.required,
    )


def health_of(node: Node) -> Health:
    """Return how a home is, asked from outside of its service."""
    return health(Station(node), look(node.home))
