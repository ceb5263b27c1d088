from pathlib import Path

import pytest

from tests.docs.console import DOCUMENTS, ROOT, anchors, links


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in links(path.read_text("utf-8")):
        place, _, anchor = link.partition("#")
        if "://" in place:
            continue
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        places = (link.partition("#")[0] for link in links(path.read_text("utf-8")) if "://" not in link)
        waiting += [(path.parent / place).resolve() for place in places if place]
    assert set(DOCUMENTS) - reached == set()


def test_every_decision_has_context_decision_and_price() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        found = [line for line in page.read_text("utf-8").splitlines() if line.startswith("## ")]
        assert found == ["## Context", "## Decision", "## What is bad about it"], page.name
