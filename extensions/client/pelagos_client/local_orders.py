"""Orders that are carried out right here, by a thread: in anyone's JupyterLab, into any folder.

The data pool does the same for everybody in a VRE. Here an order lives as long as its program: what
came is kept, and `retry` goes on with the rest.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pelagos_client import local_run
from pelagos_client.access.model import AccessError, Criteria, FilePlan, Terms
from pelagos_client.access.names import file_name, unique
from pelagos_client.access.planning import plan, terms_of
from pelagos_client.asking import text_of
from pelagos_client.errors import OrderError
from pelagos_client.folders import below
from pelagos_client.items import Items
from pelagos_client.local_state import (
    STOP,
    Document,
    LocalFile,
    LocalState,
    empty_folder,
    locked,
    new_folder,
)
from pelagos_client.order_base import Order, Orders, not_ready
from pelagos_client.order_model import (
    AGAIN,
    EMPTY,
    Citations,
    Estimate,
    OrderFile,
    OrderState,
    Refusal,
    Status,
    moment,
)
from pelagos_client.progress import readable

FOLDER = "pelagos-orders"
_RUNS: dict[Path, local_run.Run] = {}  # of this program, by folder
_RUNS_LOCK = threading.Lock()


class LocalOrder(Order):
    """An order in a folder of this machine. `number` is 0 where a person named the folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder.resolve()
        self.number = LocalState.load(self._path).number

    @property
    def _name(self) -> str:
        return f"Order {self.number}" if self.number else f"The order in {self._path}"

    @property
    def status(self) -> Status:
        """How it is now."""
        run = _RUNS.get(self._path)
        if run is not None and run.is_alive():
            return _status(run.state, self._path, run.seen)
        state = LocalState.load(self._path)
        if not state.state.over:
            with locked(self._path) as free:
                if free:  # whoever carried it out is gone
                    state = LocalState.load(self._path)
            if free and not state.state.over:
                state.state = OrderState.CANCELLED
                state.error = "The program that fetched it ended before it was done."
        elif state.state is OrderState.READY and not _all_there(state, self._path):
            state.state = OrderState.EXPIRED
            state.error = "Files of it are gone from its folder."
        return _status(state, self._path, None)

    def cancel(self) -> None:
        """End it. What came stays, and is gone on with by `retry`."""
        run = _RUNS.get(self._path)
        if run is not None and run.is_alive():
            run.cancel.set()
            run.join()
        elif LocalState.load(self._path).state.over:
            state = self.status.state.value
            raise OrderError(f"{self._name} is {state}.", "There is nothing to end.")
        else:  # another program looks for this file, and so does who would go on
            (self._path / STOP).touch()

    @property
    def was_interrupted(self) -> bool:
        """Whether it ended with the program that carried it out, and nobody asked for its end."""
        if self.status.state is not OrderState.CANCELLED or (self._path / STOP).exists():
            return False
        return not LocalState.load(self._path).state.over

    def retry(self) -> Self:
        """Fetch what is not here; returns at once."""
        status = self.status
        if status.state not in AGAIN:
            raise OrderError(
                f"{self._name} is {status.state.value}.",
                "Only what failed, was cancelled or has expired is fetched again.",
            )
        state = LocalState.load(self._path)
        for file in state.files:
            if file.state != "ready" or not (self._path / file.path).is_file():
                file.expected = file.checksum or file.expected
                file.state, file.error = "queued", ""
        state.state, state.error, state.next_step = OrderState.QUEUED, "", ""
        state.attempt += 1
        state.notes = []
        start(self._path, state)
        return self

    def details(self) -> list[OrderFile]:
        """Its files."""
        run = _RUNS.get(self._path)
        alive = run is not None and run.is_alive()
        state = run.state if run is not None and alive else LocalState.load(self._path)
        return [
            OrderFile(
                path=one.path,
                collection=one.collection,
                item=one.item,
                asset=one.plan.asset,
                state=one.state,
                size=one.size if one.size is not None else one.plan.size,
                done=one.size or 0,
                checksum=one.checksum,
                type=one.plan.type,
                url=one.url or one.plan.url.partition("?")[0],
                is_subset=one.plan.is_subset,
                error=one.error,
                notes=tuple(one.notes),
            )
            for one in state.files
        ]

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._path

    @property
    def files(self) -> list[Path]:
        """Paths of its files."""
        status = self.status
        if status.state is not OrderState.READY:
            raise not_ready(self._name, status)
        return [self._path / below(file.path) for file in self.delivered()]

    def cite(self) -> Citations:
        """From what the catalogue said when it was ordered."""
        from pelagos_client.documents.citing import citations

        state = LocalState.load(self._path)
        when = moment(state.finished) or datetime.now(UTC)
        return Citations(citations(state.items, state.collections, when))


def estimate(
    items: Items,
    criteria: Criteria,
    folder: Path,
    assets: dict[tuple[str, str], list[str]] | None,
) -> Estimate:
    """What an order into a folder would be."""
    files, terms, refused = _planned(items, criteria, assets)
    sizes = [one.plan.size for one in files]
    known = sum(size for size in sizes if size is not None)
    free = _free(folder)
    fits = bool(files) and known <= free
    if not files:
        reason = "nothing of it can be ordered."
    else:
        reason = "" if fits else f"it needs {readable(known)}, and {readable(free)} are free."
    return Estimate(
        files=len(files),
        known=known,
        unknown=sum(size is None for size in sizes),
        cached=0,
        free=free,
        fits=fits,
        reason=reason,
        accept=tuple(terms),
        refused=tuple(refused),
        total_items=len(items),
    )


def place(
    items: Items,
    criteria: Criteria,
    folder: Path | None,
    *,
    title: str,
    accept: Collection[str] | bool,
    named: Iterable[str],
    collections: dict[str, Document],
    assets: dict[tuple[str, str], list[str]] | None = None,
    below: Path | None = None,
) -> LocalOrder:
    """Plan an order and begin it; `folder` None: a numbered one in `below`, or ./pelagos-orders.

    Raises OrderError: nothing of it, or not all, can be ordered; terms are not accepted; no space.
    """
    files, terms, refused = _planned(items, criteria, assets)
    if refused:
        first = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise OrderError(
            f"{first.collection}/{first.item} can't be ordered{more}: {first.reason}",
            "estimate(items) lists them: leave them out.",
        )
    if not files:
        raise OrderError("There is nothing to order.", "Search again.")
    missing = [one for one in terms if accept is not True and one.key not in (accept or ())]
    if missing:
        raise OrderError(
            f"Terms have to be accepted first: {missing[0].title}: {missing[0].text}",
            f"Read them ({missing[0].url or 'see its source'}), then order with "
            f"accept={[one.key for one in missing]}.",
        )
    base = folder or below or Path(FOLDER)
    needed = sum(one.plan.size or 0 for one in files)
    if needed > (free := _free(base)):
        raise OrderError(
            f"The order needs {readable(needed)}, and {readable(free)} are free in {base}.",
            "Order less, or into another folder: to='…'.",
        )
    number, path = (0, empty_folder(folder)) if folder else new_folder(base)
    state = LocalState(
        number=number,
        title=title,
        created=text_of(datetime.now(UTC)),
        criteria=criteria,
        query=items.query,
        catalogue=items.catalogue,
        items=items.documents,
        collections=collections,
        files=files,
        named=list(named),
        accepted=[one.key for one in terms],
    )
    start(path.resolve(), state)
    return LocalOrder(path)


def start(folder: Path, state: LocalState) -> None:
    """Carry it out in a thread. Raises OrderError if that is done already."""
    with _RUNS_LOCK:
        run = local_run.Run(folder, state)
        state.save(folder)
        _RUNS[folder] = run
        run.start()
    run.begun.wait(30)
    if run.refused:
        raise OrderError(f"The order in {folder} is under way in another program.", "Wait for it.")


def end_here(folder: Path, seconds: float) -> None:
    """End an order that this program carries out, if it does, because the program ends.

    Waits so long until it has ended.
    """
    run = _RUNS.get(folder.resolve())
    if run is not None and run.is_alive():
        run.pause()
        run.join(seconds)


def orders(folder: Path, limit: int) -> Orders:
    """Those in numbered folders below `folder`, the newest first."""
    found: list[tuple[Order, Status]] = []
    there = folder.iterdir() if folder.is_dir() else ()
    numbers = sorted((int(one.name) for one in there if one.name.isdecimal()), reverse=True)
    for number in numbers:
        try:
            order = LocalOrder(folder / str(number))
            found.append((order, order.status))
        except OrderError:
            continue  # something else, or damaged: get() says what
        if len(found) == limit:
            break
    return Orders(found)


def _planned(
    items: Items, criteria: Criteria, assets: dict[tuple[str, str], list[str]] | None
) -> tuple[list[LocalFile], list[Terms], list[Refusal]]:
    wanted: dict[tuple[str, str], tuple[Document, list[FilePlan]]] = {}
    terms: dict[str, Terms] = {}
    refused = []
    for document in items.documents:
        key = str(document.get("collection") or ""), str(document.get("id") or "")
        if key in wanted:
            continue
        try:
            plans = plan(document, criteria, (assets or {}).get(key))
        except AccessError as error:
            refused.append(Refusal(*key, str(error)))
            continue
        wanted[key] = document, plans
        needed = {one.accept for one in plans if one.accept}
        terms.update({one.key: one for one in terms_of(document) if one.key in needed})
    names = unique(file_name(item.replace("/", "_")) for _, item in wanted)
    collections = {name: "" for name, _ in wanted}
    folders = unique(file_name(name.replace("/", "_") or "items") for name in collections)
    collections = dict(zip(collections, folders, strict=True))
    files = [
        LocalFile(*key, f"{collections[key[0]]}/{name}/{one.name}", one)
        for (key, (_, plans)), name in zip(wanted.items(), names, strict=True)
        for one in plans
    ]
    return files, list(terms.values()), refused


def _free(folder: Path) -> int:
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


def _all_there(state: LocalState, folder: Path) -> bool:
    return all((folder / file.path).is_file() for file in state.files if file.state != EMPTY)


def _status(state: LocalState, folder: Path, seen: local_run.Seen | None) -> Status:
    files = state.files
    ready = sum(file.state in ("ready", EMPTY) for file in files)
    sizes = [file.size if file.size is not None else file.plan.size for file in files]
    return Status(
        number=state.number,
        state=state.state,
        title=state.title,
        to="folder",
        created=moment(state.created),
        finished=moment(state.finished),
        total=len(files),
        ready=max(ready, seen.finished if seen else 0),
        failed=sum(file.state == "failed" for file in files),
        waiting=sum(file.state == "waiting" for file in files),
        known=sum(size for size in sizes if size is not None),
        unknown=sum(size is None for size in sizes),
        done=max(
            sum(file.size or 0 for file in files if file.state == "ready"), seen.done if seen else 0
        ),
        folder=str(folder),
        error=state.error,
        next_step=state.next_step,
        notes=tuple(state.notes),
    )
