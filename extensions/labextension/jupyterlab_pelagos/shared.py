"""What the handlers share: configuration, how errors are told, the events."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyterlab_pelagos.models import Problem

CHANGED = "urn:pelagos:jupyterlab:changed"


@dataclass
class Shared:
    """One per server.

    `root` is what the file browser shows; `catalogue_url` a configured STAC API, empty for none;
    `emit` sends an event and may be called in any thread; `active` says that work goes on, so that
    the server is not culled.
    """

    root: Path
    catalogue_url: str
    order_folder: str
    emit_event: Callable[[dict[str, Any]], None]
    active: Callable[[], None]
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("pelagos"))
    _sequence: Any = field(default_factory=lambda: itertools.count(1))

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
            # 401 and 403 would say that the browser's own sign-in has ended
            status = 502 if error.status in (401, 403) else error.status
        elif isinstance(error, ServiceAwayError):
            status = 503
        elif isinstance(error, NotConfiguredError):
            status = 409
        return status, Problem(str(error))
