"""Reads files in a process aside: whatever a file does to the C libraries, we go on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from types import TracebackType

from pelagos.catalogue.formats.summary import Summary, UnreadableError, from_json
from pelagos.errors import SourceError

_ANSWER_LIMIT = 8 * 2**20  # bytes
_START = 30.0  # seconds more for a process that has just been started


class Reader:
    """One process, started when first needed and again after it died. A context manager.

    `seconds`: how long one file may take.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._fresh = False

    @property
    def process(self) -> int | None:
        """The number of its process; None if there is none now."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._channel:
            self._channel.close()
            self._channel = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def netcdf(self, descriptor: int) -> Summary:
        """What an open NetCDF file says. Raises UnreadableError; SourceError without a process."""
        return self._ask(b"n", descriptor)

    def odv(self, descriptor: int) -> Summary:
        """What an open ODV spreadsheet says. Raises UnreadableError; SourceError likewise."""
        return self._ask(b"o", descriptor)

    def _ask(self, kind: bytes, descriptor: int) -> Summary:
        channel = self._started()
        deadline = time.monotonic() + self.seconds + (_START if self._fresh else 0)
        self._fresh = False
        try:
            channel.settimeout(self.seconds)
            socket.send_fds(channel, [kind], [descriptor])
            answer = json.loads(self._line(channel, deadline))
            if "unreadable" in answer:
                raise UnreadableError(str(answer["unreadable"])[:500])
            return from_json(answer["summary"])
        except UnreadableError:
            raise
        except TimeoutError as error:
            self.close()
            raise UnreadableError(f"reading it took more than {self.seconds:g} s") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.close()
            raise UnreadableError("the process that reads it died of it") from error

    def _line(self, channel: socket.socket, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while not parts or not parts[-1].endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
            part = channel.recv(1 << 16)
            size += len(part)
            if not part or size > _ANSWER_LIMIT:
                raise ConnectionError
            parts.append(part)
        return b"".join(parts)

    def _started(self) -> socket.socket:
        if self._channel and self._process and self._process.poll() is None:
            return self._channel
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "pelagos.catalogue.formats.worker"],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # libhdf5 prints its stack of errors
                    env=_environment(),
                )
            except OSError as error:  # no fault of the file that was to be read
                ours.close()
                raise SourceError(
                    f"no process that reads files can be started: {sys.executable}: "
                    f"{error.strerror}",
                    "The harvester's account must be able to run this Python: put it and the "
                    "checkout where everybody can read them, then ./pelagos down and up.",
                ) from error
        self._channel, self._fresh = ours, True
        return ours


def _environment() -> dict[str, str]:
    """Nothing secret, and one thread for numpy: each takes address space."""
    kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    return given | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
