"""One VRE for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import Vre


@pytest.fixture(scope="session")
def vre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vre]:
    """The demonstration VRE with Docker, started by `./pelagos up --detach`."""
    vre = Vre(tmp_path_factory.mktemp("vre") / "state")
    try:
        yield vre.up("--backend", "docker")
    finally:
        vre.down()
