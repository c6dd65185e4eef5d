"""What the node keeps of an order's folder, where its owner can't change it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from pelagos.files import write_private

_REMEMBERED = 200  # digests of documents, of one number


@dataclass(frozen=True)
class Notes:
    """Of all orders with a number. `texts`: digests of documents that were ever ours.

    `folders`: whose they are (see `order_names.whose`), by name.
    """

    texts: list[str] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Notes:
    """Those at `path`; none if they can't be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        found = json.loads(path.read_text())
        if isinstance(found, list):  # of a version that knew no folders
            return Notes([str(one) for one in found])
        folders = {str(name): str(of) for name, of in found["folders"].items()}
        return Notes([str(one) for one in found["texts"]], folders)
    return Notes()


def keep(path: Path, texts: list[str], folder: str, of: str) -> Notes:
    """Add to those at `path`: texts, and whose a folder is. Raises OSError."""
    before = read(path)
    known = list(dict.fromkeys([*before.texts, *texts]))[-_REMEMBERED:]
    notes = Notes(known, {**before.folders, folder: of})
    write_private(path, json.dumps({"texts": notes.texts, "folders": notes.folders}))
    return notes
