"""The spawner: which class, and what it is told."""

from __future__ import annotations

from traitlets.config import Config

from pelagos.backends.base import adopt_options, options_from_form
from pelagos.deployment import Deployment, round_seconds
from pelagos.hubconfig.form import options_form
from pelagos.settings import BackendKind

_CLASSES = {
    BackendKind.DOCKER: "pelagos.backends.docker.PelagosDockerSpawner",
    BackendKind.PROCESS: "pelagos.backends.process.PelagosProcessSpawner",
}
# Starts wait in our queue, each bounded by settings.servers.start_timeout once it is its turn;
# JupyterHub's own limit is for the wait and the start together.
_QUEUE_AND_START = 3600


def update_spawner(c: Config, deployment: Deployment) -> None:
    """Everything about people's servers that is the same for all of them."""
    c.JupyterHub.spawner_class = _CLASSES[deployment.facts.backend]
    c.ServerMixin.deployment = deployment
    c.Spawner.apply_user_options = adopt_options
    c.Spawner.options_from_form = options_from_form
    c.Spawner.options_form = options_form
    c.Spawner.start_timeout = _QUEUE_AND_START
    c.Spawner.http_timeout = 30
    c.Spawner.poll_interval = round_seconds()
    c.Spawner.default_url = "/lab"
    # without a domain per person, their own configuration could serve pages to others
    c.Spawner.disable_user_config = True
    if deployment.facts.backend is BackendKind.DOCKER:
        update_docker(c, deployment)


def update_docker(c: Config, deployment: Deployment) -> None:
    """What only containers need."""
    c.DockerSpawner.network_name = deployment.network
    c.DockerSpawner.use_internal_ip = True
    c.DockerSpawner.remove = True
    c.DockerSpawner.pull_policy = "skip"
    # options are checked against the settings; this closes DockerSpawner's own way to an image
    # (GHSA-hfgr-h3vc-p6c2)
    c.DockerSpawner.allowed_images = {
        name: image.reference for name, image in deployment.images.items()
    }
    c.DockerSpawner.cmd = ["jupyterhub-singleuser"]
