"""The engines on which every test of the register runs."""

import pytest

ENGINES = ("sqlite", "postgresql")


def only(engine: str, *, of: str = "engine") -> pytest.MarkDecorator:
    """Mark a test or a module that is about one engine; ``of`` is the fixture that would run on each."""
    return pytest.mark.parametrize(of, [engine], indirect=True)
