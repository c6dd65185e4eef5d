"""What the handlers share: configuration, how errors are told, the events."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jupyterlab_pelagos.models.problem import Problem, Refusal, Terms

T = TypeVar("T")
_THREADS = 16  # requests that wait for others at a time
CHANGED = "urn:pelagos:jupyterlab:changed"


@dataclass
class Shared:
    """One per server.

    `root` is what the file browser shows; `catalogue_url` a configured STAC API, empty for none;
    `emit` sends an event and may be called in any thread; `active` says that work goes on, so that
    the server is not culled. `kernels`: how many run.
    """

    root: Path
    catalogue_url: str
    order_folder: str
    emit_event: Callable[[dict[str, Any]], None]
    active: Callable[[], None]
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("pelagos"))
    kernels: Callable[[], int] = lambda: 0
    _sequence: Any = field(default_factory=lambda: itertools.count(1))
    _parts: dict[Any, Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)
    # not the loop's own few, which look up the hub's name and serve other extensions: a disk or a
    # service that hangs must hold up nothing but what asks for it
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, "pelagos")
    )

    def one(self, kind: Callable[[Shared], T]) -> T:
        """The one `kind` of this server, made when it is first asked for."""
        with self._lock:
            if kind not in self._parts:
                self._parts[kind] = kind(self)
            found: T = self._parts[kind]
            return found

    def stop(self) -> None:
        """End what was begun: the threads of parts that have a `stop`."""
        with self._lock:
            parts = list(self._parts.values())
        for part in parts:
            if hasattr(part, "stop"):
                part.stop()
        self.threads.shutdown(wait=False, cancel_futures=True)

    def emit(self, kind: str, id_: str = "", sequence: int | None = None) -> None:
        """Tell the browser that something changed: a reason to ask, and no more."""
        number = next(self._sequence) if sequence is None else sequence
        self.emit_event({"kind": kind, "id": id_, "sequence": number})

    def problem_of(self, error: BaseException) -> tuple[int, Problem] | None:
        """Status and sentence of an error that was meant for a person; None for others."""
        # most of the client is loaded when it is first needed
        from pelagos_client.errors import (
            NotConfiguredError,
            PelagosError,
            ServiceAwayError,
            ServiceRefusedError,
        )

        if not isinstance(error, PelagosError):
            return None
        status = 400
        if isinstance(error, ServiceRefusedError):
            # 401 and 403 would say that the browser's own sign-in has ended; a redirect, which is
            # not followed, would lead the browser away
            fits = error.status >= 400 and error.status not in (401, 403)
            status = error.status if fits else 502
        elif isinstance(error, ServiceAwayError):
            status = 503
        elif isinstance(error, NotConfiguredError):
            status = 409
        return status, problem_told(error)


def problem_told(error: Any) -> Problem:
    """What a service said, with its lists; else the error's own sentence."""
    told = getattr(error, "document", None) or {}
    reason = str(error).removesuffix(error.mend).strip() or str(error)
    return Problem(
        str(told.get("reason") or reason),
        str(told.get("mend") or error.mend),
        _structs(Refusal, told.get("refused")),
        _structs(Terms, told.get("accept")),
    )


def _structs(kind: type[T], given: Any) -> list[T]:
    try:
        return [msgspec.convert(one, kind) for one in msgspec.convert(given or [], list[Any])]
    except msgspec.ValidationError:
        return []
