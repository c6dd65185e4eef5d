"""Locks and dead properties, kept over restarts in one SQLite file.

Both are keyed by a canonical address, so that they are the same for whoever looks. The file is
locked for as long as it is open, so that a second server can't use it at the same time.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pelagos.errors import StateError
from pelagos.services.dav.refusals import refuse
from pelagos.services.dav.usage import Usage

MOST_LOCK_SECONDS = 86400
_MOST_LOCKS = 500  # of one person
_MOST_PROPERTY_BYTES = 64 << 10  # per file or folder
_MOST_PROPERTIES = 200  # the same
_WEIGHT = "length(url) + length(CAST(name AS BLOB)) + length(CAST(value AS BLOB))"
_TABLES = """
CREATE TABLE IF NOT EXISTS locks (
    token TEXT PRIMARY KEY, root TEXT NOT NULL, type TEXT NOT NULL, scope TEXT NOT NULL,
    depth TEXT NOT NULL, owner BLOB NOT NULL, timeout REAL NOT NULL, expire REAL NOT NULL,
    principal TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS properties (
    url TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (url, name)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS starts (at REAL NOT NULL);
"""
_FIELDS = ("token", "root", "type", "scope", "depth", "owner", "timeout", "expire", "principal")


class Store:
    """The file, made if missing; never opened as root where the account may write."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        try:
            self.connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=2
            )
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                self.connection.execute(f"PRAGMA {pragma}")
            self.connection.execute("PRAGMA temp_store=MEMORY")
            self.connection.executescript(_TABLES)
            # a write opens the WAL file now
            self.connection.execute("DELETE FROM starts")
            self.connection.execute("INSERT INTO starts VALUES (?)", (time.time(),))
        except sqlite3.Error as error:
            raise StateError(
                f"The WebDAV server can't use {path}: {error}.",
                "Does another one run? If the file is damaged, move it away: locks and properties "
                "that clients set are lost then, files are not.",
            ) from error

    def run(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """One statement; its rows."""
        with self.lock:
            return self.connection.execute(statement, values).fetchall()

    def weight(self, ref: str, *, below: bool = True) -> int:
        """Bytes that properties take, of a canonical address and of all below it."""
        first, last = _below(ref) if below else ("", "")
        return int(
            self.run(
                f"SELECT coalesce(sum({_WEIGHT}), 0) FROM properties "  # noqa: S608
                "WHERE url=? OR (url>? AND url<?)",
                (ref, first, last),
            )[0][0]
        )

    def forget(self, ref: str) -> None:
        """Drop locks and properties of a canonical address and of all below it."""
        with self.lock:
            for table, column in (("locks", "root"), ("properties", "url")):
                self.run(
                    f"DELETE FROM {table} "  # noqa: S608
                    f"WHERE {column}=? OR ({column}>? AND {column}<?)",
                    (ref, *_below(ref)),
                )

    def close(self) -> None:
        """Write everything to the file."""
        with self.lock:
            self.connection.close()


def _normal(url: str) -> str:
    return "/" + url.strip("/")


def _below(url: str) -> tuple[str, str]:
    """First and last-but-one text of the addresses below `url`; `0` follows `/`."""
    return f"{url}/", f"{url}0"


class LockStore:
    """WsgiDAV's lock storage (see wsgidav.lock_man.lock_storage), on a Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self) -> None:
        """Called before first use."""
        self.cleanup()

    def close(self) -> None:
        """The store is closed by who made it."""

    def cleanup(self) -> None:
        """Forget expired locks."""
        self._store.run("DELETE FROM locks WHERE expire < ?", (time.time(),))

    def clear(self) -> None:
        """Forget all."""
        self._store.run("DELETE FROM locks")

    @staticmethod
    def _lock(row: Any) -> dict[str, Any]:
        return dict(zip(_FIELDS, row, strict=True))

    def get(self, token: str) -> dict[str, Any] | None:
        """A lock that still holds."""
        rows = self._store.run(
            f"SELECT {','.join(_FIELDS)} FROM locks WHERE token=? AND expire>=?",  # noqa: S608
            (token, time.time()),
        )
        return self._lock(rows[0]) if rows else None

    def create(self, path: str, lock: dict[str, Any]) -> dict[str, Any]:
        """Keep a lock; `token`, `root`, `timeout` and `expire` are filled in."""
        timeout = float(lock["timeout"])
        if timeout < 0 or timeout > MOST_LOCK_SECONDS:
            timeout = MOST_LOCK_SECONDS
        lock["root"] = _normal(path)
        lock["timeout"] = timeout
        lock["expire"] = time.time() + timeout
        lock["token"] = f"opaquelocktoken:{secrets.token_hex(32)}"
        with self._store.lock:
            self.cleanup()
            count = "SELECT count(*) FROM locks WHERE principal=?"
            if self._store.run(count, (lock["principal"],))[0][0] >= _MOST_LOCKS:
                raise refuse(507, "You have too many locks. Remove some, or wait for their end.")
            self._store.run(
                f"INSERT INTO locks ({','.join(_FIELDS)}) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608
                tuple(lock[name] for name in _FIELDS),
            )
        return lock

    def refresh(self, token: str, *, timeout: float) -> dict[str, Any]:
        """Let a lock live on."""
        if timeout < 0 or timeout > MOST_LOCK_SECONDS:
            timeout = MOST_LOCK_SECONDS
        self._store.run(
            "UPDATE locks SET timeout=?, expire=? WHERE token=?",
            (timeout, time.time() + timeout, token),
        )
        found = self.get(token)
        if found is None:
            raise refuse(412, "The lock does not exist any more.")
        return found

    def delete(self, token: str) -> bool:
        """End a lock; whether there was one."""
        with self._store.lock:
            had = self.get(token) is not None
            self._store.run("DELETE FROM locks WHERE token=?", (token,))
        return had

    def get_lock_list(
        self, path: str, *, include_root: bool, include_children: bool, token_only: bool
    ) -> list[Any]:
        """Locks on an address, and below it."""
        path = _normal(path)
        conditions, values = [], []
        if include_root:
            conditions.append("root=?")
            values.append(path)
        if include_children:
            conditions.append("(root>? AND root<?)")
            values += _below(path)
        rows = self._store.run(
            f"SELECT {','.join(_FIELDS)} FROM locks "  # noqa: S608
            f"WHERE expire>=? AND ({' OR '.join(conditions)})",
            (time.time(), *values),
        )
        found = [self._lock(row) for row in rows]
        return [lock["token"] for lock in found] if token_only else found


class PropertyStore:
    """WsgiDAV's property manager (see wsgidav.prop_man.property_manager), on a Store."""

    def __init__(self, store: Store, usage_at: Callable[[str], Usage | None]) -> None:
        self._store = store
        self._usage_at = usage_at

    def get_properties(self, norm_url: str, environ: Any = None) -> list[str]:
        """Names of the dead properties there."""
        rows = self._store.run("SELECT name FROM properties WHERE url=?", (_normal(norm_url),))
        return [name for (name,) in rows]

    def get_property(self, norm_url: str, name: str, environ: Any = None) -> bytes | None:
        """One property as XML."""
        rows = self._store.run(
            "SELECT value FROM properties WHERE url=? AND name=?", (_normal(norm_url), name)
        )
        return rows[0][0] if rows else None

    def write_property(
        self, norm_url: str, name: str, property_value: bytes, dry_run: bool = False,
        environ: Any = None,
    ) -> None:  # fmt: skip
        """Set a property. Raises a refusal (507) if there is no room for it."""
        url = _normal(norm_url)
        weight = len(url) + len(name.encode()) + len(property_value)
        usage = self._usage_at(url)
        with usage.reserve() if usage else nullcontext() as room, self._store.lock:
            [(others, count)] = self._store.run(
                f"SELECT coalesce(sum({_WEIGHT}), 0), count(*) FROM properties "  # noqa: S608
                "WHERE url=? AND name<>?",
                (url, name),
            )
            if others + weight > _MOST_PROPERTY_BYTES or count >= _MOST_PROPERTIES:
                raise refuse(507, "The properties of this file take too much room.")
            if room:
                room.grow(weight)
            if not dry_run:
                with self._counted(url):
                    self._store.run(
                        "INSERT OR REPLACE INTO properties VALUES (?,?,?)",
                        (url, name, property_value),
                    )

    @contextmanager
    def _counted(self, url: str) -> Iterator[None]:
        """Count what changes at an address and below it towards the quota."""
        with self._store.lock:
            before = self._store.weight(url)
            yield
            if (usage := self._usage_at(url)) is not None:
                usage.change(self._store.weight(url) - before)

    def remove_property(
        self, norm_url: str, name: str, dry_run: bool = False, environ: Any = None
    ) -> None:
        """Remove one; it need not be there."""
        url = _normal(norm_url)
        if not dry_run:
            with self._counted(url):
                self._store.run("DELETE FROM properties WHERE url=? AND name=?", (url, name))

    def remove_properties(self, norm_url: str, environ: Any = None) -> None:
        """Remove those of an address and of all below it."""
        url = _normal(norm_url)
        with self._counted(url):
            self._store.run(
                "DELETE FROM properties WHERE url=? OR (url>? AND url<?)", (url, *_below(url))
            )

    def copy_properties(
        self, src_url: str, dest_url: str, environ: Any = None, *, with_children: bool = False
    ) -> None:
        """Give the destination what the source has, instead of its own."""
        source, target = _normal(src_url), _normal(dest_url)
        first, last = _below(source) if with_children else ("", "")
        with self._counted(target):
            self._store.run(
                "DELETE FROM properties WHERE url=? OR (url>? AND url<?)", (target, *_below(target))
            )
            self._store.run(
                "INSERT OR REPLACE INTO properties SELECT ? || substr(url, ?), name, value "
                "FROM properties WHERE url=? OR (url>? AND url<?)",
                (target, len(source) + 1, source, first, last),
            )

    def move_properties(
        self, src_url: str, dest_url: str, with_children: bool = True, environ: Any = None
    ) -> None:
        """Take the properties along."""
        with self._store.lock:
            self.copy_properties(src_url, dest_url, environ, with_children=with_children)
            self.remove_properties(src_url)
