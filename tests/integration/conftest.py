"""One VRE for the tests that leave it as it was, and WebDAV servers without a VRE."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from dav_server import QUOTA, Dav
from pelagos.deployment import Deployment
from pelagos.settings import Settings
from pelagos.settings.models import Storage, VirtualLab, Workspace
from support import Vre


@pytest.fixture(scope="session")
def vre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vre]:
    """The demonstration VRE with Docker, started by `./pelagos up --detach`."""
    vre = Vre(tmp_path_factory.mktemp("vre") / "state")
    try:
        yield vre.up("--backend", "docker")
    finally:
        vre.down()


@pytest.fixture
def dav(deployment: Deployment) -> Iterator[Dav]:
    deployment.settings = Settings(
        virtual_labs=[
            VirtualLab(name="ocean", open=True),
            VirtualLab(name="reef", members=["alice", "bob"], managers=["zoe"]),
            VirtualLab(name="course", members=["alice"], managers=["zoe"], members_write=False),
            VirtualLab(name="secret"),
        ],
        storage=Storage(workspace=Workspace(quota=QUOTA, virtual_lab_quota=QUOTA)),
    )
    deployment.__dict__.pop("layout", None)
    server = Dav(deployment)
    yield server
    server.close()


@pytest.fixture
def alice(dav: Dav) -> Iterator[httpx.Client]:
    with dav.client("alice", "reef", "course") as client:
        yield client


@pytest.fixture
def bob(dav: Dav) -> Iterator[httpx.Client]:
    with dav.client("bob", "reef") as client:
        yield client
