"""Who harvests now: one process at a time, since the index has one writer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pelagos.errors import StateError

_ATTEMPTS = 5  # somebody may only be looking (`holder`)


class Who(StrEnum):
    """What kind of process harvests."""

    SERVICE = "service"  # of a running VRE; takes requests
    COMMAND = "command"  # `./pelagos harvest` without one


@dataclass(frozen=True)
class Holder:
    """The process that harvests."""

    who: Who
    pid: int


class BusyError(StateError):
    """Another process harvests. `holder` is it, if it said who it is."""

    def __init__(self, holder: Holder | None) -> None:
        pid = f" (process {holder.pid})" if holder else ""
        super().__init__(
            f"Another harvest of this catalogue is under way{pid}, and its index has one writer.",
            "Wait until it is done; it can be seen at /services/catalogue/sources.",
        )
        self.holder = holder


@contextlib.contextmanager
def only_one(path: Path, who: Who) -> Iterator[None]:
    """Be the process that harvests. Raises BusyError if another one is."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"who": who.value, "pid": os.getpid()}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """Who harvests, or is ready to; None if nobody. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def _take(descriptor: int) -> None:
    """Lock it. Raises BusyError."""
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if attempt == _ATTEMPTS - 1:
                raise BusyError(_holder(descriptor)) from error
            time.sleep(0.1)
        else:
            return


def _holder(descriptor: int) -> Holder | None:
    try:
        told = json.loads(os.pread(descriptor, 200, 0))
        return Holder(Who(told["who"]), int(told["pid"]))
    except (ValueError, KeyError, TypeError):
        return None  # it has the lock and is about to say who it is
