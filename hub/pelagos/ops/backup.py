"""Backups of a VRE: what it must remember and people's workspaces, in one restic snapshot.

The state is copied into a staging folder first, databases with SQLite's online backup, so that
what restic reads stands still. Workspaces are read where they are: uploads arrive by a rename, so
each file is whole. Nothing is stopped.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from pelagos import accounts
from pelagos.deployment import Deployment, Facts, State, write_private
from pelagos.errors import PelagosError, StateError
from pelagos.layout import Layout
from pelagos.ops.report import Reporter
from pelagos.ops.restic import Repository, ensure
from pelagos.settings import Settings, WorkspaceKind

PASSWORD = "backup-password"  # noqa: S105 - the name of its file
STAGE = "backup-stage"
MANIFEST = "manifest.json"
STATE_PART = "state"
# staging folder of a restore, and the beginning of what it moves aside on a disk of its own
RESTORING = ".restoring"
ASIDE = "before-restore-"
SETTINGS_PART = "settings-file"
WAIT_SECONDS = 60
# Top-level entries of the state folder that a backup leaves out: what is worthless elsewhere,
# volatile, or only a view of something else. Everything else is in, also what a later version adds.
LEFT_OUT = {
    "logs", "run", "cache", "homes", "dataspaces", "mounts", "views", "workspaces",
    STAGE, RESTORING,
}  # fmt: skip
_SQLITE = b"SQLite format 3\0"
_SIDE_FILES = ("-wal", "-shm", "-journal")
_BUSY_SECONDS = 60
_AGENT_SECONDS = 30


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


@dataclass
class Result:
    """What a backup did, for the operator. Sizes in bytes, time in seconds."""

    snapshot: str
    files: int
    size: int
    added: int
    seconds: float
    password_file: Path
    under_way: dict[str, int]
    unread: dict[str, str]
    forgotten: int = 0
    left_out: list[str] = field(default_factory=list)


def password_file(state: State, given: Path | None) -> Path:
    """The file with the password of backups: the given one, else the VRE's own, made if missing.

    Raises PelagosError if the given one holds none.
    """
    if given is None:
        state.secret(PASSWORD)
        return state.secrets / PASSWORD
    try:
        text = given.read_text().strip()
    except OSError as error:
        raise PelagosError(
            f"The password file {given} can't be read: {error.strerror}.",
            "Name a file that holds the password of the backups in one line.",
        ) from error
    if not text:
        raise PelagosError(f"The password file {given} is empty.", "Write the password into it.")
    return given.absolute()


def check_place(folder: Path, layout: Layout) -> None:
    """Raise PelagosError if backups in `folder` would back up, or sweep away, themselves."""
    place = folder.resolve()
    for what, kept in (
        ("the state folder", layout.state),
        ("the workspaces", layout.workspaces),
        ("the dataspaces", layout.dataspaces),
    ):
        real = kept.resolve()
        if place == real or place.is_relative_to(real):
            raise PelagosError(
                f"{folder} is inside of {what} ({kept}).",
                "A backup belongs elsewhere, best on another disk or machine.",
            )
        if real.is_relative_to(place):
            raise PelagosError(
                f"{folder} holds {what} ({kept}) itself.",
                "Name a folder that is for backups only.",
            )


@contextmanager
def only_backup(state: State) -> Iterator[None]:
    """One backup or restore of a state folder at a time. Raises StateError.

    Not the lock of `up`: a VRE can start and stop while a backup runs.
    """
    state.run.mkdir(mode=0o700, exist_ok=True)
    with (state.run / "backup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"Another backup or restore of {state.folder} is under way.", "Wait for its end."
            ) from error
        yield


def backup(
    state: State,
    folder: Path,
    *,
    given_password: Path | None,
    wait: float,
    keep: int | None,
    reporter: Reporter,
) -> Result:
    """Make one backup of the VRE into `folder`. Raises PelagosError of some kind."""
    began = time.monotonic()
    deployment = Deployment.load(state.folder)
    state.check_owner()
    layout = deployment.layout
    check_place(folder, layout)
    ensure(reporter)
    password = password_file(state, given_password)
    repository = Repository(folder.absolute(), password)
    with only_backup(state):
        repository.open_or_make(reporter)
        repository.unlock()
        under_way = wait_for_uploads(deployment.agent_socket, wait, reporter)
        workspaces = workspaces_of(deployment.settings, layout)
        owner = state.instance()
        reporter.step("Copying settings, secrets and databases")
        problems: dict[str, str] = {}
        try:
            stage(deployment, workspaces, under_way, problems)
            reporter.step(f"Backing up to {folder}")
            paths = [state.folder / STAGE, *([workspaces] if workspaces else [])]
            kept = repository.backup(paths, owner, _excluded(workspaces), reporter)
        finally:
            shutil.rmtree(state.folder / STAGE, ignore_errors=True)
        forgotten = 0
        if keep is not None:
            reporter.step(f"Forgetting all but the newest {keep} backups")
            forgotten = repository.keep_last(keep, owner)
    return Result(
        snapshot=kept.snapshot,
        files=kept.files,
        size=kept.size,
        added=kept.added,
        seconds=time.monotonic() - began,
        password_file=password,
        under_way=under_way,
        unread={**problems, **kept.unread},
        forgotten=forgotten,
        left_out=left_out(deployment),
    )


def left_out(deployment: Deployment) -> list[str]:
    """What an operator must know is in no backup."""
    facts, storage = deployment.facts, deployment.settings.storage
    homes = "in the engine's volumes" if facts.backend == "docker" else str(deployment.state.homes)
    found = [f"homes ({homes})", f"dataspaces ({deployment.layout.dataspaces})"]
    if storage.workspace.kind is WorkspaceKind.WEBDAV:
        found.append("workspaces (on the WebDAV server, which has backups of its own)")
    return found


def workspaces_of(settings: Settings, layout: Layout) -> Path | None:
    """The folder of the embedded workspaces; None where there is none."""
    if settings.storage.workspace.kind is not WorkspaceKind.EMBEDDED:
        return None
    return layout.workspaces.resolve() if layout.workspaces.is_dir() else None


def _excluded(workspaces: Path | None) -> list[str]:
    """Patterns of restic: what restores left or moved aside is no part of the workspaces."""
    return [f"{workspaces}/{RESTORING}", f"{workspaces}/{ASIDE}*"] if workspaces else []


def wait_for_uploads(agent: Path, seconds: float, reporter: Reporter) -> dict[str, int]:
    """Wait until no file is on its way to a workspace; who still has how many after `seconds`.

    Nothing is waited for where no agent answers.
    """
    deadline = time.monotonic() + seconds
    told = False
    while True:
        under_way = _under_way(agent)
        if not under_way or time.monotonic() >= deadline:
            break
        if not told:
            reporter.step(f"Waiting up to {seconds:.0f} s for files on their way to workspaces")
            told = True
        reporter.detail(", ".join(f"{user}: {count}" for user, count in under_way.items()))
        time.sleep(min(1, max(0, deadline - time.monotonic())))
    return under_way


def _under_way(path: Path) -> dict[str, int]:
    """How many files of whom the node agent has not passed on."""
    try:
        # httpx leaves its socket open where nobody listens
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.settimeout(_AGENT_SECONDS)
            probe.connect(str(path))
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, timeout=_AGENT_SECONDS) as client:
            answer = client.get("http://agent/workspaces")
            answer.raise_for_status()
            people: list[dict[str, Any]] = answer.json()
            counts = {str(one["user"]): _count(one) for one in people}
    except (OSError, httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}  # no agent, or an old one
    return {user: count for user, count in counts.items() if count}


def _count(person: dict[str, Any]) -> int:
    """Files that are queued or being sent, and those that were refused and are tried again."""
    failed = person.get("failed", 0)
    pending = int(person["pending"])
    return max(pending, len(failed) if isinstance(failed, list) else int(failed))


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
        if entry.name in LEFT_OUT or entry.name.startswith(ASIDE):
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


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that others write to; one file, checked.

    Raises sqlite3.Error if it is damaged, or locked for a minute. See
    https://www.sqlite.org/backup.html: all pages in one step, so that writers wait for
    milliseconds and the copy need not start again.
    """
    address = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # no -wal file beside the copy
        check_database(copy)


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
