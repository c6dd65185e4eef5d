"""Backups of a VRE: what it must remember and people's workspaces, in one restic snapshot.

The state is staged first (see `staging`), so that what restic reads stands still. Workspaces are
read where they are: uploads arrive by a rename, so each file is whole. Nothing is stopped.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from pelagos.deployment import Deployment, State
from pelagos.errors import PelagosError, StateError
from pelagos.layout import Layout
from pelagos.ops.report import Reporter
from pelagos.ops.restic import Repository, ensure
from pelagos.ops.staging import ASIDE, RESTORING, STAGE, stage
from pelagos.ops.storage import waiting_in_caches
from pelagos.settings import Settings, WorkspaceKind
from pelagos.sockets import unix_client

PASSWORD = "backup-password"  # noqa: S105 - the name of its file
WAIT_SECONDS = 60
_AGENT_SECONDS = 30


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
    reporter.notice(
        f"The password of these backups is in {password}. Keep a copy of it somewhere else: "
        "without it nobody can read them when this machine is lost."
    )
    with only_backup(state):
        repository.open_or_make(reporter)
        repository.unlock()
        under_way = wait_for_uploads(deployment, wait, reporter)
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
    """Patterns of restic: what restores left beside people's files, and uploads under way."""
    names = (RESTORING, f"{ASIDE}*", "*/.staging")
    return [f"{workspaces}/{name}" for name in names] if workspaces else []


def wait_for_uploads(deployment: Deployment, seconds: float, reporter: Reporter) -> dict[str, int]:
    """Wait until no file is on its way to a workspace; who still has how many after `seconds`.

    Where no agent answers nothing is waited for, and what waits is counted on the disk.
    """
    deadline = time.monotonic() + seconds
    told = False
    while True:
        under_way = _under_way(deployment.agent_socket)
        if under_way is None:
            return waiting_in_caches(deployment.state.folder)
        if not under_way or time.monotonic() >= deadline:
            return under_way
        if not told:
            reporter.step(f"Waiting up to {seconds:.0f} s for files on their way to workspaces")
            told = True
        reporter.detail(", ".join(f"{user}: {count}" for user, count in under_way.items()))
        time.sleep(min(1, max(0, deadline - time.monotonic())))


def _under_way(path: Path) -> dict[str, int] | None:
    """How many files of whom the node agent has not passed on; refused ones are among them.

    None if it does not answer.
    """
    try:
        with unix_client(path, _AGENT_SECONDS) as client:
            people = client.get("/workspaces").raise_for_status().json()
            counts = {str(one["user"]): int(one["pending"]) for one in people}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None  # no agent, or an old one
    return {user: count for user, count in counts.items() if count}
