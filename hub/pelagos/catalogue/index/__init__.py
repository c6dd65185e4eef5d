"""The index: a SQLite file with collections and granules, searched while it is written.

`Reader` searches, `Writer` and its `Run` keep it like the sources, `check` and `rebuild` look after
it. docs/adr/0012 says how it is built and what was measured.
"""

from pelagos.catalogue.index.reader import Reader
from pelagos.catalogue.index.run import Run, Stored
from pelagos.catalogue.index.schema import IndexError_
from pelagos.catalogue.index.upkeep import check, rebuild
from pelagos.catalogue.index.writer import Writer

__all__ = ["IndexError_", "Reader", "Run", "Stored", "Writer", "check", "rebuild"]
