"""Renames that Python does not have: see renameat2(2). Folders are descriptors."""

from __future__ import annotations

import ctypes
import errno
import os

_NOREPLACE, _EXCHANGE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def rename_new(source: int, old: bytes, target: int, new: bytes) -> bool:
    """Rename without replacing; False if the new name is taken. Raises OSError."""
    number = _renameat2(source, old, target, new, _NOREPLACE)
    if number == errno.EEXIST:
        return False
    if number:
        raise OSError(number, os.strerror(number), os.fsdecode(new))
    return True


def exchange(source: int, one: bytes, target: int, other: bytes) -> bool:
    """Let two that exist change places in one step; False if the file system can't (NFS).

    Raises OSError.
    """
    number = _renameat2(source, one, target, other, _EXCHANGE)
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    if number:
        raise OSError(number, os.strerror(number), os.fsdecode(other))
    return True


def _renameat2(source: int, old: bytes, target: int, new: bytes, flag: int) -> int:
    done = _libc.renameat2(source, old, target, new, flag)
    return 0 if done == 0 else ctypes.get_errno()
