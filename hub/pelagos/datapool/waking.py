"""How the service tells the downloader that there is something to do: a datagram, never a duty.

The database is the queue and the downloader looks into it by itself; this only makes it look at
once.
"""

from __future__ import annotations

import contextlib
import select
import socket
from pathlib import Path

SOCKET = "wake.sock"


def wake(folder: Path) -> None:
    """Make the downloader of the data pool whose state is in `folder` look now, if it runs."""
    with (
        contextlib.suppress(OSError),  # it does not run, or has been told often enough
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        sender.setblocking(False)
        sender.connect(str(folder / SOCKET))
        sender.send(b"!")


class Waker:
    """Waits until somebody calls `wake` for `folder`. Close it at the end. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SOCKET
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)

    def wait(self, seconds: float) -> None:
        """Return at once if somebody called since the last time, else when they do, or later."""
        # poll, not select: a process with many files has numbers that select refuses
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(max(0, int(seconds * 1000)))
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(64):
                pass

    def wake(self) -> None:
        """End a wait from another thread of this process."""
        wake(self._path.parent)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
