"""Who did it: every custody event names an actor and how that actor was authenticated."""

import getpass
import os
from dataclasses import asdict, dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of party acted."""

    SYSTEM_USER = "system-user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Actor:
    """A party and the way it was identified.

    On the command line the actor is the operating system's user. ``--officer`` never becomes an
    actor: it only claims who carried the recorder.
    """

    kind: ActorKind
    id: str
    authenticated: str

    def to_json(self) -> dict[str, str]:
        """Return the actor as it stands in events and manifests."""
        return {key: str(value) for key, value in asdict(self).items()}


def system_user() -> Actor:
    """Return the user that runs this process, as the operating system names it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a uid without a passwd entry, as in containers
        name = f"uid-{os.getuid()}"
    return Actor(ActorKind.SYSTEM_USER, name, "os-uid")
