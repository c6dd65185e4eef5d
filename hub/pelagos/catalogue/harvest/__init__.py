"""The harvester: brings what the sources have into the index, and records how that went."""

from pathlib import Path

INDEX_FILE = "index.sqlite"
RUNS_FILE = "runs.sqlite"
LOCK_FILE = "harvest.lock"


def catalogue_folder(state: Path) -> Path:
    """Where index and run records are, in a state folder."""
    return state / "catalogue"
