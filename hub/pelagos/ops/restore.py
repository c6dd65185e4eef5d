"""Bringing a VRE back from a backup: staged and checked first, then renamed into place.

The staging folders are inside of the state folder and of the workspaces, so that the last step is
a rename also where these are disks of their own. What was there is moved aside, never removed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from pelagos.deployment import State
from pelagos.errors import PelagosError, StateError
from pelagos.layout import Layout
from pelagos.ops.backup import PASSWORD, only_backup, password_file
from pelagos.ops.down import running
from pelagos.ops.placing import (
    STATE_MARKS,
    WORKSPACES_MARKS,
    Plan,
    Restored,
    adjust,
    mount_points,
    occupied,
    own,
    place,
    place_settings_file,
)
from pelagos.ops.report import Reporter
from pelagos.ops.restic import Repository, Snapshot, ensure
from pelagos.ops.staging import (
    MANIFEST,
    RESTORING,
    STAGE,
    STATE_PART,
    Manifest,
    check_database,
    is_database,
)
from pelagos.ops.storage import waiting_in_caches
from pelagos.ops.up import locked
from pelagos.settings import Settings

_SPARE = 2**26  # bytes that a restore leaves free


def restore(
    state: State,
    folder: Path,
    *,
    snapshot: str,
    given_password: Path | None,
    force: bool,
    reporter: Reporter,
) -> Restored:
    """Bring a VRE back into `state` from the backups in `folder`. Raises PelagosError."""
    _check_target(state, force)
    ensure(reporter)
    repository = Repository(folder.absolute(), _password(state, given_password))
    if not repository.exists():
        raise PelagosError(
            f"There are no backups in {folder}.", "Name the folder that ./pelagos backup wrote to."
        )
    repository.check_password()
    if os.access(repository.folder, os.W_OK):
        repository.unlock()
    plan = _plan(repository, choose(repository, snapshot), state, force)
    state.prepare()
    with locked(state), only_backup(state):
        _check_target(state, force)  # again: an `up` may have come before the lock
        try:
            return _restore(repository, plan, reporter)
        finally:
            for root in (state.folder, plan.workspaces):
                if root is not None:
                    shutil.rmtree(root / RESTORING, ignore_errors=True)


def _check_target(state: State, force: bool) -> None:
    """Raise StateError where a VRE runs, or where something is in the way.

    Files that are nowhere but in a cache are: among what is moved aside nobody would upload them.
    """
    if running(state):
        raise StateError(
            f"A VRE runs on the state folder {state.folder}.",
            "Stop it first (./pelagos down --servers), or give another --state DIR.",
        )
    _check_free(state.folder, "The state folder", force, STATE_MARKS)
    if waiting := waiting_in_caches(state.folder):
        people = ", ".join(f"{user} ({count})" for user, count in waiting.items())
        raise StateError(
            f"Files of {people} wait in {state.folder / 'cache'} and are not in their workspaces.",
            "Start the VRE (./pelagos up) and wait until ./pelagos status shows none waiting. If "
            "they are not wanted, or that VRE can't start any more, move that folder away by hand.",
        )


def _password(state: State, given: Path | None) -> Path:
    """The file with the password: never a new one, which could open nothing."""
    if given is None and not (state.secrets / PASSWORD).is_file():
        raise PelagosError(
            "The password of the backups is not on this machine any more.",
            "Write it into a file and name that: --password-file FILE.",
        )
    return password_file(state, given)


def choose(repository: Repository, wanted: str) -> Snapshot:
    """The snapshot of this id, or the newest for `latest`. Raises PelagosError."""
    found = repository.snapshots()
    if not found:
        raise PelagosError(
            f"The repository in {repository.folder} holds no backup of a VRE.",
            "Was the first backup interrupted? Name another folder.",
        )
    listed = "\n".join(
        f"  {one.id}  {one.time:%Y-%m-%d %H:%M:%S %Z}  of {one.owner} on {one.host}"
        for one in found[-20:]
    )
    if wanted == "latest":
        if len({one.owner for one in found}) > 1:
            raise PelagosError(
                f"The repository holds backups of several VREs:\n{listed}",
                "Name one: --snapshot ID.",
            )
        return found[-1]
    matching = [one for one in found if one.id.startswith(wanted[: len(one.id)])]
    if len(wanted) < 4 or len(matching) != 1:
        raise PelagosError(
            f"There is no backup {wanted!r}. Those that there are:\n{listed}",
            "Name one: --snapshot ID, or latest.",
        )
    return matching[0]


def _plan(repository: Repository, snapshot: Snapshot, state: State, force: bool) -> Plan:
    """What a snapshot holds and whether it can go to where it must. Raises PelagosError."""
    stages = [path for path in snapshot.paths if Path(path).name == STAGE]
    if len(stages) != 1:
        raise PelagosError(f"The snapshot {snapshot.id} is not of a VRE.", "Name another one.")
    try:
        manifest = Manifest.model_validate_json(
            repository.dump(snapshot.id, f"{stages[0]}/{MANIFEST}")
        )
        settings = Settings.model_validate_json(
            repository.dump(snapshot.id, f"{stages[0]}/{STATE_PART}/settings.json")
        )
    except ValidationError as error:
        raise StateError(
            f"The backup {snapshot.id} is of another version of Pelagos.",
            "Restore with the version that made it, then update.",
        ) from error
    layout = Layout(state.folder, settings.storage)
    workspaces = layout.workspaces.resolve() if manifest.workspaces is not None else None
    plan = Plan(snapshot, stages[0], manifest, state, workspaces)
    _check_apart(plan, layout)
    if workspaces is not None and not workspaces.is_relative_to(state.folder.resolve()):
        _check_free(workspaces, "The folder of the workspaces", force, WORKSPACES_MARKS)
    _check_mounts(state.folder)
    for path, root in _parts(plan):
        _check_size(repository, plan, path, root)
    return plan


def _check_apart(plan: Plan, layout: Layout) -> None:
    """Raise StateError if a copy would share a folder with the original beside it."""
    if not plan.beside:
        return
    for what, folder in (("workspaces", layout.workspaces), ("dataspaces", layout.dataspaces)):
        if not folder.resolve().is_relative_to(plan.state.folder.resolve()):
            raise StateError(
                f"The {what} in {folder} belong to the VRE in {plan.manifest.state}.",
                "Its settings give them a path of their own: try the restore on another machine.",
            )


def _parts(plan: Plan) -> Iterator[tuple[str, Path]]:
    """Paths in the snapshot, and the folders that they are restored to."""
    yield plan.stage, plan.state.folder
    if plan.workspaces is not None:
        yield str(plan.manifest.workspaces), plan.workspaces


def _check_free(folder: Path, what: str, force: bool, marks: set[str]) -> None:
    """Raise StateError unless the folder is free, or may be made so. `marks`: of what is ours."""
    if folder.exists() and not folder.is_dir():
        raise StateError(f"{what} {folder} is not a folder.", "Name another one: --state DIR.")
    found = occupied(folder)
    if not found:
        return
    if not force:
        raise StateError(
            f"{what} {folder} is not empty.",
            "Give another one with --state DIR, or --force: what is there is then moved aside.",
        )
    if not marks & {path.name for path in found}:
        raise StateError(
            f"{what} {folder} holds something else than a VRE, such as {found[0].name}.",
            "Give another one with --state DIR, or move it away by hand.",
        )


def _check_mounts(folder: Path) -> None:
    """Raise StateError where something is mounted deep in the state folder: it is in use."""
    real = folder.resolve()
    deep = [
        str(point)
        for point in mount_points()
        if point.is_relative_to(real) and len(point.relative_to(real).parts) > 1
    ]
    if deep:
        raise StateError(
            f"Folders are still mounted below {folder}: {', '.join(deep[:5])}.",
            "./pelagos down --servers takes people's storage away; else umount them.",
        )


def _check_size(repository: Repository, plan: Plan, path: str, root: Path) -> None:
    """Raise StateError unless there is room for a part of the snapshot."""
    size = repository.contents(plan.snapshot.id, path)[1]
    place = next(parent for parent in (root, *root.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if size + _SPARE > free:
        raise StateError(
            f"The restore needs {size / 2**20:.0f} MiB in {root}, and its disk has "
            f"{free / 2**20:.0f} MiB free.",
            "Free space, or restore to another disk (--state DIR).",
        )


def _restore(repository: Repository, plan: Plan, reporter: Reporter) -> Restored:
    reporter.step("Checking the backups")
    repository.check()
    moment = f"{plan.snapshot.time:%Y-%m-%d %H:%M %Z}"
    reporter.step(f"Restoring backup {plan.snapshot.id} of {moment}")
    staged = {}
    for path, root in _parts(plan):
        root.mkdir(parents=True, mode=0o700, exist_ok=True)
        shutil.rmtree(root / RESTORING, ignore_errors=True)
        (root / RESTORING).mkdir(mode=0o700)
        staged[root] = repository.restore(plan.snapshot.id, path, root / RESTORING, reporter)
    stage = staged[plan.state.folder]
    reporter.step("Checking what was restored")
    result = Restored(
        snapshot=plan.snapshot.id,
        time=plan.snapshot.time,
        state=plan.state.folder,
        instance=plan.manifest.instance,
        files=_checked_state(stage, plan.manifest),
        workspaces=plan.workspaces,
        workspace_files=0,
    )
    if plan.workspaces is not None:
        part = staged[plan.workspaces]
        result.workspace_files = _count(part)
        wanted = repository.contents(plan.snapshot.id, str(plan.manifest.workspaces))[0]
        if result.workspace_files != wanted:
            raise _incomplete("workspaces", result.workspace_files, wanted)
    adjust(plan, stage, result)
    own(plan, stage, staged.get(plan.workspaces) if plan.workspaces else None, reporter)
    reporter.step(f"Putting it into {plan.state.folder}")
    place(plan, stage, staged, result)
    place_settings_file(plan, stage, result)
    return result


def _incomplete(what: str, found: int, wanted: int) -> StateError:
    return StateError(
        f"Only {found} of {wanted} files of the {what} were restored.",
        "Nothing was put into place. Try another backup: --snapshot ID.",
    )


def _count(folder: Path) -> int:
    """Regular files below a folder."""
    return sum(
        not os.path.islink(os.path.join(path, name))
        for path, _, names in os.walk(folder)
        for name in names
    )


def _checked_state(stage: Path, manifest: Manifest) -> int:
    """Check the restored state; its number of files. Raises StateError."""
    part = stage / STATE_PART
    found = _count(part)
    if found != manifest.files:
        raise _incomplete("state", found, manifest.files)
    state = State(part)
    state.settings()
    facts = state.facts()
    if facts.instance != manifest.instance:
        raise StateError("The backup is of two VREs at once.", "Try another: --snapshot ID.")
    for path in stage.rglob("*"):
        if path.is_file() and not path.is_symlink() and is_database(path):
            try:
                with closing(sqlite3.connect(path)) as database:
                    check_database(database)
            except sqlite3.Error as error:
                raise StateError(
                    f"The database {path.relative_to(stage)} of the backup is damaged: {error}.",
                    "Try another backup: --snapshot ID.",
                ) from error
    return found
