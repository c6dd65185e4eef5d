"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pelagos.deployment import ROOT, Deployment, Facts, State
from pelagos.images import ImageGraph, load_graph
from pelagos.settings import BackendKind, Settings

# A hub that these tests start must not find the operator's own VRE.
os.environ.pop("PELAGOS_STATE", None)


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


def facts_of(state: State, backend: BackendKind = BackendKind.DOCKER) -> Facts:
    """Plausible decisions of `up`."""
    return Facts(
        instance=state.instance(),
        settings_file=None,
        backend=backend,
        bind="127.0.0.1",
        port=8000,
        hub_address="127.0.0.1",
        hub_port=8081,
        proxy_api_port=8001,
    )


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
