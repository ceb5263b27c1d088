"""What kind of recorder wrote a card, by its names. A profile only classifies: it never leaves a file out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.profiles import NameFacts, Profile, kind_of_suffix
from ingest.names import readable
from ingest.source import Entry


@dataclass(frozen=True, slots=True)
class Recognition:
    """The profile that explains most media names, and what it reads out of each name."""

    profile: Profile
    facts: Mapping[bytes, NameFacts]
    serial: str | None
    """The one serial that all names agree on; None if they name none or several."""

    def kind(self, entry: Entry) -> str:
        """Return ``video``, ``audio``, ``still``, ``side`` or ``other``."""
        found = self.facts.get(entry.path)
        return found.kind if found else kind_of_suffix(readable(entry.path))


def recognise(entries: Sequence[Entry], profiles: Sequence[Profile]) -> Recognition:
    """Choose the profile that matches the most names; the earlier one wins a tie.

    The profiles must not be empty; the last one should match nothing in particular (``plain``).
    """
    best: tuple[int, Profile, dict[bytes, NameFacts]] | None = None
    for profile in profiles:
        facts = {}
        for entry in entries:
            found = profile.match(readable(entry.path))
            if found is not None:
                facts[entry.path] = found
        if best is None or len(facts) > best[0]:
            best = (len(facts), profile, facts)
    if best is None:
        raise ValueError("no profiles")
    _, profile, facts = best
    if not facts:
        profile = profiles[-1]
    return Recognition(profile=profile, facts=facts, serial=_one_serial(facts))


def _one_serial(facts: Mapping[bytes, NameFacts]) -> str | None:
    serials = Counter(found.device for found in facts.values() if found.device)
    return next(iter(serials)) if len(serials) == 1 else None
