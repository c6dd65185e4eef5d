"""People's accounts on WebDAV servers elsewhere, encrypted, one file each.

The workspace service writes; the node agent reads, and looks at `stamp` to notice a new password.
Whoever has the key (the VRE's secret `storage-key`) can read everything; the files alone tell
nothing but who has an account.
"""

from __future__ import annotations

import base64
import errno
import json
import logging
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from pelagos.errors import VaultError
from pelagos.files import write_private
from pelagos.volumes import safe_name

logger = logging.getLogger(__name__)

_KEY_BYTES = 32
_LONGEST = 1 << 16  # bytes of a file


@dataclass(frozen=True)
class Account:
    """An account on a WebDAV server: the address of the folder, user name and (app) password."""

    url: str
    user: str
    password: str = field(repr=False)


class Vault:
    """Keeps one account per person. Safe to use from several processes at once.

    `folder` is made at the first `put`; `key` is the hex of 32 bytes. Raises VaultError for a key
    that is none.
    """

    def __init__(self, folder: Path, key: str) -> None:
        try:
            raw = bytes.fromhex(key)
        except ValueError:
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise VaultError(
                "The key of the accounts on WebDAV servers is damaged.",
                "Restore secrets/storage-key from a backup, or delete it: people then enter their "
                "passwords again.",
            )
        self._folder = folder
        self._fernet = Fernet(base64.urlsafe_b64encode(raw))

    def put(self, user: str, account: Account) -> None:
        """Keep this account for `user`, in place of an earlier one. Raises VaultError."""
        text = json.dumps(
            {
                # who it is for is inside: another person's file, copied, is of no use
                "person": user,
                "url": account.url,
                "user": account.user,
                "password": account.password,
            }
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._path(user), self._fernet.encrypt(text.encode()))
        except OSError as error:
            raise VaultError(
                f"The account of {user!r} can't be kept: {error.strerror}.",
                f"Is there space in {self._folder}, and does it belong to this process's user?",
            ) from error

    def get(self, user: str) -> Account | None:
        """The account of `user`; None if there is none. Raises VaultError for a damaged file."""
        entry = self._read(self._path(user))
        if entry is None:
            return None
        if entry["person"] != user:
            raise _damaged(self._path(user))
        return Account(entry["url"], entry["user"], entry["password"])

    def forget(self, user: str) -> None:
        """Remove the account of `user`, damaged or not, if there is one. Raises VaultError."""
        try:
            self._path(user).unlink(missing_ok=True)
        except OSError as error:
            raise VaultError(
                f"The account of {user!r} can't be removed: {error.strerror}.",
                f"Remove {self._path(user)} by hand.",
            ) from error

    def stamp(self, user: str) -> int | None:
        """Changes with every `put` (nanoseconds of the file's time); None if there is none."""
        try:
            return self._path(user).stat().st_mtime_ns
        except OSError:
            return None

    def users(self) -> list[str]:
        """Everybody with an account that can be read, sorted."""
        found = []
        for path in self._folder.glob("[!.]*"):
            try:
                entry = self._read(path)
            except VaultError as error:
                logger.warning("%s", error)
                continue
            if entry is not None and self._path(entry["person"]) == path:
                found.append(entry["person"])
        return sorted(found)

    def _path(self, user: str) -> Path:
        return self._folder / safe_name(user)

    def _read(self, path: Path) -> dict[str, str] | None:
        try:
            text = self._fernet.decrypt(_content(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VaultError(
                f"{path} can't be read: {error.strerror}.",
                "Does it belong to the user that this process runs as?",
            ) from error
        except InvalidToken:
            # without its cause: nothing of a file's content belongs in a traceback
            raise _damaged(path) from None
        entry: dict[str, str] = json.loads(text)
        return entry


def _content(path: Path) -> bytes:
    """A file's content, for a reader that may be root in a folder that is not root's.

    No link is followed, and a pipe in the file's place keeps nobody waiting. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read(_LONGEST)


def _damaged(path: Path) -> VaultError:
    return VaultError(
        f"The account kept in {path} is damaged, of another person, or of another key.",
        "Enter the password again on the page of the workspace.",
    )
