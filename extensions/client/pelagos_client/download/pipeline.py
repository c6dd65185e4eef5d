"""Writes and hashes a large body while it is received, each in a thread of its own.

The blocks are written past the page cache where the file system can do that: it takes half the
processor time, and what is written is on the disk, so that the last sync has nothing to wait for.
"""

from __future__ import annotations

import mmap
import queue
import threading
from collections.abc import Callable

from pelagos_client.download.checksums import Hasher
from pelagos_client.download.parts import Part

BLOCK = 2**21
_BLOCKS = 6
# of one process: they bound its memory; more large files at once are written in the plain way
ROOM = threading.BoundedSemaphore(4)
Fill = Callable[[memoryview], int]


class Block:
    """Some bytes of the body, in memory that may go to the disk as it is."""

    def __init__(self) -> None:
        self.view = memoryview(mmap.mmap(-1, BLOCK))
        self.used = 0
        self.readers = 0


class Pipeline:
    """A context manager; at its end everything that was put is written, also after an error.

    Raises StorageError from `put` or at the end.
    """

    def __init__(self, part: Part, hasher: Hasher) -> None:
        self._part, self._hasher = part, hasher
        self._next = part.size  # where the next block begins
        self._lock = threading.Lock()
        self._free: queue.Queue[Block] = queue.Queue()
        self._written: queue.Queue[Block | None] = queue.Queue()
        self._hashed: queue.Queue[Block | None] = queue.Queue()
        self._error: Exception | None = None
        for _ in range(_BLOCKS):
            self._free.put(Block())
        self._threads = [
            threading.Thread(target=run, args=work, name="pelagos-write", daemon=True)
            for run, work in (
                (self._run, (self._written, self._write)),
                (self._run, (self._hashed, self._hash)),
            )
        ]

    def put(self, fill: Fill, most: int) -> int:
        """Fill one block by calling `fill` until it is full or `most` bytes came, or 0.

        What came before an error of `fill` is written, too.
        """
        if self._error:
            raise self._error
        block = self._free.get()
        # after an odd beginning the others begin where the disk's blocks do
        room = min(BLOCK - self._next % BLOCK, most)
        block.used = 0
        try:
            while block.used < room:
                count = fill(block.view[block.used : room])
                if not count:
                    break
                block.used += count
        finally:
            self._next += block.used
            block.readers = 2
            self._written.put(block)
            self._hashed.put(block)
        return block.used

    def _run(self, work: queue.Queue[Block | None], use: Callable[[memoryview], None]) -> None:
        while (block := work.get()) is not None:
            if self._error is None:
                try:
                    use(block.view[: block.used])
                except Exception as error:
                    self._error = error
            with self._lock:
                block.readers -= 1
                free = not block.readers
            if free:
                self._free.put(block)

    def _write(self, data: memoryview) -> None:
        self._part.write_block(data)

    def _hash(self, data: memoryview) -> None:
        self._hasher.update_here(data)

    def __enter__(self) -> Pipeline:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for work in (self._written, self._hashed):
            work.put(None)
        for thread in self._threads:
            thread.join()
        if self._error:
            raise self._error
