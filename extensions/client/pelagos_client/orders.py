"""What an order is in a notebook, wherever it is carried out: in the data pool, or right here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, overload

from pelagos_client.access.model import Terms
from pelagos_client.documents.model import Citation
from pelagos_client.errors import (
    OrderError,
    OrderFailedError,
    OrderTimeoutError,
    PelagosError,
    ServiceAwayError,
    ServiceRefusedError,
)
from pelagos_client.progress import Progress, readable
from pelagos_client.tables import clean, escaped, html_table, text_table

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between two looks
_SHOWN = 10  # files in a message
_TOO_OFTEN = 429


class OrderState(StrEnum):
    """Where an order is in its life."""

    QUEUED = "queued"
    FETCHING = "fetching"
    WAITING = "waiting"  # a source prepares what is left
    VERIFYING = "verifying"  # all is here: its folder is made, or copied to the workspace
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # was ready; files of it are gone since

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in _OVER


_OVER = {OrderState.READY, OrderState.FAILED, OrderState.CANCELLED, OrderState.EXPIRED}
AGAIN = _OVER - {OrderState.READY}


@dataclass(frozen=True)
class Status:
    """How an order was when it was asked. Sizes in bytes.

    `total`, `ready`, `failed`, `waiting` count files; `cached` of them were in the pool already.
    `known`: bytes of the files whose size is known; `unknown` files have none yet; `done` bytes are
    here. `error` and `next_step` are sentences for a person. `expires`: until then its files stay.
    """

    number: int
    state: OrderState
    title: str = ""
    to: str = "dataspace"
    created: datetime | None = None
    finished: datetime | None = None
    expires: datetime | None = None
    total: int = 0
    ready: int = 0
    failed: int = 0
    waiting: int = 0
    cached: int = 0
    known: int = 0
    unknown: int = 0
    done: int = 0
    folder: str = ""
    error: str = ""
    next_step: str = ""
    notes: tuple[str, ...] = ()
    owner: str = ""
    virtual_lab: str = ""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The service's document. Raises KeyError, TypeError, ValueError for anything else."""
        files, sizes = document["files"], document["bytes"]
        return cls(
            number=int(document["number"]),
            state=OrderState(document["state"]),
            title=str(document["title"]),
            to=str(document["to"]),
            created=moment(document["created"]),
            finished=moment(document["finished"]),
            expires=moment(document["expires"]),
            **{
                name: int(files[name]) for name in ("total", "ready", "failed", "waiting", "cached")
            },
            **{name: int(sizes[name]) for name in ("known", "unknown", "done")},
            folder=str(document["folder"]),
            error=str(document["error"]),
            next_step=str(document["next_step"]),
            notes=tuple(str(note) for note in document["notes"]),
            owner=str(document["owner"]),
            virtual_lab=str(document["virtual_lab"]),
        )

    def __str__(self) -> str:
        text = f"{self.state.value}, {self.ready} of {self.total} files"
        if self.known or self.done:
            text += f", {readable(self.done)} of {'at least ' if self.unknown else ''}"
            text += readable(max(self.known, self.done))
        if self.waiting:
            text += f", {self.waiting} wait for their source"
        return text + (f", {self.failed} failed" if self.failed else "")


def moment(text: str | None) -> datetime | None:
    """A time of the service."""
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class OrderFile:
    """One file of an order. `path` is below the order's folder, `pool` below the data pool ("" if
    it is not in one). `size` in bytes or None, `checksum` a multihash in hexadecimal, `url` without
    a query."""

    path: str
    collection: str
    item: str
    asset: str
    state: str
    pool: str = ""
    size: int | None = None
    done: int = 0
    checksum: str = ""
    type: str = ""
    url: str = ""
    is_subset: bool = False
    error: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A granule that can't be ordered, and why."""

    collection: str
    item: str
    reason: str


@dataclass(frozen=True)
class Estimate:
    """What an order would be. Sizes in bytes.

    `files` in all; `known` bytes of those whose size is known, `unknown` files have none. `cached`:
    bytes that are there already. `free`: what the target can still take. `fits` and `reason`:
    whether it would be accepted, and why not. `accept`: terms that have to be accepted first.
    `refused`: what can't be ordered.
    """

    files: int
    known: int
    unknown: int
    cached: int
    free: int
    fits: bool
    reason: str = ""
    accept: tuple[Terms, ...] = ()
    refused: tuple[Refusal, ...] = ()
    total_items: int = field(default=0, repr=False)

    def _lines(self) -> list[tuple[str, str]]:
        size = readable(self.known)
        if self.unknown:
            size = f"at least {size}; {self.unknown} files don't say" if self.known else "unknown"
        lines = [
            ("files", str(self.files)),
            ("size", size),
            ("there already", readable(self.cached)),
            ("free in the target", readable(self.free)),
            ("can be ordered", "yes" if self.fits else f"no: {self.reason}"),
        ]
        lines += [("to be accepted", f"{one.title}: {one.text} [{one.key}]") for one in self.accept]
        lines += [
            ("can't be ordered", f"{one.collection}/{one.item}: {one.reason}")
            for one in self.refused[:_SHOWN]
        ]
        if len(self.refused) > _SHOWN:
            lines.append(("", f"and {len(self.refused) - _SHOWN} more"))
        return lines

    def __str__(self) -> str:
        return "\n".join(f"{name:>18}  {clean(text)}" for name, text in self._lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("Estimate(…)" if cycle else str(self))

    def _repr_html_(self) -> str:
        return _pairs("Estimate", self._lines())


class Citations(Sequence[Citation]):
    """How the data of an order want to be cited, each with its DOI and licence."""

    def __init__(self, found: Iterable[Citation]) -> None:
        self._found = tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Citation: ...
    @overload
    def __getitem__(self, index: slice) -> Citations: ...
    def __getitem__(self, index: int | slice) -> Citation | Citations:
        return Citations(self._found[index]) if isinstance(index, slice) else self._found[index]

    def __str__(self) -> str:
        lines = []
        for one in self._found:
            licence = " ".join(filter(None, (one.licence, one.licence_text)))
            lines.append(clean(one.text) + (f"\n  Licence: {clean(licence)}" if licence else ""))
        return "\n\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        entries = []
        for one in self._found:
            text, address = (
                escaped(one.text),
                one.url or (f"https://doi.org/{one.doi}" if one.doi else ""),
            )
            if address.startswith(("https://", "http://")):
                text += f' <a href="{escaped(address)}" rel="noopener">{escaped(address)}</a>'
            licence = " ".join(filter(None, (one.licence, one.licence_text)))
            entries.append(
                f"<li>{text}{f'<br>Licence: {escaped(licence)}' if licence else ''}</li>"
            )
        return f"<ul>{''.join(entries)}</ul>"


class Orders(Sequence["Order"]):
    """Orders, the newest first, as they were when they were listed."""

    def __init__(self, found: Iterable[tuple[Order, Status]]) -> None:
        self._found = tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Order: ...
    @overload
    def __getitem__(self, index: slice) -> Orders: ...
    def __getitem__(self, index: int | slice) -> Order | Orders:
        return Orders(self._found[index]) if isinstance(index, slice) else self._found[index][0]

    @property
    def statuses(self) -> list[Status]:
        """How they were, in the same order."""
        return [status for _, status in self._found]

    def _rows(self) -> tuple[Sequence[str], list[Sequence[object]]]:
        return ("number", "created (UTC)", "state", "title"), [
            (
                one.number,
                f"{one.created:%Y-%m-%d %H:%M}" if one.created else "",
                str(one),
                one.title,
            )
            for one in self.statuses
        ]

    def __repr__(self) -> str:
        return text_table(*self._rows()) if self._found else "no orders"

    def _repr_html_(self) -> str:
        return html_table("Orders", *self._rows())


class Order(ABC):
    """An order: its files come by themselves; `wait` for them, `open` them, `cite` them.

    Made by `pelagos_client.order`, and by `get` and `orders` for what was ordered before.
    """

    number: int

    @property
    @abstractmethod
    def status(self) -> Status:
        """How it is now: asked anew each time. Raises ServiceError, OrderError."""

    @property
    def state(self) -> OrderState:
        """Its state now."""
        return self.status.state

    @abstractmethod
    def cancel(self) -> None:
        """End it. What came stays in the pool for a while. Raises OrderError, ServiceError."""

    @abstractmethod
    def retry(self) -> Self:
        """Try again what failed, was cancelled or is gone; returns at once.

        Raises OrderError or ServiceError if there is nothing to try again.
        """

    @abstractmethod
    def details(self) -> list[OrderFile]:
        """Its files, each with its state, source and checksum."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where its files and documents are. Raises OrderError while it is not there."""

    @property
    @abstractmethod
    def files(self) -> list[Path]:
        """Paths of its files. Raises OrderError while it is not ready."""

    @abstractmethod
    def cite(self) -> Citations:
        """How the data want to be cited, with DOIs and licences."""

    def open(self, **options: Any) -> Any:
        """Its data: see `pelagos_client.open`."""
        from pelagos_client.opening import open as open_data

        return open_data(self, **options)

    def wait(self, timeout: float | None = None, progress: bool = True) -> Self:
        """Wait until its files are here; returns itself, ready.

        Ctrl-C (or the stop button) ends the waiting and not the order. A service that restarts
        meanwhile is waited for.

        Args:
            timeout: Seconds; None for as long as it takes.
            progress: Show a line that changes.

        Raises:
            OrderFailedError: Files of it could not be had.
            OrderTimeoutError: It is still under way after `timeout`.
            OrderError: It was cancelled, or its files are gone.
        """
        line = Progress(0, progress)
        try:
            status = self._over(timeout, line)
        except KeyboardInterrupt:
            line.end(f"{self._name} goes on. wait() waits for it again, cancel() ends it.")
            raise
        line.end(f"{self._name}: {status}")
        if status.state is OrderState.READY:
            return self
        raise self._ended(status)

    def _over(self, timeout: float | None, line: Progress) -> Status:
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, before = _FIRST_PAUSE, None
        while True:
            try:
                status = self.status
                if status.state.over:
                    return status
                line.say(f"{self._name}: {clean(status)}")
                text = str(status)
            except (ServiceAwayError, ServiceRefusedError) as error:
                if isinstance(error, ServiceRefusedError) and error.status != _TOO_OFTEN:
                    raise
                text = f"{error} Trying again."
                line.say(f"{self._name}: {clean(text)}")
            pause = _FIRST_PAUSE if text != before else min(pause * 1.5, _LONGEST_PAUSE)
            before = text
            left = _LONGEST_PAUSE if deadline is None else deadline - time.monotonic()
            if left <= 0:
                line.end(f"{self._name}: {text}")
                raise OrderTimeoutError(
                    f"{self._name} is still under way after {timeout:g} s: {clean(text)}.",
                    "It goes on: wait() waits for it again.",
                )
            self._pause(min(pause, left), None if deadline is None else left)

    def _pause(self, seconds: float, left: float | None) -> None:
        """Until something may have changed: about `seconds`, never more than `left`."""
        time.sleep(seconds)

    def _ended(self, status: Status) -> OrderError:
        if status.state is not OrderState.FAILED:
            word = "was cancelled" if status.state is OrderState.CANCELLED else "has expired"
            return OrderError(
                f"{self._name} {word}{f': {clean(status.error)}' if status.error else '.'}",
                "retry() fetches it again.",
            )
        failed = {file.path: file.error for file in self.details() if file.state == "failed"}
        shown = [f"{clean(path)}: {clean(why)}" for path, why in list(failed.items())[:_SHOWN]]
        if len(failed) > _SHOWN:
            shown.append(f"and {len(failed) - _SHOWN} more")
        message = f"{self._name} failed: {clean(status.error) or 'not all files could be had.'}"
        return OrderFailedError(
            "\n  ".join([message, *shown]) + ("\n" if shown else ""),
            clean(status.next_step) or "retry() tries again what failed.",
            failed,
        )

    @property
    def _name(self) -> str:
        return f"Order {self.number}"

    def _lines(self) -> list[tuple[str, str]]:
        status = self.status
        found = [
            ("title", status.title),
            ("state", str(status)),
            ("folder", status.folder),
            ("until", f"{status.expires:%Y-%m-%d %H:%M} UTC" if status.expires else ""),
            ("error", " ".join(filter(None, (status.error, status.next_step)))),
            *(("note", note) for note in status.notes),
        ]
        return [(name, clean(text)) for name, text in found if text]

    def __repr__(self) -> str:
        try:
            lines = [f"{name}: {text}" for name, text in self._lines()]
        except PelagosError as error:  # a look at it must not end in a traceback
            lines = [str(error)]
        return "\n  ".join([self._name, *lines])

    def _repr_html_(self) -> str:
        try:
            return _pairs(self._name, self._lines())
        except PelagosError as error:
            return _pairs(self._name, [("error", str(error))])


def _pairs(title: str, lines: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(text)}</td></tr>'
        for name, text in lines
    )
    return f"<table><caption>{escaped(title)}</caption><tbody>{body}</tbody></table>"


def not_ready(name: str, status: Status) -> OrderError:
    """What is said where files of an order are wanted that is not ready."""
    if status.state in AGAIN:
        return OrderError(
            f"{name} has no files: it is {status.state.value}."
            + (f" {clean(status.error)}" if status.error else ""),
            "retry() fetches it again.",
        )
    return OrderError(f"{name} is not ready: {clean(status)}.", "Wait for it: order.wait().")
