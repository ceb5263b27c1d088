"""The metrics of the station service, named as Prometheus advises; docs/operations.md lists them."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs import spooling, tally, told
from jobs.asking import Answer
from jobs.health import Station
from jobs.liveness import Heart
from jobs.node import MAIN
from metadata.repo.figures import Figures, ShortestLock
from metadata.states import SAFE, ClipState

STAGES = ("offload", "seal", "store", "confirm")


class StationMetrics(Collector):
    """Collects the metrics when they are asked for."""

    def __init__(self, station: Station, heart: Heart) -> None:
        self._station = station
        self._heart = heart

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; what only the register knows is left out while it is away."""
        yield _gauge(
            "sealdock_watch_turn_age_seconds", "Time since the main loop went round.", self._heart.last.age
        )
        yield from _process()
        yield from self._spool()
        register = self._station.register()
        yield from _contact("register", register)
        yield from _contact("vault", self._station.vault())
        second = self._station.second_vault()
        if second is not None:
            yield from _contact("second_vault", second)
        figures = self._station.figures().value if register.problem is None else None
        if figures is not None:
            yield from self._register(figures)

    def _spool(self) -> Iterator[Metric]:
        found = spooling.look(self._station.node)
        yield _gauge("sealdock_spool_bytes", "Bytes of copies in the spool.", found.used)
        yield _gauge("sealdock_spool_free_bytes", "Free bytes on the spool's disk.", found.free)
        yield _gauge(
            "sealdock_spool_used_ratio", "What lies in the spool, of what it can hold.", found.share / 100
        )

    def _register(self, found: Figures) -> Iterator[Metric]:
        now = self._station.node.clock.now()
        clips = GaugeMetricFamily("sealdock_clips", "Clips by state.", labels=["state"])
        oldest = GaugeMetricFamily(
            "sealdock_oldest_unconfirmed_clip_seconds",
            "Age of the oldest clip that is not confirmed, by state.",
            labels=["state"],
        )
        for state in ClipState:
            clips.add_metric([state.value], found.clips.get(state.value, 0))
            if state not in SAFE:
                oldest.add_metric([state.value], _age(found.oldest.get(state.value), now))
        yield clips
        yield oldest
        reasons = GaugeMetricFamily(
            "sealdock_clips_not_safe",
            "Clips that are not safe, by state and reason.",
            labels=["state", "reason"],
        )
        for (state_name, reason), count in sorted(found.reasons.items()):
            reasons.add_metric([state_name, reason], count)
        yield reasons
        alerts = GaugeMetricFamily(
            "sealdock_alerts_open", "Alerts that nobody has acknowledged, by kind.", labels=["kind"]
        )
        for kind, count in sorted(found.alerts.items()):
            alerts.add_metric([kind], count)
        yield alerts
        high = int(spooling.REASON in found.standing)
        yield _gauge("sealdock_spool_high", "1 while no clip is copied until the spool drains.", high)
        yield _gauge("sealdock_dockings_under_way", "Dockings without a close-out.", found.dockings)
        yield _gauge(
            "sealdock_oldest_unverified_version_seconds",
            "Time since the stored original that was read longest ago was read.",
            _age(found.unverified, now),
        )
        if found.lacking is not None:
            yield _gauge(
                "sealdock_second_vault_lacking_versions",
                "Stored versions that the main vault holds and the second does not yet.",
                found.lacking,
            )
        yield _gauge("sealdock_ledger_events", "Events of the log.", found.events)
        held = GaugeMetricFamily(
            "sealdock_ledger_held_events",
            "Events under the newest checkpoint that a vault or witness holds.",
            labels=["holder"],
        )
        for holder, size in sorted({MAIN: 0, **found.held}.items()):
            held.add_metric([holder], size)
        yield held
        yield from self._lock(found.lock, now)

    def _lock(self, lock: ShortestLock | None, now: datetime) -> Iterator[Metric]:
        lag = 0.0
        if lock is not None:
            ends = lock.until or now
            yield _gauge(
                "sealdock_lock_remaining_seconds",
                "What remains of the shortest lock that should reach further.",
                (ends - now).total_seconds(),
            )
            cap = self._station.cap()
            wanted = cap if lock.permanent or lock.retain_until is None else min(lock.retain_until, cap)
            lag = max(0.0, (wanted - ends).total_seconds())
        yield _gauge("sealdock_lock_lag_seconds", "How far that lock lies behind what the policy wants.", lag)


def registry(station: Station, heart: Heart) -> CollectorRegistry:
    """Return a registry with the metrics of a station."""
    found = CollectorRegistry(auto_describe=False)
    found.register(StationMetrics(station, heart))
    return found


def _process() -> Iterator[Metric]:
    for what, name, text in (
        (told.CLIPS, "sealdock_stage_clips", "Clips that came through a stage since the start."),
        (told.BYTES, "sealdock_stage_bytes", "Bytes of clips that came through a stage since the start."),
    ):
        counts = tally.counts(what)
        family = CounterMetricFamily(name, text, labels=["stage"])
        for stage in STAGES:
            family.add_metric([stage], counts.get(stage, 0))
        yield family
    failures = CounterMetricFamily(
        "sealdock_failures",
        "Clips that had to wait or ended without being safe since the start.",
        labels=["reason"],
    )
    for reason, count in sorted(tally.counts(told.FAILURES).items()):
        failures.add_metric([reason], count)
    yield failures


def _contact(name: str, answer: Answer[bool]) -> Iterator[Metric]:
    words = name.replace("_", " ")
    yield _gauge(f"sealdock_{name}_up", f"1 if the {words} answers.", int(answer.problem is None))
    if answer.contact is not None:
        yield _gauge(
            f"sealdock_{name}_last_contact_timestamp_seconds",
            f"When the {words} last answered, in seconds since 1970.",
            answer.contact.timestamp(),
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
