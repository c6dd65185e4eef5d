"""The harvester: brings what the sources have into the index, and records how that went."""

# in the catalogue's folder
INDEX_FILE = "index.sqlite"
RUNS_FILE = "runs.sqlite"
LOCK_FILE = "harvest.lock"
