"""What a backup keeps of the state folder, copied so that it stands still.

Databases are copied with SQLite's online backup while they are in use.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pelagos import accounts
from pelagos.deployment import Deployment, Facts
from pelagos.errors import PelagosError
from pelagos.files import write_private

STAGE = "backup-stage"
MANIFEST = "manifest.json"
STATE_PART = "state"
# staging folder of a restore, and the beginning of what it moves aside on a disk of its own
RESTORING = ".restoring"
ASIDE = "before-restore-"
SETTINGS_PART = "settings-file"
# Top-level entries of the state folder that a backup leaves out: what is worthless elsewhere,
# volatile, or only a view of something else. Everything else is in, also what a later version adds.
LEFT_OUT = {
    "logs", "run", "cache", "homes", "dataspaces", "mounts", "views", "workspaces",
    STAGE, RESTORING,
}  # fmt: skip
_SQLITE = b"SQLite format 3\0"
_SIDE_FILES = ("-wal", "-shm", "-journal")
_BUSY_SECONDS = 10
_TRIES = 50


class Manifest(BaseModel):
    """What a snapshot says about itself, as `manifest.json` in its staging folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    instance: str
    state: Path
    # where the workspaces were; None where they are on a server elsewhere, or nobody had one
    workspaces: Path | None
    settings_file: Path | None
    # number of the account `pelagos-server`; None where there was none
    account: int | None
    # files in the staging folder below `state`
    files: int
    # people whose files had not all arrived: name -> number of files
    under_way: dict[str, int]


def stage(
    deployment: Deployment,
    workspaces: Path | None,
    under_way: dict[str, int],
    problems: dict[str, str],
) -> None:
    """Copy what the VRE must remember into the staging folder, which is made anew.

    Files that can't be copied are named in `problems`.
    """
    state, facts = deployment.state, deployment.facts
    folder = state.folder / STAGE
    shutil.rmtree(folder, ignore_errors=True)  # of a backup that was killed
    part = folder / STATE_PART
    part.mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    layout = deployment.layout
    skipped = {path.resolve() for path in (layout.workspaces, layout.dataspaces)}
    files = 0
    for entry in sorted(state.folder.iterdir()):
        if entry.name in LEFT_OUT or ASIDE in entry.name:
            continue
        # an operator may have put a part elsewhere and linked it
        files += _copy(entry.resolve(), part / entry.name, skipped, problems)
    _keep_settings_file(facts, folder, problems)
    manifest = Manifest(
        instance=state.instance(),
        state=state.folder,
        workspaces=workspaces,
        settings_file=facts.settings_file,
        account=accounts.ids()[0] if os.geteuid() == 0 and accounts.exists() else None,
        files=files,
        under_way=under_way,
    )
    write_private(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


def _copy(source: Path, target: Path, skipped: set[Path], problems: dict[str, str]) -> int:
    """Copy a file or a tree with owners and modes; the number of files.

    Sockets are left out, links are copied as they are.
    """
    if source in skipped:
        return 0
    found = source.lstat()
    if stat.S_ISLNK(found.st_mode):
        target.symlink_to(source.readlink())
        return 0
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(mode=0o700)
        count = sum(
            _copy(child, target / child.name, skipped, problems)
            for child in sorted(source.iterdir())
        )
    elif stat.S_ISREG(found.st_mode) and not _is_side_file(source):
        try:
            _copy_file(source, target)
        except FileNotFoundError:
            return 0  # a temporary file that was renamed
        except (OSError, sqlite3.Error) as error:
            _check_space(error, target)
            problems[str(source)] = str(error)
            return 0
        count = 1
    else:
        return 0
    if os.geteuid() == 0:
        os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))
    return count


def _is_side_file(path: Path) -> bool:
    """Whether SQLite keeps this beside a database: the copy of that is whole without it."""
    for ending in _SIDE_FILES:
        if path.name.endswith(ending):
            return is_database(path.with_name(path.name.removesuffix(ending)))
    return False


def is_database(path: Path) -> bool:
    """Whether this is a SQLite database, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _copy_file(source: Path, target: Path) -> None:
    if is_database(source):
        copy_database(source, target)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def copy_database(source: Path, target: Path, timeout: float = _BUSY_SECONDS) -> None:
    """A consistent copy of a database that others write to; one file, checked.

    Raises sqlite3.Error if it is damaged, or written to all the time. See
    https://www.sqlite.org/backup.html: all pages in one step, so that writers wait for
    milliseconds and the copy need not start again.
    """
    address = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=timeout)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            # honours the timeout, which the backup itself does not: it would wait for ever
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            live.backup(copy)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        _copy_between_writes(source, target)
    with closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")  # no -wal file beside the copy
        check_database(copy)


def _copy_between_writes(source: Path, target: Path) -> None:
    """Copy a database that another process keeps to itself (`locking_mode=EXCLUSIVE`).

    Its files as they are between two writes are what a crash would leave, and SQLite opens that.
    """
    pairs = [
        (source.with_name(source.name + ending), target.with_name(target.name + ending))
        for ending in ("", "-wal", "-journal")
    ]

    def marks() -> list[tuple[int, int, int] | None]:
        found = [path.stat() if path.exists() else None for path, _ in pairs]
        return [one and (one.st_ino, one.st_size, one.st_mtime_ns) for one in found]

    for _ in range(_TRIES):
        before = marks()
        for theirs, mine in pairs:
            mine.unlink(missing_ok=True)
            if theirs.exists():
                shutil.copyfile(theirs, mine)
        if marks() == before:
            return
        time.sleep(0.1)
    raise sqlite3.OperationalError("it is locked, and written to all the time")


def check_database(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError if the database is damaged."""
    answer = connection.execute("PRAGMA integrity_check").fetchone()
    if answer != ("ok",):
        raise sqlite3.DatabaseError(f"the database is damaged: {answer[0]}")


def _check_space(error: Exception, target: Path) -> None:
    """A full disk ends a backup: it is not one file's problem."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "disk is full" in str(error):
        raise PelagosError(
            f"The disk of the state folder is full: {target} can't be written.",
            "Free space; a backup needs as much as the databases and settings take.",
        ) from error


def _keep_settings_file(facts: Facts, folder: Path, problems: dict[str, str]) -> None:
    """The operator's own file, as it is now."""
    if facts.settings_file is None:
        return
    (folder / SETTINGS_PART).mkdir(mode=0o700)
    try:
        shutil.copy2(facts.settings_file, folder / SETTINGS_PART / facts.settings_file.name)
    except OSError as error:
        _check_space(error, folder)
        problems[str(facts.settings_file)] = str(error.strerror)
