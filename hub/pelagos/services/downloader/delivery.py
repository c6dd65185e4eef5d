"""Brings parcels: through the node agent, or without one directly into plain folders."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pelagos import accounts
from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.model import Target
from pelagos.deployment import Deployment
from pelagos.errors import AwayError, PelagosError, RefusedError, StorageError
from pelagos.layout import Area, AreaKind
from pelagos.node.areas import Owner, Place
from pelagos.node.areas.directory import DirectoryBackend
from pelagos.node.order_content import Content, check
from pelagos.node.order_folder import OrderFolder
from pelagos.node.order_names import HEAD, ORDERS, QUERY, chosen, whose
from pelagos.settings import BackendKind, WorkspaceKind
from pelagos.sockets import segment, unix_client

_SECONDS = 60.0  # for one call: an image may have to be made and mounted first
_PATIENCE = 1.0  # for a copy to end before it is said to go on
_BLOCK = 1 << 20


class Deliveries:
    """Implements `pelagos.datapool.delivery.Deliver`."""

    def __init__(self, deployment: Deployment) -> None:
        self._ways: _Agent | _Folders
        if deployment.facts.backend is BackendKind.PROCESS:
            self._ways = _Folders(deployment)
        else:
            self._ways = _Agent(deployment.people_socket)

    def deliver(self, parcel: Parcel) -> Outcome:
        """See `Deliver`."""
        return self._ways.deliver(parcel)

    def there(self, owner: str, number: int, target: Target, folder: str = "") -> bool:
        """See `Deliver`."""
        return self._ways.there(owner, number, target, folder)


class _Agent:
    """By the node agent's socket of people."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def deliver(self, parcel: Parcel) -> Outcome:
        body = {
            "target": parcel.target.value,
            "documents": dict(parcel.documents),
            "links": dict(parcel.links),
            "size": parcel.size,
        }
        status, answer = self._ask("PUT", _path(parcel.owner, parcel.number), json=body)
        if status == 400:
            return Outcome(DeliveryState.FAILED, reason=str(answer.get("reason", "")))
        try:
            return Outcome(
                DeliveryState(answer["state"]),
                int(answer["copied"]),
                str(answer["reason"]),
                str(answer["folder"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise _away() from error

    def there(self, owner: str, number: int, target: Target, folder: str = "") -> bool:
        query = {"target": target.value, "folder": folder}
        _, answer = self._ask("GET", _path(owner, number), params=query)
        if not isinstance(answer.get("there"), bool):
            raise _away()
        return bool(answer["there"])

    def _ask(self, method: str, path: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        try:
            with unix_client(self._socket, _SECONDS) as client:
                answer = client.request(method, path, **arguments)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _away() from error
        if answer.status_code not in (200, 400) or not isinstance(body, dict):
            raise _away()
        return answer.status_code, body


def _path(owner: str, number: int) -> str:
    return f"/people/{segment(owner)}/orders/{number}"


def _away() -> AwayError:
    return AwayError(
        "The node agent, which looks after storage, does not answer.",
        "The order is tried again by itself.",
    )


@dataclass
class _Job:
    """A copy under way, or just over."""

    copied: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome = field(
        default=Outcome(DeliveryState.FAILED, reason="The copy ended. Try the order again.")
    )


class _Folders:
    """Without an agent: everything belongs to one account, and nothing isolates people."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._pool = deployment.layout.area(Area(AreaKind.POOL))
        self._owner = Owner(*accounts.ids())
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, int, str], _Job] = {}

    def deliver(self, parcel: Parcel) -> Outcome:
        if parcel.target is not Target.WORKSPACE:
            with self._lock:
                return self._brought(parcel)
        # with which order it is: a database may have been lost meanwhile
        key = parcel.owner, parcel.number, whose(parcel.documents.get(QUERY, ""))
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = _Job()
                threading.Thread(target=self._run, args=(parcel, job), daemon=True).start()
        if not job.over.wait(_PATIENCE):
            return Outcome(DeliveryState.COPYING, job.copied)
        with self._lock:
            self._jobs.pop(key, None)
        return job.outcome

    def _run(self, parcel: Parcel, job: _Job) -> None:
        try:
            job.outcome = self._brought(parcel, job)
        finally:
            job.over.set()

    def _brought(self, parcel: Parcel, job: _Job | None = None) -> Outcome:
        try:
            check(dict(parcel.documents), dict(parcel.links))
            folder = self._copy(parcel, job) if job else self._link(parcel)
        except PelagosError as error:
            return Outcome(DeliveryState.FAILED, reason=error.sentence)
        except OSError as error:
            reason = f"The order's folder can't be made: {error.strerror}. Try it again later."
            return Outcome(DeliveryState.FAILED, reason=reason)
        return Outcome(DeliveryState.DONE, parcel.size, folder=folder)

    def there(self, owner: str, number: int, target: Target, folder: str = "") -> bool:
        if target is Target.WORKSPACE:
            return (self._workspace(owner) / (folder or f"{ORDERS}/{number}")).is_dir()
        return self._folder(owner, number).there(folder)

    def _place(self, owner: str) -> Place:
        return Place(self._deployment.layout.area(Area(AreaKind.USERS, owner)))

    def _folder(self, owner: str, number: int) -> OrderFolder:
        place = self._place(owner)
        # not beside the area: that folder may be root's
        workshop = place.files / ".pelagos-orders"
        return OrderFolder(place, number, self._owner, str(self._pool), workshop)

    def _link(self, parcel: Parcel) -> str:
        place = self._place(parcel.owner)
        if not place.ready:
            try:
                DirectoryBackend(self._owner).make(place, 0)
            except StorageError as error:  # what is above is root's, which makes it for a server
                raise StorageError(
                    "Your dataspace is not made yet.", "Start a server, then try the order again."
                ) from error
        links = {path: f"{self._pool}/{to}" for path, to in parcel.links.items()}
        folder = self._folder(parcel.owner, parcel.number)
        return folder.write(Content(parcel.documents, links))

    def _workspace(self, owner: str) -> Path:
        """Raises RefusedError if it is elsewhere."""
        if self._deployment.settings.storage.workspace.kind is not WorkspaceKind.EMBEDDED:
            raise RefusedError(
                "Without a container engine orders can't be copied to a workspace elsewhere.",
                "Order into the dataspace, and copy the files yourself.",
            )
        return self._deployment.layout.user_workspace(owner)

    def _copy(self, parcel: Parcel, job: _Job) -> str:
        """Copy, read back and compare; each file appears whole."""
        workspace, mine = self._workspace(parcel.owner), whose(parcel.documents.get(QUERY, ""))
        name = chosen(parcel.number, mine, lambda one: _whose(workspace / ORDERS / one / QUERY))
        path = f"{ORDERS}/{name}"
        folder = workspace / path
        # first what says whose it is
        for name, text in sorted(parcel.documents.items(), key=lambda one: one[0] != QUERY):
            target = _room(folder, name)
            part = target.with_name(f".{target.name[:50]}.part")
            part.write_text(text, encoding="utf-8", newline="")
            part.replace(target)
        for name, place in parcel.links.items():
            source, target = self._pool / place, _room(folder, name)
            if target.is_symlink() or not target.is_file() or not _same(source, target):
                part = target.with_name(f".{target.name[:50]}.part")
                shutil.copyfile(source, part)
                if not _same(source, part):
                    part.unlink()
                    raise StorageError(f"{name} was not copied right.", "Look at the disk.")
                part.replace(target)
            job.copied += target.stat().st_size
        return path


def _whose(query: Path) -> str:
    try:
        with query.open("rb") as file:
            return whose(file.read(HEAD).decode(errors="replace"))
    except OSError:
        return ""


def _room(folder: Path, name: str) -> Path:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(_BLOCK):
            if second.read(_BLOCK) != block:
                return False
    return True
