"""The engines on which every test of the register runs."""

import pytest

SLOW = {"postgresql": pytest.mark.slow}
"""The inner loop runs on SQLite."""

ENGINES = tuple(pytest.param(name, marks=SLOW.get(name, ())) for name in ("sqlite", "postgresql"))


def only(engine: str, *, of: str = "engine") -> pytest.MarkDecorator:
    """Mark a test or a module that is about one engine; ``of`` is the fixture that would run on each."""
    return pytest.mark.parametrize(of, [pytest.param(engine, marks=SLOW.get(engine, ()))], indirect=True)
