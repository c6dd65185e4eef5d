"""Orders that the data pool of a VRE carries out, through its service."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Self

from pelagos_client import folders
from pelagos_client.access.model import Criteria, Terms
from pelagos_client.documents.model import Citation
from pelagos_client.errors import OrderError, ServiceAwayError, ServiceError, ServiceRefusedError
from pelagos_client.items import Items
from pelagos_client.order_base import Order, Orders, not_ready
from pelagos_client.order_model import (
    Citations,
    Estimate,
    OrderFile,
    OrderState,
    Refusal,
    Status,
)
from pelagos_client.web import Service

API_VARIABLE = "PELAGOS_DATAPOOL_API"
SERVICE = Service(API_VARIABLE, "data pool", "Your orders go on", 60, 64 * 2**20)
_STREAM_SECONDS = 30.0  # without a byte, which the service sends more often
_TRIES = (0, 1, 3)  # seconds before each
_FILE_FIELDS = tuple(OrderFile.__dataclass_fields__)


class HubOrder(Order):
    """An order in the data pool."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._stream: Generator[dict[str, Any], None, None] | None = None
        self._streams = True

    @property
    def status(self) -> Status:
        """How it is now."""
        return _status(self._call("GET"))

    def cancel(self) -> None:
        """End it."""
        self._call("POST", "/cancel")

    def retry(self) -> Self:
        """Fetch it again."""
        self._call("POST", "/retry")
        return self

    def delete(self) -> None:
        """Forget it. Its folder stays until it expires. Raises ServiceError."""
        self._call("DELETE")

    def details(self) -> list[OrderFile]:
        """Its files."""
        found: list[OrderFile] = []
        offset: int | None = 0
        while offset is not None:
            page = self._call("GET", "/files", {"offset": offset})
            for one in page["files"]:
                known = {name: one[name] for name in _FILE_FIELDS if name in one}
                found.append(OrderFile(**{**known, "notes": tuple(one.get("notes", ()))}))
            offset = page["next"]
        return found

    @property
    def folder(self) -> Path:
        """Its folder in the dataspace or the workspace."""
        return self._folder(self.status)

    @property
    def files(self) -> list[Path]:
        """In the pool, if that is here and it was not ordered to the workspace."""
        status = self.status
        if status.state is not OrderState.READY:
            raise not_ready(self._name, status)
        return [self.path_of(file, status) for file in self.delivered()]

    def path_of(self, file: OrderFile, status: Status) -> Path:
        """Where one of its files is."""
        if status.to != "workspace" and file.pool:
            pool = folders.dataspace() / "pool"
            path = pool / file.pool
            if path.is_file():
                return folders.inside(path, pool, "the data pool")
        folder = self._folder(status)
        return folder / folders.below(file.path)

    def _folder(self, status: Status) -> Path:
        if not status.folder:
            raise not_ready(self._name, status)
        area = folders.dataspace() / folders.OWN
        base = folders.workspace() if status.to == "workspace" else area
        return base / folders.below(status.folder)

    def cite(self) -> Citations:
        """As the service tells."""
        found = self._call("GET", "/citations")
        return Citations(
            Citation(**{name: str(one.get(name, "")) for name in Citation.__dataclass_fields__})
            for one in found
        )

    def _call(self, method: str, path: str = "", query: Mapping[str, Any] | None = None) -> Any:
        return SERVICE.call(method, f"/orders/{self.number}{path}", None, query)

    def _pause(self, seconds: float, left: float | None) -> None:
        """Until the service tells of a change; else, for a while."""
        if not self._streams:
            time.sleep(seconds)
            return
        began = time.monotonic()
        try:
            if self._stream is None:
                silence = _STREAM_SECONDS if left is None else max(0.1, min(_STREAM_SECONDS, left))
                self._stream = SERVICE.events(f"/orders/{self.number}/events", silence)
            for event in self._stream:
                late = left is not None and time.monotonic() - began >= left
                if event or late:
                    return
        except ServiceRefusedError:
            self._streams = False
        except ServiceError:
            pass  # it restarts, or said nothing for long: the next look tells
        self._stream = None
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))

    def wait(self, timeout: float | None = None, progress: bool = True) -> Self:
        """Wait until its files are here; see `Order.wait`."""
        try:
            return super().wait(timeout, progress)
        finally:
            if self._stream is not None:
                self._stream.close()
                self._stream = None


def body_of(
    items: Items, criteria: Criteria, to: str, assets: Mapping[tuple[str, str], list[str]] | None
) -> dict[str, Any]:
    """An order as the service takes it."""
    wanted = []
    for document in items.documents:
        key = str(document.get("collection") or ""), str(document.get("id") or "")
        if not all(key):
            raise OrderError(
                f"The item {key[1]!r} has no collection, so the data pool can't find it.",
                "Order what search() found.",
            )
        named = (assets or {}).get(key)
        wanted.append({"collection": key[0], "item": key[1], "assets": named})
    return {"items": wanted, "criteria": criteria.to_json(), "to": to}


def estimate(body: Mapping[str, Any]) -> Estimate:
    """What the service says of an order before it is placed. Raises ServiceError."""
    found = SERVICE.call("POST", "/estimate", body)
    try:
        return Estimate(
            files=int(found["files"]),
            known=int(found["bytes"]["known"]),
            unknown=int(found["bytes"]["unknown"]),
            cached=int(found["cached"]),
            free=int(found["free"]),
            fits=bool(found["fits"]),
            reason=str(found["reason"]),
            accept=tuple(
                Terms(*(str(one[name]) for name in ("key", "title", "text", "url")))
                for one in found["accept"]
            ),
            refused=tuple(
                Refusal(*(str(one[name]) for name in ("collection", "item", "reason")))
                for one in found["refused"]
            ),
            total_items=len(body["items"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _nonsense() from error


def place(body: Mapping[str, Any]) -> HubOrder:
    """Send an order; sent again it is still one. Raises ServiceError."""
    keyed = {**body, "key": uuid.uuid4().hex}
    for number, pause in enumerate(_TRIES, 1):
        time.sleep(pause)
        try:
            return HubOrder(_status(SERVICE.call("POST", "/orders", keyed)).number)
        except ServiceAwayError:
            if number == len(_TRIES):
                raise
    raise AssertionError("the last try returns or raises")


def get(number: int) -> HubOrder:
    """One that was placed before. Raises ServiceError."""
    order = HubOrder(number)
    order.status  # noqa: B018 - asks whether there is one
    return order


def orders(limit: int) -> Orders:
    """The newest first. Raises ServiceError."""
    found: list[tuple[Order, Status]] = []
    before: int | None = None
    while len(found) < limit:
        query = {"before": before} if before is not None else {}
        page = SERVICE.call("GET", "/orders", None, query)
        for document in page["orders"]:
            status = _status(document)
            found.append((HubOrder(status.number), status))
        before = page["before"]
        if before is None:
            break
    return Orders(found[:limit])


def _status(document: Any) -> Status:
    try:
        return Status.from_json(document)
    except (KeyError, TypeError, ValueError) as error:
        raise _nonsense() from error


def _nonsense() -> ServiceAwayError:
    return ServiceAwayError(
        "The data pool's answer makes no sense to this version of pelagos-client.",
        "Restart the server, so that it has the version of the VRE.",
    )
