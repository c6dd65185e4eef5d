"""How far a copy is, as one line of text that works in a notebook and in a terminal."""

from __future__ import annotations

import sys
import time

_SECONDS = 0.2  # between two changes of the line


def readable(size: float) -> str:
    """A size in bytes for people, in binary units: 2147483648 is "2 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"


class Progress:
    """One line that changes; in a log, where lines can't change, only the last one."""

    def __init__(self, total: int, shown: bool) -> None:
        self._total, self._done, self._shown = total, 0, shown
        self._moving = shown and ("ipykernel" in sys.modules or sys.stdout.isatty())
        self._last, self._width = 0.0, 0

    def add(self, count: int, what: str) -> None:
        """`count` more bytes of `what` are done."""
        self._done += count
        if self._moving and time.monotonic() - self._last >= _SECONDS:
            self._last = time.monotonic()
            share = 100 * self._done // self._total if self._total else 100
            self._line(f"{min(share, 100):3d} % of {readable(self._total)}  {what}")

    def say(self, text: str) -> None:
        """Show a text in place of the share."""
        if self._moving:
            self._line(text)

    def end(self, text: str) -> None:
        """The last line."""
        if self._moving:
            self._line(text)
            sys.stdout.write("\n")
        elif self._shown:
            sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _line(self, text: str) -> None:
        text = text if len(text) <= 100 else text[:60] + " … " + text[-37:]
        sys.stdout.write("\r" + text.ljust(self._width))
        sys.stdout.flush()
        self._width = len(text)
