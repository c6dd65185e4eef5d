"""Compares what runs on this node with what the hub knows, and mends the difference.

Servers' containers that the hub knows nothing of are reported and stopped. They come from a hub
database that was lost or restored, or from an engine that died in the middle of a stop. Every
container carries labels that say whose it is; what the hub lists is the truth. Nothing is touched
unless the hub answered, and answered the same twice.

The node agent is told of people whose servers run without it knowing (it was away when they
started), and of those who have left.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import httpx
import requests.exceptions

from pelagos.backends.agent import paths, unheard
from pelagos.backends.engine import connect
from pelagos.deployment import LABEL, Deployment, default_state, round_seconds
from pelagos.errors import EngineError
from pelagos.files import write_private
from pelagos.hubconfig.roles import RECONCILER
from pelagos.services.base import wait_for_hub
from pelagos.sockets import unix_client
from pelagos.virtual_labs import virtual_labs_of
from pelagos.volumes import safe_name

logger = logging.getLogger(__name__)

ONE_PERSON_SECONDS = 10.0
_KEPT_REPORTS = 100


@dataclass(frozen=True)
class Running:
    """A container as its labels describe it."""

    container: str
    user: str
    server: str


@dataclass(frozen=True)
class Report:
    """An orphan that was stopped. `stopped_at` is Unix time in seconds."""

    container: str
    user: str
    server: str
    stopped_at: float


def orphans(running: Iterable[Running], known: set[tuple[str, str]]) -> set[Running]:
    """Containers whose (user, server) the hub does not know."""
    return {one for one in running if (one.user, one.server) not in known}


@dataclass(frozen=True)
class Person:
    """Somebody with servers that the hub runs, starts or stops."""

    name: str
    groups: tuple[str, ...]
    servers: tuple[str, ...]


def people_with_servers(client: httpx.Client) -> list[Person]:
    """Everybody whose servers the hub runs, starts or stops."""
    found: list[Person] = []
    offset = 0
    while True:
        response = client.get("/users", params={"limit": 200, "offset": offset})
        response.raise_for_status()
        users = response.json()
        found += [
            Person(user["name"], tuple(user.get("groups") or ()), tuple(user["servers"]))
            for user in users
            if user.get("servers")
        ]
        if len(users) < 200:
            return found
        offset += len(users)


def known_servers(people: Iterable[Person]) -> set[tuple[str, str]]:
    """(user, server) of all of them."""
    return {(person.name, server) for person in people for server in person.servers}


def reconcile_storage(
    agent: httpx.Client, deployment: Deployment, people: list[Person], suspects: set[str]
) -> set[str]:
    """Tell the agent who is here; who seemed to have left this time.

    Only who had left the time before too (`suspects`) is released. Raises httpx.HTTPError.
    """
    for name in deletions(deployment):
        for path in paths(name):
            agent.delete(path, params={"deleted": True}).raise_for_status()
        (unheard(deployment) / safe_name(name)).unlink(missing_ok=True)
    statuses = agent.get("/workspaces").raise_for_status().json()
    wanted = {status["user"] for status in statuses if status["wanted"]}
    here = {person.name: person for person in people}
    for name, person in sorted(here.items()):
        workspace, dataspace = paths(name)
        labs = [lab.name for lab in virtual_labs_of(deployment.settings, person.groups)]
        try:
            if name not in wanted:
                logger.warning("The node agent did not know that %r has a server", name)
                agent.put(workspace)
            # cheap where all is there; else it mends areas, and follows changes of membership
            agent.put(dataspace, json={"virtual_labs": labs}, timeout=ONE_PERSON_SECONDS)
        except httpx.HTTPError as error:
            logger.warning("The storage of %r is not in order: %r", name, error)
    gone = wanted - here.keys()
    for name in sorted(gone & suspects):
        for path in paths(name):
            agent.delete(path)
    return gone


def deletions(deployment: Deployment) -> list[str]:
    """Deleted accounts of which the agent has not heard."""
    found = []
    for note in sorted(unheard(deployment).glob("[!.]*")):
        try:
            found.append(str(json.loads(note.read_text())["user"]))
        except (OSError, ValueError, KeyError):
            logger.warning("%s is damaged", note)
    return found


def running_servers(engine: docker.DockerClient, instance: str) -> list[Running]:
    """Every container of this VRE's servers, stopped ones too."""
    labels = [f"{LABEL}.instance={instance}", f"{LABEL}.server"]
    found = engine.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
    return [
        Running(
            one.name or str(one.id),
            one.labels.get(f"{LABEL}.user", ""),
            one.labels[f"{LABEL}.server"],
        )
        for one in found
    ]


def reports_file(deployment: Deployment) -> Path:
    """Where stopped orphans are noted, for `./pelagos status`."""
    return deployment.state.hub / "orphans.json"


def read_reports(deployment: Deployment) -> list[Report]:
    """Orphans that were stopped, oldest first."""
    try:
        return [Report(**entry) for entry in json.loads(reports_file(deployment).read_text())]
    except (OSError, ValueError, TypeError):
        return []  # none yet, or of another version


def stop(engine: docker.DockerClient, orphan: Running, deployment: Deployment) -> None:
    """End an orphan and note it."""
    try:
        container = engine.containers.get(orphan.container)
        container.stop(timeout=10)
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        return  # it went by itself
    logger.warning("Stopped %s of %r: the hub does not know it", orphan.container, orphan.user)
    reports = [
        *read_reports(deployment),
        Report(orphan.container, orphan.user, orphan.server, time.time()),
    ]
    text = json.dumps([asdict(report) for report in reports[-_KEPT_REPORTS:]], indent=1)
    write_private(reports_file(deployment), text)


def main() -> None:
    """Look, compare, stop what was an orphan twice in a row; for ever."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    deployment = Deployment.load(default_state())
    wait_for_hub(deployment)
    headers: dict[str, Any] = {
        "Authorization": f"token {deployment.state.secret(RECONCILER)}",
    }
    suspects: set[Running] = set()
    gone: set[str] = set()
    with (
        httpx.Client(
            base_url=deployment.hub_api, headers=headers, timeout=30, trust_env=False
        ) as hub,
        unix_client(deployment.agent_socket, 30) as agent,
    ):
        while True:
            try:
                people = people_with_servers(hub)
                gone = reconcile_storage(agent, deployment, people, gone)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                gone = set()
                logger.info("The node agent was not told this time: %r", error)
            try:
                # what runs first: a server that starts in between is known, not an orphan
                with connect(timeout=60) as engine:
                    running = running_servers(engine, deployment.facts.instance)
                    found = orphans(running, known_servers(people_with_servers(hub)))
                    for orphan in found & suspects:
                        stop(engine, orphan, deployment)
                suspects = found - suspects
            except (
                httpx.HTTPError,
                EngineError,
                docker.errors.DockerException,
                requests.exceptions.RequestException,
            ) as error:
                suspects = set()
                logger.info("Nothing compared this time: %s", error)
            time.sleep(round_seconds())


if __name__ == "__main__":
    main()
