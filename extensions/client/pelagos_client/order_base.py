"""What an order is in a notebook, wherever it is carried out: in the data pool, or right here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self, overload

from pelagos_client.errors import (
    OrderError,
    OrderFailedError,
    OrderTimeoutError,
    PelagosError,
    ServiceAwayError,
    ServiceRefusedError,
)
from pelagos_client.order_model import AGAIN, EMPTY, Citations, OrderFile, OrderState, Status, pairs
from pelagos_client.progress import Progress
from pelagos_client.tables import clean, html_table, text_table

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between two looks
_SHOWN = 10  # files in a message
_TOO_OFTEN = 429


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

    def delivered(self) -> list[OrderFile]:
        """Those that are there once it is ready: not parts in which the source has nothing."""
        return [file for file in self.details() if file.state != EMPTY]

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
            ("folder", status.place),
            ("kept until", f"{status.expires:%Y-%m-%d %H:%M} UTC" if status.expires else ""),
            ("error", status.error),
            ("next", status.next_step),
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
            return pairs(self._name, self._lines())
        except PelagosError as error:
            return pairs(self._name, [("error", str(error))])


def not_ready(name: str, status: Status) -> OrderError:
    """What is said where files of an order are wanted that is not ready."""
    if status.state in AGAIN:
        return OrderError(
            f"{name} has no files: it is {status.state.value}."
            + (f" {clean(status.error)}" if status.error else ""),
            "retry() fetches it again.",
        )
    return OrderError(f"{name} is not ready: {clean(status)}.", "Wait for it: order.wait().")
