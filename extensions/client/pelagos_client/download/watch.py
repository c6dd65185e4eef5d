"""The clock of one file: cancelled, silent, too slow or too long."""

from __future__ import annotations

import time
from collections.abc import Callable

from pelagos_client.download.errors import SlowError, StoppedError
from pelagos_client.download.model import Limits

SLICE = 0.2  # seconds; a wait looks this often whether it was cancelled


class Watch:
    """Times are counted at the socket: a server that trickles its headers is noticed alike."""

    def __init__(self, name: str, limits: Limits, stopped: Callable[[], bool]) -> None:
        self._name, self._limits, self._stopped = name, limits, stopped
        self._deadline = time.monotonic() + limits.overall
        self._heard = self._began = 0.0
        self._came = 0
        self._waited = 0.0
        self._answering = False

    def check(self) -> None:
        """Raises StoppedError, SlowError (after `overall`)."""
        if self._stopped():
            raise StoppedError(
                f"{self._name}: cancelled.", "What is here of it is kept: ask for it again."
            )
        if time.monotonic() > self._deadline:
            raise SlowError(
                f"{self._name}: not done after {self._limits.overall:.0f} s, and given up.",
                "What is here of it is kept: ask for it again when the source is less busy.",
            )

    def pause(self, seconds: float) -> None:
        """Wait. Raises as `check` does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, SLICE))

    def request(self) -> None:
        """A request is sent; from now on silence counts."""
        self._waited = self._began = self._heard = 0.0
        self._came = 0
        self._answering = False

    def waited(self, seconds: float, came: int) -> None:
        """`came` bytes after `seconds` of waiting for them. Raises SlowError, StoppedError."""
        self.check()
        self._waited += seconds
        if came:
            if not self._answering:
                self._answering, self._began = True, self._waited
            self._heard = self._waited
            self._came += came
        elif self._waited - self._heard >= self._limits.silence:
            raise SlowError(
                f"{self._name}: nothing came for {self._limits.silence:.0f} s.",
                "Try again when the source is less busy.",
                again=True,
            )
        if self._answering and self._waited - self._began >= self._limits.window:
            if self._came < self._limits.least:
                raise SlowError(
                    f"{self._name}: only {self._came} bytes came in {self._limits.window:.0f} s.",
                    "Try again when the source is less busy.",
                    again=True,
                )
            self._began, self._came = self._waited, 0
