"""Routes of the catalogue."""

from __future__ import annotations

from typing import Any

from jupyterlab_pelagos.shared import Shared


def routes(shared: Shared) -> list[tuple[str, Any, dict[str, Any]]]:
    """Pattern below the base URL, handler, arguments."""
    return []
