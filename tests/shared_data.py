"""Real inputs that stand beside the checkout on our machines, and that nobody else has.

A test that needs them skips with a message where they are missing, and fails in CI: there a test
that was not run is a fault.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pelagos.deployment import ROOT


def shared_folder() -> Path | None:
    """Where they are; beside the checkout, or where PELAGOS_SHARED_DATA says."""
    for folder in (
        Path(os.environ.get("PELAGOS_SHARED_DATA", "/nonexistent")),
        ROOT.parent / "shared" / "data",
    ):
        if (folder / "index.json").is_file():
            return folder
    return None


def shared_data(name: str) -> Path:
    """The file or folder `name` in shared/data."""
    folder = shared_folder()
    if folder is None:
        reason = f"needs {name} of ../shared/data (real recorded inputs), which is not here"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    path = folder / name
    assert path.exists(), f"{path}: no such input"
    return path
