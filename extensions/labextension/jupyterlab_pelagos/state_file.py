"""What this extension remembers of a person: small JSON files in the home, which outlives servers.

Several servers of one person may share a home, so each change is made under a lock, and what
another server wrote is read again.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
_PATIENCE = 3.0  # seconds for another server to write a small file


def data_folder() -> Path:
    """Where the files are."""
    return Path.home() / ".local" / "share" / "jupyterlab-pelagos"


class StateFile(Generic[T]):
    """One file. `kind` is a Struct whose defaults are the empty state.

    Where the home is full or can't be written, the state lives as long as the server.
    """

    def __init__(self, name: str, kind: type[T], log: logging.Logger) -> None:
        self._path = data_folder() / name
        self._kind, self._log = kind, log
        self._lock = threading.RLock()
        self._depth = 0
        self._value = kind()
        self._seen: tuple[int, int, int] | None = None
        self._warned = False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes it meanwhile: no thread, and no other server."""
        with self._lock:
            descriptor = None
            if not self._depth:
                with contextlib.suppress(OSError):  # it is then for this server only
                    self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    lock = self._path.with_suffix(".lock")
                    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                    self._wait_for(descriptor)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if descriptor is not None:
                    os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        """Hold the lock; a server that hangs while it holds it holds up nobody else."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self._log.warning("%s is locked by another server for long.", self._path)
                    return
                time.sleep(0.02)
            else:
                return

    def read(self) -> T:
        """The state; not to be changed but by `write`."""
        with self._lock:
            now = self._stamp()
            if now is not None and now != self._seen:
                self._seen = now
                self._load()
            return self._value

    def write(self, value: T) -> None:
        """Replace it, whole or not at all. Call it within `locked`."""
        with self._lock:
            self._value = value
            # servers that share a home each count their processes from 1
            own = f"{socket.gethostname()}.{os.getpid()}"
            beside = self._path.with_name(f"{self._path.name}.{own}")
            try:
                with beside.open("wb") as file:
                    file.write(msgspec.json.encode(value))
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self._path)
                self._warned = False
            except OSError as error:
                with contextlib.suppress(OSError):
                    beside.unlink()
                if not self._warned:
                    self._warned = True
                    self._log.warning(
                        "%s can't be written (%s): it is kept in memory only, until this server "
                        "stops. Make room in the home.",
                        self._path,
                        error.strerror,
                    )
            self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _load(self) -> None:
        try:
            self._value = msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except OSError as error:
            self._log.warning("%s can't be read: %s.", self._path, error.strerror)
        except msgspec.DecodeError as error:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            self._log.warning("%s is damaged (%s): set aside as %s.", self._path, error, aside)
            self._value = self._kind()
            with contextlib.suppress(OSError):
                self._path.replace(aside)
