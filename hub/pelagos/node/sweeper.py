"""The sweeper: a process of its own, as root, that sweeps every area again and again.

It tells people what goes next (`expiry.json` in each person's view), operators what went
(`logs/sweep.log`), and the metrics how much (`agent/sweep.json` in the state folder).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import logging.handlers
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from pelagos.deployment import Deployment, default_state
from pelagos.errors import PelagosError, StateError, StorageError
from pelagos.layout import AreaKind, Layout
from pelagos.node.areas import Place
from pelagos.node.areas.base import make_private
from pelagos.node.pins import Pins, write_json
from pelagos.node.sweep import Report, log_line, sweep_area
from pelagos.node.trash import Settled
from pelagos.volumes import safe_name

logger = logging.getLogger(__name__)

EXPIRY_FILE = "expiry.json"
_LONGEST = 600.0  # seconds between two sweeps
_SHORTEST = 2.0
_LOG_BYTES = 10 * 2**20
_LOG_FILES = 3
_POLITE = 19  # nice(2)
_LEAST = 7  # ioprio_set(2): after everybody else, but not never, or a busy disk would fill


@dataclass
class Totals:
    """Counters for metrics. Sizes in bytes, times in unix seconds."""

    swept_files: int = 0
    swept_bytes: int = 0
    swept_folders: int = 0
    put_back: int = 0
    errors: int = 0
    sweeps: int = 0
    last_run: float = 0.0
    seconds: float = 0.0
    files: int = 0

    def add(self, report: Report) -> None:
        """Count one area's sweep."""
        self.swept_files += report.swept_files
        self.swept_bytes += report.swept_bytes
        self.swept_folders += report.swept_folders
        self.put_back += report.put_back
        self.errors += len(report.errors)


@dataclass(frozen=True)
class StateFiles:
    """Where agent and sweeper keep what they know about areas."""

    layout: Layout

    @property
    def folder(self) -> Path:
        """All of it; root's, 0700."""
        return self.layout.state / "agent"

    @property
    def pins(self) -> Pins:
        """The pins of all areas."""
        return Pins(self.folder / "pins")

    @property
    def totals(self) -> Path:
        """The counters of the sweeper."""
        return self.folder / "sweep.json"

    @property
    def lock(self) -> Path:
        """Held by the sweeper: there is one."""
        return self.folder / "sweep.lock"

    def expiry(self, area: str) -> Path:
        """What the last sweep found in an area (such as `users/anna`)."""
        return self.folder / "expiry" / f"{area}.json"

    def journal(self, area: str) -> Path:
        """What is in an area's trash. Not in the area: that may be full."""
        return self.folder / "trash" / f"{area}.jsonl"


def interval(layout: Layout) -> float:
    """Seconds between two sweeps: a twentieth of the shortest expiry, 2 s to 10 min."""
    dataspace = layout.storage.dataspace
    ages = [age for age in (dataspace.expiry, dataspace.virtual_lab_expiry) if age]
    return max(_SHORTEST, min(_LONGEST, min(ages, default=20 * _LONGEST) / 20))


def expiry_of(layout: Layout, kind: AreaKind) -> int:
    """Seconds after which files of such an area go; 0 for never."""
    if kind is AreaKind.USERS:
        return layout.storage.dataspace.expiry
    return layout.storage.dataspace.virtual_lab_expiry if kind is AreaKind.VIRTUAL_LABS else 0


def areas_on_disk(layout: Layout) -> Iterator[tuple[str, AreaKind, Place]]:
    """Name, kind and place of every area that is ready."""
    for kind in (AreaKind.USERS, AreaKind.VIRTUAL_LABS):
        root = layout.dataspaces / kind.value
        with contextlib.suppress(FileNotFoundError), os.scandir(root) as entries:
            for entry in entries:
                # a dot never stands in an area's name: those are images, or half-removed
                if "." not in entry.name and entry.is_dir(follow_symlinks=False):
                    place = Place(root / entry.name)
                    if place.ready and place.trash.is_dir():
                        yield f"{kind.value}/{entry.name}", kind, place


class Sweeper:
    """Sweeps the areas of one VRE."""

    def __init__(self, layout: Layout, log: logging.Logger | None = None) -> None:
        self._layout = layout
        self._files = StateFiles(layout)
        self._log = log
        self.totals = read_totals(self._files.totals)

    def run_once(self) -> list[Report]:
        """Sweep every area, then tell everybody. One bad area does not stop the others."""
        started = time.time()
        reports = []
        for area, kind, place in areas_on_disk(self._layout):
            try:
                report = sweep_area(
                    place,
                    expiry_of(self._layout, kind),
                    self._files.pins,
                    area,
                    self._files.journal(area),
                    self._note,
                )
                write_json(self._files.expiry(area), report.as_json())
            except (OSError, StorageError) as error:
                logger.error("%s is not swept: %s", area, error)
                self.totals.errors += 1
                continue
            for problem in report.errors:
                logger.warning("%s: %s", area, problem)
            self.totals.add(report)
            reports.append(report)
        self._finish(started, reports)
        return reports

    def _finish(self, started: float, reports: list[Report]) -> None:
        self.totals.sweeps += 1
        self.totals.last_run = started
        self.totals.seconds = time.time() - started
        self.totals.files = sum(report.files for report in reports)
        try:
            write_json(self._files.totals, asdict(self.totals))
            tell_views(self._layout)
        except (OSError, StorageError) as error:
            logger.error("What was swept can't be told: %s", error)

    def _note(self, area: str, settled: Settled) -> None:
        if self._log is not None:
            self._log.info("%s", log_line(area, settled))


def read_totals(path: Path) -> Totals:
    """The counters as they were last written."""
    try:
        return Totals(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return Totals()  # at the first start, or of another version: counting begins anew


def tell_views(layout: Layout) -> None:
    """Write `expiry.json` into every view: what goes next in each area that it shows."""
    root = layout.state / "views"
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as views:
        for view in views:
            if view.is_dir(follow_symlinks=False):
                tell_view(layout, Path(view.path))


def tell_view(layout: Layout, view: Path) -> None:
    """Write `expiry.json` into one view. Raises StorageError."""
    files = StateFiles(layout)
    found: dict[str, Any] = {}
    for name in sorted(os.listdir(view)):
        area = area_of(view, name)
        if area:
            with contextlib.suppress(FileNotFoundError, ValueError):
                found[name] = json.loads(files.expiry(area).read_text())
    # unfinished beside the view and not in it, where people would see it
    write_json(
        view / EXPIRY_FILE,
        {"written": round(time.time()), "areas": found},
        mode=0o444,
        scratch=view.parent,
    )


def area_of(view: Path, name: str) -> str:
    """The area that a view shows as `name`; empty for what is none or never expires."""
    if name == "me":
        return f"{AreaKind.USERS.value}/{view.name}"
    if name == AreaKind.POOL.value or "." in name:
        return ""
    return f"{AreaKind.VIRTUAL_LABS.value}/{safe_name(name)}"


def be_polite() -> None:
    """Give way to everybody else, for the processor and the disk."""
    os.nice(_POLITE)
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, value=_LEAST)


def sweep_log(logs: Path) -> logging.Logger:
    """The log of what went: one JSON object a line, at most 40 MiB."""
    old = os.umask(0o077)
    try:
        handler = logging.handlers.RotatingFileHandler(
            logs / "sweep.log", maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8"
        )
    finally:
        os.umask(old)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("pelagos.swept")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return log


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the lock of the sweeper. Raises StateError if another one runs."""
    make_private(lock.parent)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                "Another sweeper runs on this state folder.", "Stop it: see `./pelagos status`."
            ) from error
        yield


def main() -> None:
    """Sweep the areas of the VRE whose state folder stands in PELAGOS_STATE, for ever."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    deployment = Deployment.load(default_state())
    layout = deployment.layout
    be_polite()
    pause = threading.Event()
    # an operator's way to sweep now: `./pelagos check` does not wait for the next time
    signal.signal(signal.SIGUSR1, lambda *_: pause.set())
    try:
        with only_one(StateFiles(layout).lock):
            sweeper = Sweeper(layout, sweep_log(deployment.state.logs))
            while True:
                sweeper.run_once()
                pause.wait(interval(layout))
                pause.clear()
    except PelagosError as error:
        raise SystemExit(error.sentence) from error


if __name__ == "__main__":
    main()
