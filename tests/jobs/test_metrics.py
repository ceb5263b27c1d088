import re
from dataclasses import replace
from datetime import timedelta

from config.sections import SecondVaultSection
from jobs import tally, told
from jobs.health import Station as Asked
from jobs.health import health_of
from jobs.liveness import Heart
from jobs.metrics import StationMetrics, registry
from jobs.node import Node
from metadata.models import Alert, Station, StoredKind, StoredVersion
from storage.local import LocalVault
from tests.docs.console import ROOT
from tests.support.register import AT, STATION, add_clip, add_docking

TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
DIGEST = "ab" * 32


def fill(node: Node) -> None:
    """A clip that waits, and a safe one, to be kept for good, whose lock ends in 30 days."""
    now = node.clock.now()
    with node.register.write() as session:
        session.add(Station(id=STATION, name="Station", created_at=AT))
        session.flush()
        add_docking(session)
        add_clip(
            session, "a", state="waiting", reason="vault-unavailable", created_at=now - timedelta(hours=2)
        )
        add_clip(
            session, "b", state="waiting", reason="vault-unavailable", created_at=now - timedelta(hours=1)
        )
        add_clip(session, "c", state="released", sha256=DIGEST, permanent=True, manifest_sha256=DIGEST)
        session.add(
            StoredVersion(
                id="01TESTV", vault="main", key="k", version="v", kind=StoredKind.ORIGINAL.value,
                sha256=DIGEST, size=1, lock_mode="advisory", lock_until=now + timedelta(days=30),
                confirmation="full", confirmed_at=now, created_at=now - timedelta(days=3),
            )
        )  # fmt: skip
        session.add(Alert(id="01TESTA", kind="integrity", facts={}, at=now))


def with_second(node: Node) -> Node:
    return replace(node, second=LocalVault.create(node.home / "second"))


def samples(node: Node, heart: Heart) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for metric in registry(Asked(node), heart).collect()
        for sample in metric.samples
    }


def test_the_figures(node: Node) -> None:
    fill(node)
    tally.add(told.BYTES, "store", 7)
    tally.add(told.FAILURES, "vault-unavailable")
    found = samples(node, Heart(node.home, 60))
    day = 86400
    assert found["sealdock_clips", ("waiting",)] == 2
    assert found["sealdock_clips", ("released",)] == 1
    assert found["sealdock_clips_not_safe", ("waiting", "vault-unavailable")] == 2
    assert 7200 <= found["sealdock_oldest_unconfirmed_clip_seconds", ("waiting",)] < 7300
    assert found["sealdock_oldest_unconfirmed_clip_seconds", ("found",)] == 0
    assert 3 * day <= found["sealdock_oldest_unverified_version_seconds", ()] < 3 * day + 100
    assert 30 * day - 100 < found["sealdock_lock_remaining_seconds", ()] <= 30 * day
    cap = (Asked(node).cap() - node.clock.now()).total_seconds()
    assert abs(found["sealdock_lock_lag_seconds", ()] - (cap - 30 * day)) < 100
    assert found["sealdock_alerts_open", ("integrity",)] == 1
    assert found["sealdock_dockings_under_way", ()] == 1
    assert found["sealdock_spool_high", ()] == 0
    assert found["sealdock_stage_bytes_total", ("store",)] >= 7
    assert found["sealdock_failures_total", ("vault-unavailable",)] >= 1
    assert (found["sealdock_register_up", ()], found["sealdock_vault_up", ()]) == (1, 1)
    assert found["sealdock_watch_turn_age_seconds", ()] < 60


def test_every_metric_is_in_the_manuals_table_with_its_labels(node: Node) -> None:
    section = TEXT.split("\n## Metrics and health\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`sealdock_.+?`) \|", section, re.MULTILINE)
    table = {
        name: set(filter(None, labels.split(",")))
        for name, _, labels in re.findall(r"`(sealdock_\w+)(\{([\w,]+)\})?`", " ".join(cells))
    }
    fill(node)
    tally.add(told.FAILURES, "vault-unavailable")
    shown = {
        sample.name: set(sample.labels)
        for metric in StationMetrics(Asked(with_second(node)), Heart(node.home, 60)).collect()
        for sample in metric.samples
    }
    assert shown == table


def test_a_second_vault(node: Node) -> None:
    fill(node)
    both = with_second(node)
    found = samples(both, Heart(node.home, 60))
    assert found["sealdock_second_vault_up", ()] == 1
    assert found["sealdock_second_vault_lacking_versions", ()] == 1
    assert health_of(both).ready
    (node.home / "second").rename(node.home / "away")
    away = health_of(both)
    assert (away.ready, away.problems) == (False, ("watch: not-running", "second_vault: vault-unavailable"))
    settings = node.settings.model_copy(update={"second_vault": SecondVaultSection(required=False)})
    optional = health_of(replace(both, settings=settings))
    assert (optional.ready, optional.to_json()["second_vault"]) == (True, "vault-unavailable")


def test_with_the_register_away_the_rest_is_shown(node: Node) -> None:
    (node.home / "register.db").rename(node.home / "elsewhere")
    (node.home / "vault").rename(node.home / "away")
    found = samples(node, Heart(node.home, 60))
    assert (found["sealdock_register_up", ()], found["sealdock_vault_up", ()]) == (0, 0)
    assert ("sealdock_spool_free_bytes", ()) in found
    assert not any(name == "sealdock_clips" for name, _ in found)
    assert not (node.home / "register.db").exists()
