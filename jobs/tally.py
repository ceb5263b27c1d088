"""What this process has done since it started, counted for the metrics: a few numbers in memory."""

import threading
from collections import Counter

_turn = threading.Lock()
_counts: Counter[tuple[str, str]] = Counter()


def add(what: str, label: str, amount: int = 1) -> None:
    """Count ``amount`` more of ``what`` under a label, such as ``bytes`` under ``offload``."""
    with _turn:
        _counts[what, label] += amount


def counts(what: str) -> dict[str, int]:
    """Return what was counted, by label."""
    with _turn:
        return {label: count for (name, label), count in _counts.items() if name == what}
