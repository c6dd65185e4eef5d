"""A file that is put together from several answers: whole or not at all, as a downloaded one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pelagos_client.access.model import FilePlan
from pelagos_client.download.checksums import Hasher
from pelagos_client.download.model import Existing, Fetched, Proof, State, Wanted
from pelagos_client.download.parts import Part, sync_folder

# writes into the part; the checksum of what it wrote, and notes
Fill = Callable[[Part], tuple[str, Sequence[str]]]


def assemble(plan: FilePlan, into: Path, path: str, existing: Existing, fill: Fill) -> Fetched:
    """The file that `fill` writes. An interrupted one begins anew. Raises what `fill` does."""
    began = time.monotonic()
    wanted = Wanted(plan.url, path)
    with Part(into, path) as part:
        if existing is Existing.KEEP and part.present() is not None:
            hasher = Hasher("sha256")
            for data in part.content():
                hasher.update(data)
            checksum = str(hasher.checksum())
            return Fetched(wanted, part.path, State.PRESENT, hasher.seen, checksum, url=plan.url)
        part.open()
        part.begin(None)
        try:
            checksum, notes = fill(part)
        except BaseException:
            part.begin(None)  # nothing of it could be continued
            raise
        part.finish()
        size, file = part.size, part.path
    sync_folder(file.parent)
    seconds = time.monotonic() - began
    return Fetched(
        wanted, file, State.READY, size, checksum, Proof.LENGTH, plan.url,
        attempts=1, seconds=seconds, notes=tuple(notes),
    )  # fmt: skip
