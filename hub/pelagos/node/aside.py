"""What becomes of the embedded workspace of somebody whose account is deleted."""

from __future__ import annotations

import time
from pathlib import Path

from pelagos.layout import Layout

FOLDER = "deleted"


def set_aside(layout: Layout, user: str) -> Path:
    """Move it where nobody finds it who gets the same name later; nothing is lost.

    An empty one goes. Safe to repeat. Returns where it is, or would be. Raises OSError.
    """
    folder = layout.user_workspace(user)
    place = layout.workspaces / FOLDER / f"{folder.name}-{time.time_ns()}"
    place.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    if folder.is_dir() and any(folder.iterdir()):
        folder.rename(place)
    elif folder.is_dir():
        folder.rmdir()
    return place
