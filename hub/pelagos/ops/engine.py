"""The Docker Engine: finding it, starting it, and the network of people's servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.models.networks import Network

from pelagos.backends.engine import is_up
from pelagos.deployment import LABEL, Deployment
from pelagos.errors import EngineError, NetworkError
from pelagos.ops import packages
from pelagos.ops.report import Reporter

PACKAGES = ["docker.io", "iptables"]
START_SECONDS = 60


def ensure(log: Path, reporter: Reporter) -> None:
    """Find an engine, else install and start one. Raises EngineError if that can't be done."""
    if is_up():
        return
    if os.geteuid() != 0:
        raise EngineError(
            "No Docker Engine answers here, and only root can install or start one.",
            "Run as root, or ask an administrator to install Docker and to add you to the group "
            "docker.",
        )
    wanted = [
        package
        for package, program in zip(PACKAGES, ("dockerd", "iptables"), strict=True)
        if shutil.which(program) is None
    ]
    if wanted:
        if not packages.can_install():
            raise EngineError(
                "There is no Docker Engine, and this machine has no apt to install one.",
                "Install Docker Engine 20.10 or newer.",
            )
        packages.install(wanted, reporter)
    if not is_up():
        _start(log, reporter)


def _start(log: Path, reporter: Reporter) -> None:
    reporter.step("Starting the Docker Engine")
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], timeout=START_SECONDS, check=False)
        process = None
    else:
        # --live-restore: people's servers outlive the engine's own restart
        with log.open("ab") as file:
            process = subprocess.Popen(
                ["dockerd", "--live-restore"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    deadline = time.monotonic() + START_SECONDS
    while not is_up():
        gone = process is not None and process.poll() is not None
        if gone or time.monotonic() > deadline:
            raise EngineError(
                "The Docker Engine does not start.", f"Its log says why: {log} (last lines)."
            )
        time.sleep(0.2)


def version(client: docker.DockerClient) -> str:
    """The engine's version."""
    return str(client.version()["Version"])


def ensure_network(client: docker.DockerClient, deployment: Deployment) -> str:
    """The network of people's servers, made if missing; the host's address on it.

    Containers on it can't reach each other (`enable_icc=false`); the node agent's rules do the
    rest. Raises NetworkError.
    """
    name = deployment.network
    try:
        network = _find_network(client, name)
        if network is None:
            network = client.networks.create(
                name,
                driver="bridge",
                enable_ipv6=False,
                options={
                    "com.docker.network.bridge.name": deployment.bridge,
                    "com.docker.network.bridge.enable_icc": "false",
                },
                labels={f"{LABEL}.instance": deployment.facts.instance},
            )
            network.reload()
    except docker.errors.APIError as error:
        raise NetworkError(
            f"The servers' network {name} can't be made: {error.explanation or error}.",
            "If address pools are used up, remove unused networks: docker network prune.",
        ) from error
    options = network.attrs["Options"]
    if options.get("com.docker.network.bridge.enable_icc") != "false":
        raise NetworkError(
            f"The network {name} was made by somebody else and lets servers reach each other.",
            f"Remove it: docker network rm {name}",
        )
    return str(network.attrs["IPAM"]["Config"][0]["Gateway"])


def _find_network(client: docker.DockerClient, name: str) -> Network | None:
    for network in client.networks.list(names=[name]):
        if network.name == name:  # the engine's filter also finds parts of names
            network.reload()
            return network
    return None


def remove_network(client: docker.DockerClient, deployment: Deployment) -> None:
    """Take the servers' network away if nothing is on it."""
    network = _find_network(client, deployment.network)
    if network is not None and not network.attrs["Containers"]:
        network.remove()


def containers(
    client: docker.DockerClient, deployment: Deployment, user: str | None = None
) -> list[Any]:
    """Containers of people's servers of this VRE, stopped ones too; of one person if named."""
    labels = [f"{LABEL}.instance={deployment.facts.instance}", f"{LABEL}.server"]
    if user is not None:
        labels.append(f"{LABEL}.user={user}")
    return list(client.containers.list(all=True, filters={"label": labels}, ignore_removed=True))
