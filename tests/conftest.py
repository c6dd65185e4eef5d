"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import side_by_side
import tidy
from pelagos.datapool.database import url_of
from pelagos.deployment import ROOT, Deployment, State
from pelagos.images import ImageGraph, load_graph
from pelagos.settings import Settings
from postgres import Postgres
from support import facts_of

# A hub that these tests start must not find the operator's own VRE.
os.environ.pop("PELAGOS_STATE", None)


def pytest_configure(config: pytest.Config) -> None:
    """Whose test runs where, with `-n`; and for all files, also of the extensions, `tidy`."""
    side_by_side.register(config)
    config.pluginmanager.register(tidy)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def graph() -> ImageGraph:
    """The real image graph."""
    return load_graph(ROOT)


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty state folder, prepared."""
    state = State(tmp_path / "state")
    state.prepare()
    return state


@pytest.fixture
def deployment(state: State, graph: ImageGraph) -> Deployment:
    """The demonstration VRE, not running."""
    return Deployment(state, facts_of(state), Settings(), graph)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole folders need what they need: nobody can forget a marker."""
    for item in items:
        if "/tests/images/" in str(item.path):
            item.add_marker(pytest.mark.engine)
        if "/tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that all tests share; each takes a database of its own."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def orders_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of orders, of each kind."""
    if request.param == "sqlite":
        return url_of(tmp_path)
    return str(request.getfixturevalue("postgres").database())
