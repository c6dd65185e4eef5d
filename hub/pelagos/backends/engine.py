"""Clients of the Docker Engine that are closed at the end."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import docker
import docker.errors
import docker.utils
import requests.exceptions

from pelagos.errors import EngineError

_SCHEME = "http+unix://"
_KNOCK_SECONDS = 5
_CALL_SECONDS = 120


@contextlib.contextmanager
def connect(timeout: int = _CALL_SECONDS) -> Iterator[docker.DockerClient]:
    """A client of the engine. Raises EngineError with what to do if none answers."""
    try:
        knock()
        client = docker.from_env(timeout=timeout)
    except (
        OSError,
        docker.errors.DockerException,
        requests.exceptions.RequestException,
    ) as error:
        raise _absent() from error
    with contextlib.closing(client):
        try:
            client.ping()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise _absent() from error
        yield client


def is_up() -> bool:
    """Whether an engine answers."""
    try:
        with connect(timeout=_KNOCK_SECONDS):
            return True
    except EngineError:
        return False


def knock() -> None:
    """Raise OSError if nobody listens at the engine's Unix socket.

    A client that finds nobody there leaves its own socket open until the garbage is collected.
    """
    address = str(docker.utils.parse_host(os.environ.get("DOCKER_HOST")))
    if address.startswith(_SCHEME):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(_KNOCK_SECONDS)
            caller.connect(address.removeprefix(_SCHEME))


def _absent() -> EngineError:
    return EngineError(
        "No Docker Engine answers here.",
        "Start it (systemctl start docker), check that this user may use its socket (group "
        "docker), or see ./pelagos doctor.",
    )
