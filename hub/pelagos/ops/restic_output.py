"""restic as a process: started, listened to while it works, and what its words mean."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pelagos.errors import PelagosError


class ResticError(PelagosError):
    """restic could not do it; the text holds its reason."""


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive this block."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    with process:
        try:
            yield process
        except BaseException:
            process.terminate()  # restic takes its lock away
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def lines(process: subprocess.Popen[str], stall: float) -> Iterator[str]:
    """Lines of output as they come. Raises ResticError when none comes for long."""
    lines: queue.Queue[str | None] = queue.Queue(maxsize=1000)
    assert process.stdout is not None  # noqa: S101 - for the type checker
    stream = process.stdout

    def read() -> None:
        with suppress(ValueError):  # closed: the process was ended
            for line in stream:
                lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=stall)
        except queue.Empty:
            raise ResticError(
                f"restic has said nothing for {stall:.0f} s and was ended.",
                "Does the disk with the backups answer?",
            ) from None
        if line is None:
            return
        if line:
            yield line


def progress(message: dict[str, Any]) -> str:
    """How far restic is, from one of its status messages: share, files and MiB."""
    done, total = message.get("bytes_done", 0), message.get("total_bytes", 0)
    return (
        f"{message.get('percent_done', 0):.0%}: {message.get('files_done', 0)} of "
        f"{message.get('total_files', 0)} files, {done / 2**20:.0f} of {total / 2**20:.0f} MiB"
    )


def reason(error: Any) -> str:
    """Why a file was not read: restic writes Go's error as it is."""
    if isinstance(error, dict):
        return str(error.get("message") or error.get("Err") or error)
    return str(error)


def reason_of(text: str) -> str:
    """The telling line of restic's output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line.removeprefix("Fatal:").strip() for line in lines if line.startswith("Fatal:")]
    # a restore goes on after an error, and only counts at its end
    single = [line.partition("for ")[2] for line in lines if line.startswith("ignoring error for")]
    return (single[:1] + fatal[:1] or lines[-1:] or ["no reason given"])[0]


def microseconds(moment: str) -> str:
    """Go writes nanoseconds and leaves out zeros; Python 3.11 wants six digits at most."""
    return re.sub(r"\.(\d{1,6})\d*", r".\1", moment)
