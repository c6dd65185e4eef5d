"""What a test file leaves open is that file's failure.

Else it is found whenever the garbage is collected: in somebody else's test, now and then.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def tidy() -> Iterator[None]:
    """Around all tests of a file, and torn down after its own fixtures."""
    yield
    gc.collect()
