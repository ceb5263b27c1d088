"""What this machine lacks that a test needs."""

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip a test for want of something; where everything has to be tested (``CI``), fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; with CI set nothing may be left out")
    pytest.skip(what)
