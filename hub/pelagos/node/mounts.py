"""Mounts of this machine: the table, bind mounts, shared parents, unmounting. Root only.

A mount in a shared parent appears at once in the containers that have the parent bound with
propagation `rslave` (the kernel's Documentation/filesystems/sharedsubtree.rst). What appears there
is a copy with the flags of that moment, and a later remount does not reach it. So a bind is given
its flags before it is attached: open_tree(2), mount_setattr(2), move_mount(2), Linux 5.12.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from pelagos.errors import StorageError

# numbers of system calls added since 2019 are the same on every architecture of Debian
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_MS_REC, _MS_PRIVATE, _MS_SHARED = 0x4000, 1 << 18, 1 << 20
_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_OCTAL = re.compile(r"\\([0-7]{3})")


class _Attributes(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo, proc(5)."""

    device: str
    point: Path
    root: str
    options: frozenset[str]
    shared: bool
    kind: str
    source: str
    super_options: frozenset[str]

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written through this mount."""
        return "ro" in self.options


def parse(text: str) -> list[Mount]:
    """The mounts in a text of the form of /proc/self/mountinfo, in the order of mounting."""
    return [_mount(line) for line in text.splitlines() if line]


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    _, _, device, root, point, options, *tags = before.split(" ")
    kind, source, super_options = after.split(" ")[:3]
    return Mount(
        device=device,
        point=Path(_plain(point)),
        root=_plain(root),
        options=frozenset(options.split(",")),
        shared=any(tag.startswith("shared:") for tag in tags),
        kind=kind,
        source=_plain(source),
        super_options=frozenset(super_options.split(",")),
    )


def _plain(text: str) -> str:
    """A field without the kernel's octal escapes of space, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def table() -> list[Mount]:
    """Every mount that this process sees."""
    return parse(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def _real(path: Path) -> Path:
    """`path` as the kernel names it. The last part is not looked at: a dead mount may hang."""
    return Path(os.path.realpath(path.parent)) / path.name


def find(path: Path) -> Mount | None:
    """What is mounted exactly at `path`, the topmost if there are several; None if nothing is."""
    wanted = _real(path)
    return next((mount for mount in reversed(table()) if mount.point == wanted), None)


def is_mount(path: Path) -> bool:
    """Whether something is mounted exactly at `path`. Does not touch it."""
    return find(path) is not None


def holding(path: Path) -> Mount:
    """The mount in which `path` lies; `path` need not exist."""
    wanted = _real(path)
    above = {wanted, *wanted.parents}
    # of several at one point, the last is on top
    return max(
        (mount for mount in table() if mount.point in above),
        key=lambda mount: len(mount.point.parts),
    )


def below(path: Path) -> list[Path]:
    """Mount points at and below `path`, deepest first: the order in which they can go."""
    wanted = _real(path)
    found = [mount.point for mount in table() if wanted in (mount.point, *mount.point.parents)]
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def shared(path: Path) -> None:
    """Make `path` a mount of its own whose later mounts appear in containers that have it bound.

    The folder must exist. Safe to repeat. Raises StorageError.
    """
    there = find(path)
    if there is not None and there.shared:
        return
    if there is None:
        _attach(path, path, 0)
        # of a group of its own: in the group of `/`, each mount below would appear twice
        _propagation(path, _MS_PRIVATE)
    _propagation(path, _MS_SHARED | _MS_REC)


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show the folder `source` at the folder `target`, without devices and set-user-id programs.

    Both must exist, and neither may be a symbolic link. Safe to repeat. Raises StorageError, also
    if something else is mounted at `target`.
    """
    there = find(target)
    if there is not None:
        if same(source, target) and there.read_only == read_only:
            return
        raise StorageError(
            f"Something else is mounted at {target}.", f"Unmount it: umount {target}"
        )
    _attach(source, target, _ATTR_RDONLY if read_only else 0)


def same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one folder; False where one of them can't be looked at."""
    try:
        first, second = os.stat(one), os.stat(other)
    except OSError:
        return False
    return os.path.samestat(first, second)


def unmount(target: Path, *, lazy: bool = False) -> None:
    """Take away what is mounted at `target`, all of it if several; nothing if nothing is.

    `lazy`: the name goes at once, the rest when nobody uses it any more. Raises StorageError, if
    not lazy also while somebody uses it.
    """
    flags = _UMOUNT_NOFOLLOW | (_MNT_DETACH if lazy else 0)
    while is_mount(target):
        if _libc.umount2(os.fsencode(target), flags) != 0:
            number = ctypes.get_errno()
            if number == errno.EINVAL:
                return  # it went in the meantime
            mend = (
                f"See who uses it: fuser -vm {target}"
                if number == errno.EBUSY
                else "Run as root with SYS_ADMIN."
            )
            raise StorageError(f"{target} can't be unmounted: {os.strerror(number)}.", mend)


def _attach(source: Path, target: Path, attributes: int) -> None:
    """A bind mount that has its flags from the first moment. Raises StorageError."""
    for path in (source, target):
        _check_folder(path)
    tree = _libc.syscall(
        _OPEN_TREE,
        _AT_FDCWD,
        os.fsencode(source),
        _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_SYMLINK_NOFOLLOW,
    )
    if tree < 0:
        raise _failure(source, target)
    try:
        wanted = _Attributes(attr_set=attributes | _ATTR_NOSUID | _ATTR_NODEV)
        done = _libc.syscall(
            _MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(wanted), ctypes.sizeof(wanted)
        )
        if done == 0:
            done = _libc.syscall(
                _MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH
            )
        if done != 0:
            raise _failure(source, target)
    finally:
        os.close(tree)


def _check_folder(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise StorageError(f"{path} can't be mounted: {error.strerror}.") from error
    if not stat.S_ISDIR(mode):
        raise StorageError(f"{path} can't be mounted: it is not a folder.", "Move it away.")


def _failure(source: Path, target: Path) -> StorageError:
    number = ctypes.get_errno()
    mend = {
        errno.EPERM: "Run as root with SYS_ADMIN.",
        errno.ENOSYS: "Linux 5.12 or newer is needed.",
    }.get(number, "./pelagos doctor looks closer.")
    return StorageError(f"{source} can't be mounted at {target}: {os.strerror(number)}.", mend)


def _propagation(path: Path, flags: int) -> None:
    if _libc.mount(None, os.fsencode(path), None, ctypes.c_ulong(flags), None) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise StorageError(
            f"Mounts below {path} can't be shared with servers: {reason}.",
            "Run as root with SYS_ADMIN.",
        )
