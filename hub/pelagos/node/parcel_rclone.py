"""One transfer by rclone: copy what is not there yet, then read back all and compare."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node.rclone import EMBEDDED, Remote, processes, program, short_reason

Tell = Callable[[int], None]  # bytes copied so far

_END_SECONDS = 10.0
_FULL = re.compile(r"\b507\b|insufficient storage|quota|not enough (?:free )?space", re.IGNORECASE)
_REFUSED = re.compile(r"\b40[13]\b|unauthorized|forbidden|refused the user|not let this account")
_AWAY = re.compile(
    r"does not answer|too slow|could not be asked|HTTP 5\d\d|\b50[0234]\b|dial tcp|connection re"
    r"|time(?:d )?out|deadline exceeded|\bEOF\b|broken pipe|no such host|unreachable",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Problem:
    """What rclone or the server said."""

    text: str

    @property
    def is_full(self) -> bool:
        """There is no space."""
        return bool(_FULL.search(self.text))

    @property
    def is_refused(self) -> bool:
        """The account does not get in."""
        return bool(_REFUSED.search(self.text)) and not self.is_full

    @property
    def is_away(self) -> bool:
        """It may go better in a moment."""
        return bool(_AWAY.search(self.text)) and not self.is_full and not self.is_refused


class Transfer:
    """From a folder of ours to a folder of a remote. `settings`: where rclone's stand."""

    def __init__(self, folder: Path, settings: Path) -> None:
        self.folder, self.settings = folder, settings
        self.path = ""  # below the remote: to be set before it runs
        self._lists = settings.with_suffix(".differ")

    def begin(self, remote: Remote, end: float, name: str) -> Problem | None:
        """Copy one file before all others; see `run`."""
        try:
            self._lists.write_text(f"{name}\n")
            only = ["--files-from-raw", str(self._lists)]
            return self._rclone(remote, end, lambda _: None, "copy", *only)
        finally:
            self._lists.unlink(missing_ok=True)

    def run(self, remote: Remote, end: float, tell: Tell) -> Problem | None:
        """Copy and verify, until `time.monotonic()` is `end`; what went wrong.

        Raises StorageError, OSError.
        """
        try:
            problem = self._rclone(remote, end, tell, "copy")
            if problem is None:
                problem = self._verify(remote, end)
            if problem is not None and not problem.text:
                # of the same size and yet another file: not skipped this time
                self._lists.write_text("".join(f"{name}\n" for name in self._differing()))
                only = ["--ignore-times", "--files-from-raw", str(self._lists)]
                problem = self._rclone(remote, end, tell, "copy", *only)
                problem = problem or self._verify(remote, end)
            if problem is not None and not problem.text:
                return Problem("what was read back is not what was written")
            return problem
        finally:
            self._lists.unlink(missing_ok=True)

    def _verify(self, remote: Remote, end: float) -> Problem | None:
        """Read back and compare every byte; a problem without words if a file differs."""
        self._lists.unlink(missing_ok=True)
        only = ["--download", "--one-way", "--combined", str(self._lists)]
        return self._rclone(remote, end, lambda _: None, "check", *only)

    def _differing(self) -> list[str]:
        """What `check` found to be missing or another file: lines with a sign and a path."""
        try:
            lines = self._lists.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line[2:] for line in lines if line[:2] in ("* ", "+ ", "! ")]

    def _rclone(
        self, remote: Remote, end: float, tell: Tell, verb: str, *options: str
    ) -> Problem | None:
        """Run it once. No words in the problem: `check` found a file that differs."""
        command = [
            str(program()), verb, str(self.folder), f"{remote.name}:{self.path}",
            "--config", str(self.settings), "--copy-links",
            "--use-json-log", "--log-level", "NOTICE",
            "--stats", "500ms", "--stats-log-level", "NOTICE",
            "--contimeout", "5s", "--timeout", "30s", "--low-level-retries", "3", "--retries", "1",
            "--transfers", "4", "--checkers", "8",
            # ours keeps no checksums to compare with
            *(["--ignore-checksum"] if remote.identity == EMBEDDED and verb == "copy" else []),
            *options,
        ]  # fmt: skip
        kept = {key: os.environ[key] for key in ("PATH", "SSL_CERT_FILE") if key in os.environ}
        process = subprocess.Popen(
            command,
            env={**kept, "HOME": str(self.folder.parent)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        late = threading.Timer(max(0.0, end - time.monotonic()), process.kill)
        late.start()
        try:
            said = _listen(process, tell)
        finally:
            late.cancel()
            process.kill()
            process.wait()
        if process.returncode == 0:
            return None
        if time.monotonic() >= end:
            return Problem("it took too long")
        if verb == "check" and not Problem(said).is_away and self._differing():
            return Problem("")
        return Problem(said or f"rclone ended with {process.returncode}")

    def end_others(self) -> None:
        """End processes that an agent before this one left with the same folder.

        Raises StorageError if one stays.
        """
        deadline = time.monotonic() + _END_SECONDS
        while found := processes(self.folder, b"copy", b"check"):
            if time.monotonic() > deadline:
                raise StorageError(f"A copy from before does not end: process {found[0]}.")
            for number in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.02)


def _listen(process: subprocess.Popen[bytes], tell: Tell) -> str:
    """Read its log until it ends; the error that says most: that the server is away, or the first.

    Of a server that is away `check` also says that files are missing there.
    """
    first = away = ""
    assert process.stderr is not None  # noqa: S101 - see Popen
    for line in process.stderr:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        stats = entry.get("stats")
        if isinstance(stats, dict):
            tell(int(stats.get("bytes") or 0))
        elif entry.get("level") in ("error", "critical"):
            text = short_reason(str(entry.get("msg", "")))
            problem = Problem(text)
            if problem.is_full or problem.is_refused:
                process.kill()  # no other file would fare better
                return text
            first = first or text
            away = away or (text if problem.is_away else "")
    return away or first
