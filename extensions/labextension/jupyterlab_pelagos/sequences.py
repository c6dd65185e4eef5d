"""Numbers that grow with every change of an order that this server carries out."""

from __future__ import annotations

import threading
import time
from typing import Any

from jupyterlab_pelagos.shared import Shared


class Sequences:
    """By the clock in milliseconds, so that they grow over restarts too."""

    def __init__(self, shared: Shared) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Any, int]] = {}

    def of(self, order: str, status: Any) -> int:
        """The number of this status of an order."""
        with self._lock:
            known, number = self._seen.get(order, (None, 0))
            if known != status:
                number = max(number + 1, int(time.time() * 1000))
                self._seen[order] = status, number
            return number
