"""Workspace, dataspace and server at a glance: told within seconds, whoever hangs."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass
from typing import Any

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.keeping import Keeper
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.server import Storage, WantedPath, WantedPin
from jupyterlab_pelagos.server_status import ServerWatch
from jupyterlab_pelagos.shared import Shared

_PATIENCE = 2.5  # seconds: the panel shows something within three
_FRESH = 60.0  # seconds for which a status is told while the service is late
_DAY = 86400


@dataclass
class _Told:
    document: dict[str, Any]
    when: float


class StorageDesk:
    """Asks the workspace service, one question at a time."""

    def __init__(self, shared: Shared, patience: float = _PATIENCE) -> None:
        self._shared, self._patience = shared, patience
        self._lock = threading.Lock()
        self._asking: Future[dict[str, Any]] | None = None
        self._told: _Told | None = None

    def status(self) -> Storage:
        """All at a glance; what is not known has a reason."""
        from pelagos_client import service

        if not service.configured():
            return self._storage(None, "", "")
        return self._asked()

    def retry(self) -> Storage:
        """Mount and upload again. Raises ServiceError."""
        return self._changed("POST", "/retry", {})

    def pin(self, wanted: WantedPin) -> Storage:
        """Keep a path from expiring. Raises Refused, ServiceError."""
        until = int(time.time()) + wanted.days * _DAY
        return self._changed("PUT", "/pins", {**_place(wanted), "until": until})

    def unpin(self, wanted: WantedPath) -> Storage:
        """Let it expire. Raises Refused, ServiceError."""
        return self._changed("DELETE", "/pins", _place(wanted))

    def _changed(self, method: str, path: str, body: dict[str, Any]) -> Storage:
        from pelagos_client import service

        service.call(method, path, body)
        with self._lock:
            self._asking = None  # what was asked before does not know of it
        self._shared.emit("storage")
        return self.status()

    def _asked(self) -> Storage:
        from pelagos_client.errors import PelagosError

        with self._lock:
            asking = self._asking
            if asking is None:
                asking = self._asking = Future()
                threading.Thread(
                    target=self._ask, args=(asking,), name="pelagos-storage", daemon=True
                ).start()
        try:
            return self._storage(asking.result(self._patience), "", "")
        except LateError:
            known = self._told
            if known is not None and time.monotonic() - known.when < _FRESH:
                return self._storage(known.document, "", "")
            return self._storage(
                None,
                "The service that knows your storage takes long to answer.",
                "It is asked again by itself; your files are not affected.",
            )
        except PelagosError as error:
            reason = str(error).removesuffix(error.mend).strip()
            return self._storage(None, reason, error.mend)

    def _ask(self, asking: Future[dict[str, Any]]) -> None:
        from pelagos_client import service

        began = time.monotonic()
        try:
            found = service.call("GET", "/status")
            if not isinstance(found, dict) or not {"workspace", "dataspace"} <= set(found):
                found = {"workspace": None, "dataspace": None}
        except BaseException as error:  # whoever waits is told
            self._over(asking)
            asking.set_exception(error)
        else:
            self._told = _Told(found, time.monotonic())
            self._over(asking)
            asking.set_result(found)
        if time.monotonic() - began >= self._patience:
            self._shared.emit("storage")  # nobody waits any more

    def _over(self, asking: Future[dict[str, Any]]) -> None:
        with self._lock:
            if self._asking is asking:
                self._asking = None

    def _storage(self, told: dict[str, Any] | None, reason: str, mend: str) -> Storage:
        found = told or {}
        return Storage(
            workspace=found.get("workspace"),
            dataspace=found.get("dataspace"),
            reason=reason,
            mend=mend,
            keeping=self._shared.one(Keeper).jobs(),
            server=self._shared.one(ServerWatch).status(),
        )


def _place(wanted: WantedPath) -> dict[str, str]:
    """A path below an area. Raises Refused."""
    from pelagos_client import folders
    from pelagos_client.errors import OutsideError

    try:
        return {"area": wanted.area, "path": folders.below(wanted.path).as_posix()}
    except OutsideError:
        raise Refused(
            400, Problem(f"“{wanted.path[:100]}” is no path below an area.", "Name one below it.")
        ) from None
