"""The system account that does what needs no root: services that read what strangers send."""

from __future__ import annotations

import os
import pwd
import subprocess

from pelagos.errors import StateError

ACCOUNT = "pelagos-server"
_TIMEOUT = 60  # seconds


def exists() -> bool:
    """Whether this machine has the account."""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True


def make() -> None:
    """Make the account. Raises StateError with the system's reason."""
    command = ["useradd", "--system", "--user-group", "--no-create-home", ACCOUNT]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        reason = "" if done.returncode == 0 else done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason:
        raise StateError(
            f"The system account {ACCOUNT} can't be made: {reason}.",
            f"Make it by hand: {' '.join(command)}",
        )


def ids() -> tuple[int, int]:
    """User and group number of the account; this process's own where it is not root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    found = pwd.getpwnam(ACCOUNT)
    return found.pw_uid, found.pw_gid


def become() -> None:
    """Give root up for good and become the account. Where this is not root, nothing changes."""
    if os.geteuid() != 0:
        return
    uid, gid = ids()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
