"""What a spawner asks of the node agent. Storage fails softly, isolation does not."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx

from pelagos.deployment import Deployment
from pelagos.errors import NetworkError, StorageError
from pelagos.files import write_private
from pelagos.node import firewall, mounts, placeholder
from pelagos.node.network import policy_of
from pelagos.sockets import async_unix_client, segment
from pelagos.volumes import safe_name

logger = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds; a first dataspace is formatted within
AWAY = "the node agent does not answer; it is tried again by itself"


async def call(
    deployment: Deployment, method: str, path: str, body: Any = None, **parameters: Any
) -> dict[str, Any]:
    """One verb of the agent. Raises httpx.HTTPError or ValueError if there is no answer."""
    async with async_unix_client(deployment.agent_socket, TIMEOUT) as client:
        response = await client.request(method, path, json=body, params=parameters)
        answer: dict[str, Any] = response.json()
        return answer


async def not_isolated(deployment: Deployment) -> str:
    """Why servers would not be kept apart; empty if they are.

    An agent that is away is no reason: the rules stand in the kernel, and the hub looks itself.
    """
    try:
        return str((await call(deployment, "GET", "/health"))["reason"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        logger.warning("The node agent does not answer: %r", error)
    try:
        missing = await asyncio.to_thread(firewall.missing, policy_of(deployment))
    except NetworkError as error:
        return f"the node agent does not answer, and {error}"
    return f"the node agent does not answer, and {', '.join(missing)}" if missing else ""


async def want(deployment: Deployment, user: str, virtual_labs: list[str]) -> str:
    """Ask for a person's workspace and dataspace; what is wrong, empty if nothing is.

    What a server binds is there afterwards in any case.
    """
    if (unheard(deployment) / safe_name(user)).exists():
        # somebody of the same name was deleted: their files first
        await release(deployment, user, deleted=True)
    workspace, dataspace = paths(user)
    answers = await asyncio.gather(
        call(deployment, "PUT", workspace),
        call(deployment, "PUT", dataspace, {"virtual_labs": virtual_labs}),
        return_exceptions=True,
    )
    trouble = []
    for answer in answers:
        if isinstance(answer, BaseException):
            logger.warning("The node agent does not answer for %r: %r", user, answer)
            trouble.append(AWAY)
        elif reason := answer.get("reason"):
            trouble.append(str(reason))
    if AWAY in trouble:
        try:
            await asyncio.to_thread(_make_folders, deployment, user)
        except (StorageError, OSError) as error:
            logger.error("What %r's server binds can't be made: %s", user, error)
    return "; ".join(dict.fromkeys(trouble))


def _make_folders(deployment: Deployment, user: str) -> None:
    """In the agent's place: empty read-only folders, in which it mounts when it is back."""
    layout = deployment.layout
    parent, view = layout.mount_parent(user), layout.view(user)
    for base in (parent.parent, view.parent):
        base.mkdir(mode=0o700, exist_ok=True)
        mounts.shared(base)  # or the engine refuses to bind what is in it
    placeholder.make(parent, AWAY)
    view.mkdir(exist_ok=True)
    view.chmod(0o555)


async def release(deployment: Deployment, user: str, *, deleted: bool = False) -> None:
    """A person's last server has ended; `deleted`: and the account is gone.

    If the agent misses it, the reconciler tells it later; a deletion is kept until it has heard.
    """
    note = unheard(deployment) / safe_name(user)
    if deleted:
        await asyncio.to_thread(_keep_note, note, user)
    answers = await asyncio.gather(
        *(call(deployment, "DELETE", path, deleted=deleted) for path in paths(user)),
        return_exceptions=True,
    )
    lost = [answer for answer in answers if isinstance(answer, BaseException)]
    if lost:
        logger.warning("The node agent did not hear that %r left: %r", user, lost[0])
    elif deleted:
        note.unlink(missing_ok=True)


def paths(user: str) -> tuple[str, str]:
    """Where the agent has a person's workspace and dataspace."""
    name = segment(user)
    return f"/workspaces/{name}", f"/dataspaces/users/{name}"


def unheard(deployment: Deployment) -> Path:
    """The folder with a note for each deleted account that the agent has not heard of."""
    return deployment.state.hub / "deleted"


def _keep_note(note: Path, user: str) -> None:
    note.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(note, json.dumps({"user": user}) + "\n")
