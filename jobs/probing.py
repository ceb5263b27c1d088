"""The probe stage: what a clip says about itself. Nothing found here ever keeps a clip from being kept."""

from collections.abc import Mapping
from typing import Any

from config.errors import SandboxError
from jobs import outcomes
from jobs.node import Node
from metadata.media.probe import Probe
from metadata.repo import dockings


def run(node: Node, docking_id: str, position: int) -> dict[str, Any]:
    """Probe the spool copy of a sighting's clip; returns ``Probe.to_json()``."""
    with node.register.read() as session:
        clip = dockings.clip_at(session, docking_id, position)
    if clip.manifest_sha256 is not None and clip.probe is not None:
        return dict(clip.probe)
    path = outcomes.spool_path(node, clip.id)
    try:
        with node.probers().one() as prober:
            return prober.probe(path).to_json()
    except SandboxError as error:
        return Probe.failed(error.code).to_json()


def load(found: Mapping[str, Any]) -> Probe:
    """Return the probe that ``run`` wrote."""
    return Probe.from_json(dict(found))
