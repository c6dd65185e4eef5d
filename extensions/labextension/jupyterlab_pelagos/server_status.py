"""Cores, memory and home of this server, and how often memory ran out."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol

from jupyterlab_pelagos.models.server import ServerStatus
from jupyterlab_pelagos.shared import Shared

CGROUP = Path("/sys/fs/cgroup")
# where the memory's use and its cache are, for either version of cgroups
_USE = (
    ("memory.current", "inactive_file"),
    ("memory/memory.usage_in_bytes", "total_inactive_file"),
)


class ServerWatch:
    """Looks at this server. `group` has `limit()` and `kills()`, or is None."""

    def __init__(
        self, shared: Shared, group: Callable[[], MemoryLike | None] | None = None
    ) -> None:
        self._shared = shared
        self._group = (group or _group)()
        self._lock = threading.Lock()
        self._first = self._group.kills() if self._group else None
        self._killed = 0
        self._killed_at: str | None = None

    @property
    def counts(self) -> bool:
        """Whether anybody counts here what was killed."""
        return self._first is not None

    def look(self) -> int:
        """Processes that were killed for want of memory since the server started.

        Tells the browser if there are more than before.
        """
        kills = self._group.kills() if self._group else None
        if kills is None or self._first is None:
            return self._killed
        with self._lock:
            now = max(kills - self._first, self._killed)
            grew, self._killed = now > self._killed, now
            if grew:
                self._killed_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if grew:
            self._shared.emit("memory")
        return now

    def status(self) -> ServerStatus:
        """All of it, now."""
        killed = self.look()
        limit = self._group.limit() if self._group else None
        limit = limit or _number(os.environ.get("MEM_LIMIT", ""))
        total, used = _machine()
        if limit is not None and (total is None or limit < total):
            total, used = limit, _used(CGROUP)
        home = _home()
        return ServerStatus(
            cores=cores(),
            memory_limit=total,
            memory_used=used,
            home_free=home[0],
            home_total=home[1],
            killed=killed,
            killed_at=self._killed_at,
        )


class MemoryLike(Protocol):
    """What is asked of a control group; pelagos_server.memory.MemoryGroup is one."""

    def kills(self) -> int | None:
        """How many processes of it were killed for want of memory."""

    def limit(self) -> int | None:
        """Its limit in bytes."""


def _group() -> MemoryLike | None:
    try:
        found: MemoryLike = import_module("pelagos_server.memory").MemoryGroup()
    except ImportError:  # not in an image of the VRE
        return None
    return found


def cores(cgroup: Path = CGROUP) -> float:
    """How many cores this server may use at once."""
    known = [float(len(os.sched_getaffinity(0)))] if hasattr(os, "sched_getaffinity") else []
    with contextlib.suppress(KeyError, ValueError):
        known.append(float(os.environ["CPU_LIMIT"]))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        known.append(int(quota) / int(period))
    except (OSError, ValueError):
        pass
    return round(min((one for one in known if one > 0), default=float(os.cpu_count() or 1)), 2)


def _used(cgroup: Path) -> int | None:
    """Memory that can't be had by dropping caches, in bytes."""
    for name, cache in _USE:
        path = cgroup / name
        try:
            used = int(path.read_text())
            lines = (path.parent / "memory.stat").read_text().splitlines()
        except (OSError, ValueError):
            continue
        found = dict(line.split(" ", 1) for line in lines if " " in line)
        return max(0, used - (_number(found.get(cache, "")) or 0))
    return None


def _machine() -> tuple[int | None, int | None]:
    """All memory of the machine, and what is used of it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return found["MemTotal"], found["MemTotal"] - found["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return None, None


def _home() -> tuple[int | None, int | None]:
    try:
        found = shutil.disk_usage(Path.home())
    except OSError:
        return None, None
    return found.free, found.total


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and int(text) else None
