"""Copies from the dataspace to the workspace, that go on while the browser is away."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Literal

import msgspec

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.server import Keeping, WantedPath
from jupyterlab_pelagos.shared import Shared

_AT_ONCE = 2
_SHOWN = 20  # jobs
_ACTIVE_SECONDS = 20.0


class Keeper:
    """Carries them out, each in a thread of its own, few at once."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._jobs: dict[str, Keeping] = {}
        self._last = 0
        self._turns = threading.Semaphore(_AT_ONCE)

    def jobs(self) -> list[Keeping]:
        """What was begun since the server started, the newest first."""
        with self._lock:
            return [msgspec.structs.replace(one) for one in reversed(self._jobs.values())]

    def keep(self, wanted: WantedPath) -> None:
        """Begin to copy; a path that is being copied is not copied twice. Raises Refused."""
        from pelagos_client import folders
        from pelagos_client.errors import OutsideError

        try:
            path = folders.dataspace() / wanted.area / folders.below(wanted.path)
        except OutsideError:
            raise Refused(
                400,
                Problem(f"“{wanted.path[:100]}” is no path below an area.", "Name one below it."),
            ) from None
        inner = path.relative_to(folders.dataspace() / wanted.area).as_posix()
        with self._lock:
            if any(
                (one.state, one.area, one.path) == ("running", wanted.area, inner)
                for one in self._jobs.values()
            ):
                return
            self._last += 1
            job = Keeping(
                id=str(self._last),
                area=wanted.area,
                path=inner,
                state="running",
                message="Waits for its turn.",
                started=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            )
            self._jobs[job.id] = job
            for old in [one for one in self._jobs if self._jobs[one].state != "running"][:-_SHOWN]:
                del self._jobs[old]
        threading.Thread(
            target=self._run, args=(job, str(path)), name="pelagos-keep", daemon=True
        ).start()

    def _run(self, job: Keeping, path: str) -> None:
        from pelagos_client import dataspace
        from pelagos_client.errors import PelagosError

        done = threading.Event()
        threading.Thread(
            target=self._stay_awake, args=(done,), name="pelagos-keep-active", daemon=True
        ).start()
        try:
            with self._turns:
                self._tell(job, "running", "Copying, comparing and uploading.")
                kept = dataspace.keep(path, progress=False)
            self._tell(job, "done", str(kept))
        except PelagosError as error:
            self._tell(job, "failed", str(error))
        except Exception as error:  # else it would seem to go on
            self._shared.log.exception("keeping %s", path)
            self._tell(job, "failed", f"A fault of this program ({type(error).__name__}).")
        finally:
            done.set()

    def _stay_awake(self, done: threading.Event) -> None:
        """A server that copies is not culled."""
        until = time.monotonic() + 6 * 3600  # a copy that hangs must not hold a server for ever
        while time.monotonic() < until:
            self._shared.active()
            if done.wait(_ACTIVE_SECONDS):
                return

    def _tell(
        self, job: Keeping, state: Literal["running", "done", "failed"], message: str
    ) -> None:
        with self._lock:
            job.state, job.message = state, message
        self._shared.emit("storage", job.id)
