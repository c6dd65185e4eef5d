"""Orders as the panel shows them: the data pool's, and those that this server carries out."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.known_orders import LOCAL, KnownOrders
from jupyterlab_pelagos.models.orders import Counts, Order, OrderFile, OrderFiles, Orders, Sizes
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import Citation
from jupyterlab_pelagos.places import contents_of, has_pool
from jupyterlab_pelagos.sequences import Sequences
from jupyterlab_pelagos.shared import Shared, problem_told

if TYPE_CHECKING:
    from pelagos_client.local_orders import LocalOrder
    from pelagos_client.order_model import Status

_NAME = re.compile(r"(local-)?[1-9]\d{0,15}")
_SECONDS = 15  # a service that takes longer is away: the browser asks again
_SHOWN = 200  # orders
_PAGE = 200  # files
_FRESH = 20.0  # seconds for which nobody looks whether files of an order went
_PAUSE = 5.0  # seconds for an order to end
_WORKSPACE = "workspace"
_HERE = ("present", "ready")  # states of a file: of the data pool, of local orders


class Desk:
    """Lists, shows and changes orders. Raises Refused and PelagosError."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._known, self._sequences = shared.one(KnownOrders), shared.one(Sequences)
        self._reading = threading.Lock()
        self._over: dict[str, tuple[int, float, Order]] = {}

    def all(self) -> Orders:
        """The newest first. Local ones are there though the data pool is away."""
        from pelagos_client.errors import PelagosError

        found = [self._local(name) for name in list(self._known.local())[-_SHOWN:]]
        missing: Problem | None = None
        if has_pool():
            try:
                found += self.hub_orders()
            except PelagosError as error:
                missing = problem_told(error)
        found.sort(key=lambda one: (one.created or "", one.number), reverse=True)
        return Orders(found, missing)

    def hub_orders(self) -> list[Order]:
        """Those of the data pool."""
        page = call("GET", "/orders", query={"limit": _SHOWN})
        found = [self._hub(document) for document in page["orders"]]
        self._known.set_under_way(sorted(one.number for one in found if one.can_cancel))
        return found

    def show(self, order: str) -> Order:
        """One of them."""
        if is_hub(order):
            return self._hub(call("GET", f"/orders/{order}"))
        return self._local(order)

    def files(self, order: str, offset: int) -> OrderFiles:
        """A page of its files."""
        if is_hub(order):
            return self._hub_files(order, offset)
        made = self._opened(order)
        all_files = made.details()
        folder, page = made.folder, all_files[offset : offset + _PAGE]
        files = []
        for one in page:
            local = folder / one.path
            files.append(_file(asdict(one), str(local) if _is_here(one.state, local) else None))
        after = offset + _PAGE
        return OrderFiles(files, after if after < len(all_files) else None)

    def citations(self, order: str) -> list[Citation]:
        """How its data want to be cited."""
        if is_hub(order):
            return msgspec.convert(call("GET", f"/orders/{order}/citations"), list[Citation])
        return [Citation(**_only(asdict(one), Citation)) for one in self._opened(order).cite()]

    def cancel(self, order: str) -> Order:
        """End it."""
        if is_hub(order):
            call("POST", f"/orders/{order}/cancel")
        else:
            self._known.set_running(order, False)
            self._opened(order).cancel()
        return self._told(order)

    def retry(self, order: str) -> Order:
        """Fetch again what is missing."""
        if is_hub(order):
            call("POST", f"/orders/{order}/retry")
        else:
            with self._reading:  # between two lives it would seem to be cancelled
                self._opened(order).retry()
            self._known.set_running(order, True)
        return self._told(order)

    def delete(self, order: str) -> None:
        """Forget it; of a local one the files stay."""
        if is_hub(order):
            call("DELETE", f"/orders/{order}")
        else:
            from pelagos_client.errors import OrderError

            try:
                made = self._opened(order)
                if not made.status.state.over:
                    made.cancel()
            except OrderError:
                pass  # its folder is gone, which is what was wanted
            self._known.forget(order)
        self._shared.emit("order", order)

    def resume(self, order: str) -> None:
        """Go on with a local order that ended because its server did. Raises OrderError."""
        from pelagos_client.errors import OrderError

        try:
            with self._reading:
                state = self._opened(order).status.state
            if state.over and not self.take_over(order):
                self._known.set_running(order, False)
        except OrderError:
            self._known.set_running(order, False)
            raise

    def take_over(self, order: str) -> bool:
        """Go on with a local order whose server stopped, unless a person cancelled it."""
        from pelagos_client.errors import OrderError

        with self._reading:
            try:
                made = self._opened(order)
                # a person's cancel says so first
                entry = self._known.local().get(order)
                if entry is None or not entry.running or not made.was_interrupted:
                    return False
                made.retry()
            except OrderError as error:
                # another server of this person was faster
                self._shared.log.info("%s: %s", order, error)
                return not self._opened(order).status.state.over
        return True

    def pause(self) -> None:
        """End local orders of this server, which goes; the next one goes on with them."""
        if "pelagos_client.local_orders" not in sys.modules:
            return  # there are none
        from pelagos_client import local_orders

        running = [Path(one.folder) for one in self._known.local().values() if one.running]
        for seconds in (0.0, _PAUSE):  # all are told before one is waited for
            for folder in running:
                local_orders.end_here(folder, seconds)

    def _told(self, order: str) -> Order:
        found = self.show(order)
        self._shared.emit("order", order, found.sequence)
        return found

    def _hub(self, document: dict[str, Any]) -> Order:
        from pelagos_client.order_model import AGAIN, OrderState

        state, mine = OrderState(document["state"]), bool(document.get("mine", True))
        folder = _hub_folder(document)
        return Order(
            id=str(int(document["number"])),
            number=int(document["number"]),
            state=state.value,
            **{name: document[name] for name in ("title", "to", "created", "finished", "expires")},
            sequence=int(document["sequence"]),
            files=msgspec.convert(document["files"], Counts),
            bytes=msgspec.convert(document["bytes"], Sizes),
            folder=folder,
            contents=contents_of(self._shared, folder),
            error=document["error"],
            next_step=document["next_step"],
            notes=document["notes"],
            can_cancel=mine and not state.over,
            can_retry=mine and state in AGAIN,
        )

    def _hub_files(self, order: str, offset: int) -> OrderFiles:
        from pelagos_client.hub_orders import HubOrder
        from pelagos_client.order_model import OrderFile as ClientFile
        from pelagos_client.order_model import Status

        made, status = HubOrder(int(order)), Status.from_json(call("GET", f"/orders/{order}"))
        page = call("GET", f"/orders/{order}/files", query={"offset": offset, "limit": _PAGE})
        files = []
        for one in page["files"]:
            known = ClientFile(**_only(one, ClientFile))
            files.append(_file(one, _hub_path(made, known, status)))
        return OrderFiles(files, page["next"])

    def _opened(self, order: str) -> LocalOrder:
        from pelagos_client.local_orders import LocalOrder

        folder = self._known.folder(order)
        if folder is None:
            raise no_order(order)
        return LocalOrder(folder)

    def _local(self, order: str) -> Order:
        """Read from its folder; of what is over, not with each look: it may be megabytes."""
        from pelagos_client.local_state import STATE

        folder = self._known.folder(order)
        if folder is None:
            raise no_order(order)
        with self._reading:  # or what was seen first could get the larger sequence
            try:
                stamp = (folder / STATE).stat().st_mtime_ns
            except OSError:
                stamp = 0
            before, when, known = self._over.get(order, (0, 0.0, None))
            if known is not None and before == stamp and time.monotonic() - when < _FRESH:
                return known
            found = self._read(order, folder)
            if not found.can_cancel:
                self._over[order] = stamp, time.monotonic(), found
            return found

    def _read(self, order: str, folder: Path) -> Order:
        from pelagos_client.errors import OrderError
        from pelagos_client.order_model import OrderState, Status

        try:
            status = self._opened(order).status
        except OrderError as error:
            status = Status(
                0, OrderState.EXPIRED, folder=str(folder), error=str(error), title=folder.name
            )
            return self._of_status(order, folder, status, lost=True)
        return self._of_status(order, folder, status)

    def _of_status(self, order: str, folder: Path, status: Status, lost: bool = False) -> Order:
        from pelagos_client.order_model import AGAIN

        contents = contents_of(self._shared, str(folder))
        status = replace(status, number=status.number or int(order.removeprefix(LOCAL)))
        return Order(
            id=order,
            number=status.number,
            state=status.state.value,
            title=status.title,
            to=str(Path(contents).parent) if contents else str(folder.parent),
            created=_time(status.created),
            finished=_time(status.finished),
            expires=None,
            sequence=self._sequences.of(order, status),
            files=Counts(**_only(asdict(status), Counts)),
            bytes=Sizes(**_only(asdict(status), Sizes)),
            folder="" if lost else str(folder),
            contents=None if lost else contents,
            error=status.error,
            next_step=status.next_step,
            notes=list(status.notes),
            can_cancel=not status.state.over,
            can_retry=status.state in AGAIN and not lost,
        )


def is_hub(order: str) -> bool:
    """Whether an order is the data pool's. Raises Refused for what is no identifier."""
    if not _NAME.fullmatch(order):
        raise no_order(order)
    if order.startswith(LOCAL):
        return False
    if not has_pool():
        raise no_order(order)
    return True


def no_order(order: str) -> Refused:
    """What is said of one that is not known."""
    return Refused(
        404,
        Problem(f"There is no order “{order[:40]}”.", "It may have been removed in another tab."),
    )


def call(method: str, path: str, query: dict[str, Any] | None = None) -> Any:
    """Ask the data pool, not for as long as the client does. Raises ServiceError."""
    from pelagos_client import hub_orders

    return replace(hub_orders.SERVICE, seconds=_SECONDS).call(method, path, None, query)


def _hub_folder(document: dict[str, Any]) -> str:
    from pelagos_client import folders
    from pelagos_client.errors import OutsideError

    if not document["folder"]:
        return ""
    own = folders.dataspace() / folders.OWN
    base = folders.workspace() if document["to"] == _WORKSPACE else own
    try:
        return str(base / folders.below(document["folder"]))
    except OutsideError:
        return ""


def _hub_path(made: Any, file: Any, status: Status) -> str | None:
    """Where a file is on this server."""
    from pelagos_client.errors import PelagosError

    try:
        path = made.path_of(file, status)
    except PelagosError:
        return None
    return str(path) if _is_here(file.state, path) else None


def _is_here(state: str, path: Path) -> bool:
    return state in _HERE and os.path.exists(path)


def _file(document: dict[str, Any], local: str | None) -> OrderFile:
    return OrderFile(
        **_only(document, OrderFile) | {"notes": list(document.get("notes", ())), "local": local}
    )


def _only(document: dict[str, Any], kind: Any) -> dict[str, Any]:
    """What `kind` has a field for."""
    names = getattr(kind, "__struct_fields__", None) or kind.__dataclass_fields__
    return {name: document[name] for name in names if name in document}


def _time(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
