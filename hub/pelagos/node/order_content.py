"""What an order's folder holds, checked: paths come from records of strangers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pelagos.errors import RefusedError

NAME_BYTES = 255
DEPTH = 20
LARGEST = 256 * 2**20  # bytes of one document
_PATH_BYTES = 2_000


@dataclass(frozen=True)
class Content:
    """What an order's folder holds: texts by path, and link targets by path."""

    documents: Mapping[str, str] = field(repr=False)
    links: Mapping[str, str] = field(repr=False)

    def check(self) -> None:
        """Raise RefusedError for names that can't be: they come from records of strangers."""
        check_paths([*self.documents, *self.links])
        for name, text in self.documents.items():
            try:
                size = len(text.encode())
            except UnicodeEncodeError:
                raise RefusedError(f"The document {name!r} is no text.") from None
            if size > LARGEST:
                raise RefusedError(f"The document {name!r} is too long.")


def check_paths(paths: list[str]) -> None:
    """Raise RefusedError unless all are plain paths, and none is below another."""
    known = set(paths)
    if len(known) != len(paths):
        raise RefusedError("Two files of the order have the same path.")
    for path in paths:
        parts = path.split("/")
        if (
            not path.isprintable()  # first: what has no bytes is not printable either
            or len(os.fsencode(path)) > _PATH_BYTES
            or len(parts) > DEPTH
            or any(part in ("", ".", "..") or len(os.fsencode(part)) > NAME_BYTES for part in parts)
        ):
            raise RefusedError(f"{path[:200]!r} can't be a path in an order's folder.")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in known:
                raise RefusedError(f"{path[:200]!r} lies below another file of the order.")


def check(documents: dict[str, str], places: dict[str, str]) -> None:
    """Raise RefusedError for paths or places that can't be."""
    check_paths([*documents, *places])
    for place in set(places.values()):
        check_paths([place])
