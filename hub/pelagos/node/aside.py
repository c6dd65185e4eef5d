"""What becomes of the embedded workspace of somebody whose account is deleted."""

from __future__ import annotations

import time

from pelagos.layout import Layout

FOLDER = "deleted"


def set_aside(layout: Layout, user: str) -> None:
    """Move it where nobody finds it who gets the same name later; nothing is lost.

    An empty one goes. Safe to repeat. Raises OSError.
    """
    folder = layout.user_workspace(user)
    if not folder.is_dir():
        return
    if not any(folder.iterdir()):
        folder.rmdir()
        return
    aside = layout.workspaces / FOLDER
    aside.mkdir(mode=0o700, exist_ok=True)
    folder.rename(aside / f"{folder.name}-{time.time_ns()}")
