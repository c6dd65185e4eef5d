"""What the kernel of the operating system knows of this container's memory.

Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst of Linux. All sizes are bytes.
"""

from __future__ import annotations

from pathlib import Path

# cgroup v1 has no word for "no limit" but the largest multiple of a page; anything near is none
_NO_LIMIT = 1 << 60


class MemoryGroup:
    """The control group that limits the memory of a process, or none."""

    def __init__(
        self, mount: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
    ) -> None:
        """Find it: `mount` is where cgroups are mounted, `membership` names a process's own."""
        self._events, self._limit = _files(mount, membership)

    def kills(self) -> int | None:
        """How many processes of the group were killed for want of memory; None if unknown."""
        try:
            lines = self._events.read_text().splitlines()
        except OSError:
            return None
        for line in lines:
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
        return None

    def limit(self) -> int | None:
        """Its limit in bytes; None if there is none, or it is unknown."""
        try:
            text = self._limit.read_text().strip()
        except OSError:
            return None
        return int(text) if text.isdecimal() and int(text) < _NO_LIMIT else None


def _files(mount: Path, membership: Path) -> tuple[Path, Path]:
    """The event counter and the limit of the group, for either version of cgroups."""
    own = _membership(membership)
    if "memory" in own:
        folder = _folder(mount / "memory", own["memory"])
        return folder / "memory.oom_control", folder / "memory.limit_in_bytes"
    folder = _folder(mount, own.get("", "/"))
    return folder / "memory.events", folder / "memory.max"


def _membership(path: Path) -> dict[str, str]:
    """Controller to group path; the empty name stands for version 2."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    fields = [line.split(":", 2) for line in lines]
    return {name: group for _, names, group in fields for name in names.split(",")}


def _folder(mount: Path, group: str) -> Path:
    """The group's folder. A container often sees only its own, as the root of the mount."""
    inside = mount / group.lstrip("/")
    return inside if inside.is_dir() else mount


def readable(size: int) -> str:
    """A size in bytes for people, in binary units: 2147483648 is "2 GiB"."""
    number = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"
