"""Servers in containers, for each image of the graph and what it inherits.

A test that takes `image` runs for every image. One marked `@pytest.mark.image("python")` runs for
python and for whatever has python in its ancestry, so that a child keeps its parents' promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from image_server import LABEL, Hub, Server, Start
from pelagos.images import Image, load_graph

ROOT = Path(__file__).resolve().parents[2]
GRAPH = load_graph(ROOT)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of this folder."""
    config.addinivalue_line("markers", "image(name): for this image and its descendants")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for every image that has its image in the ancestry."""
    if "image" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("image")
        root = marker.args[0] if marker else "base"
        images = [image for image in GRAPH if root in image.ancestry]
        # one module's servers serve all tests of an image, then go
        metafunc.parametrize("image", images, ids=lambda i: i.name, indirect=True, scope="module")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The Docker Engine. What an interrupted run left behind is removed."""
    client = docker.from_env(timeout=120)
    for left in client.containers.list(
        all=True, filters={"label": [f"{k}={v}" for k, v in LABEL.items()]}
    ):
        left.remove(force=True, v=True)
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest, engine: docker.DockerClient) -> Image:
    """An image of the graph that is built and fresh."""
    wanted: Image = request.param
    if not engine.images.list(wanted.reference):
        pytest.fail(f"{wanted.reference} is not built: run ./pelagos build {wanted.name}")
    return wanted


@pytest.fixture(scope="session")
def hub(engine: docker.DockerClient) -> Iterator[Hub]:
    """A stand-in for the hub, where containers reach it."""
    bridge = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    stand_in = Hub(bridge.get("Gateway", "172.17.0.1"))
    yield stand_in
    stand_in.close()


@pytest.fixture
def start(engine: docker.DockerClient, hub: Hub, image: Image) -> Iterator[Start]:
    """Start a server of one's own: `start(memory=..., cpus=..., **docker_options)`."""
    servers: list[Server] = []

    def begin(**options: object) -> Server:
        servers.append(Server(engine, hub, image.reference, **options))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def server(engine: docker.DockerClient, hub: Hub, image: Image) -> Iterator[Server]:
    """A server that answers, with one and a half core and 1 GiB; the tests of a module share it."""
    with Server(engine, hub, image.reference, cpus=1.5) as running:
        running.wait()
        yield running
