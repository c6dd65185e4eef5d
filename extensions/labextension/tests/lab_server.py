"""What a request to the server extension gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
