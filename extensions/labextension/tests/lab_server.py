"""What a request to the server extension gives, and what another server is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyterlab_pelagos.shared import Shared


@dataclass
class Answer:
    """What came back; refusals too."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """Its content."""
        return json.loads(self.body)


Ask = Callable[..., Answer]


def a_server(root: Path) -> tuple[Shared, list[dict[str, Any]]]:
    """What another server of the same person is made of, and the events that it tells."""
    told: list[dict[str, Any]] = []
    return Shared(root, "", "pelagos-orders", told.append, lambda: None), told
