"""Bringing a VRE back from a backup: staged and checked first, then renamed into place.

The staging folders are inside of the state folder and of the workspaces, so that the last step is
a rename also where these are disks of their own. What was there is moved aside, never removed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pelagos import accounts
from pelagos.deployment import State, write_private
from pelagos.errors import PelagosError, StateError
from pelagos.layout import Layout
from pelagos.ops.backup import (
    ASIDE,
    MANIFEST,
    PASSWORD,
    RESTORING,
    SETTINGS_PART,
    STAGE,
    STATE_PART,
    Manifest,
    check_database,
    is_database,
    only_backup,
    password_file,
)
from pelagos.ops.down import running
from pelagos.ops.report import Reporter
from pelagos.ops.restic import Repository, Snapshot, ensure
from pelagos.ops.up import locked
from pelagos.settings import Settings

_SPARE = 2**26  # bytes that a restore leaves free
_LAST = "deployment.json"  # a state folder without it holds no VRE


@dataclass
class Restored:
    """What a restore did, for the operator."""

    snapshot: str
    time: datetime
    state: Path
    instance: str
    files: int
    workspaces: Path | None
    workspace_files: int
    aside: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Plan:
    """What is restored to where."""

    snapshot: Snapshot
    stage: str
    manifest: Manifest
    state: State
    # the folder for the workspaces; None if the snapshot holds none
    workspaces: Path | None

    @property
    def beside(self) -> bool:
        """Whether the VRE of the backup is still on this machine, in another folder."""
        return self.manifest.state != self.state.folder and _instance(self.manifest.state) == (
            self.manifest.instance
        )


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
    if running(state):
        raise StateError(
            f"A VRE runs on the state folder {state.folder}.",
            "Stop it first (./pelagos down --servers), or give another --state DIR.",
        )
    _check_free(state.folder, "The state folder", force)
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
        try:
            return _restore(repository, plan, reporter)
        finally:
            for root in (state.folder, plan.workspaces):
                if root is not None:
                    shutil.rmtree(root / RESTORING, ignore_errors=True)


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


def _plan(repository: Repository, snapshot: Snapshot, state: State, force: bool) -> _Plan:
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
    workspaces = None
    if manifest.workspaces is not None:
        workspaces = Layout(state.folder, settings.storage).workspaces.resolve()
    plan = _Plan(snapshot, stages[0], manifest, state, workspaces)
    if workspaces is not None and not workspaces.is_relative_to(state.folder.resolve()):
        if plan.beside:
            raise StateError(
                f"The workspaces {workspaces} belong to the VRE in {manifest.state}.",
                "Its settings give them a path of their own: try the restore on another machine.",
            )
        _check_free(workspaces, "The folder of the workspaces", force)
    _check_mounts(state.folder)
    for path, root in _parts(plan):
        _check_size(repository, plan, path, root)
    return plan


def _parts(plan: _Plan) -> Iterator[tuple[str, Path]]:
    """Paths in the snapshot, and the folders that they are restored to."""
    yield plan.stage, plan.state.folder
    if plan.workspaces is not None:
        yield str(plan.manifest.workspaces), plan.workspaces


def _occupied(folder: Path) -> list[Path]:
    """What is in a folder, without what a restore may find there."""
    ignored = {"run", RESTORING, "lost+found"}
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name not in ignored
        and not path.name.startswith(ASIDE)
        and (path.is_symlink() or not path.is_dir() or any(path.iterdir()))
    ]


def _check_free(folder: Path, what: str, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise StateError(f"{what} {folder} is not a folder.", "Name another one: --state DIR.")
    if not force and _occupied(folder):
        raise StateError(
            f"{what} {folder} is not empty.",
            "Give another one with --state DIR, or --force: what is there is then moved aside.",
        )


def _check_mounts(folder: Path) -> None:
    """Raise StateError where something is mounted deep in the state folder: it is in use."""
    real = folder.resolve()
    mounted = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # octal escapes of spaces and the like, see proc(5)
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point.is_relative_to(real) and len(point.relative_to(real).parts) > 1:
            mounted.append(str(point))
    if mounted:
        raise StateError(
            f"Folders are still mounted below {folder}: {', '.join(mounted[:5])}.",
            "./pelagos down --servers takes people's storage away; else umount them.",
        )


def _check_size(repository: Repository, plan: _Plan, path: str, root: Path) -> None:
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


def _restore(repository: Repository, plan: _Plan, reporter: Reporter) -> Restored:
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
    _place(plan, stage, staged, result)
    _place_settings_file(plan, stage, result)
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
    for path in part.rglob("*"):
        if path.is_file() and not path.is_symlink() and is_database(path):
            try:
                with closing(sqlite3.connect(path)) as database:
                    check_database(database)
            except sqlite3.Error as error:
                raise StateError(
                    f"The database {path.relative_to(part)} of the backup is damaged: {error}.",
                    "Try another backup: --snapshot ID.",
                ) from error
    return found


def adjust(plan: _Plan, stage: Path, result: Restored) -> None:
    """Make the restored state fit for its folder, and for a VRE that goes on beside it."""
    if not plan.beside:
        result.notes.append(
            f"Its instance id is still {result.instance}: homes, volumes and networks of that "
            "name on this machine are found again."
        )
    if plan.manifest.state == plan.state.folder:
        return
    state = State(stage / STATE_PART)
    facts, settings = state.facts(), state.settings()
    # what ends leftovers of this VRE tells its proxy from others' by the port
    facts = facts.model_copy(update={"proxy_api_port": 0})
    if plan.beside:
        result.instance = secrets.token_hex(3)
        write_private(state.folder / "instance", result.instance + "\n")
        ports = {"hub_port": 0, "dav_port": 0, "workspace_port": 0}
        facts = facts.model_copy(update={"instance": result.instance, **ports})
        _forget_servers(state.hub / "jupyterhub.sqlite")
        result.notes.append(
            f"The VRE of the backup is still in {plan.manifest.state}. This copy has an instance "
            f"id of its own ({result.instance}) and touches none of its servers; start it on "
            f"another port: ./pelagos up --state {plan.state.folder} --port N"
        )
    state.write(facts, settings)


def _forget_servers(path: Path) -> None:
    """Take people's running servers out of a hub's database: they belong to another VRE."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "DELETE FROM servers WHERE id IN (SELECT server_id FROM spawners"
                " WHERE server_id IS NOT NULL)"
            )
            database.execute("UPDATE spawners SET server_id = NULL, state = NULL, started = NULL")
    except sqlite3.Error as error:
        raise StateError(
            f"The hub's database of the backup is of another version: {error}.",
            "Restore it with the version of Pelagos that made it, or where its VRE was.",
        ) from error


def own(plan: _Plan, stage: Path, workspaces: Path | None, reporter: Reporter) -> None:
    """Owners and modes as this machine has them: numbers of accounts differ between machines."""
    me = (os.geteuid(), os.getegid())
    account = me
    if os.geteuid() == 0 and plan.manifest.account is not None:
        if not accounts.exists():
            reporter.step(f"Making the system account {accounts.ACCOUNT}")
            accounts.make()
        account = accounts.ids()
    for path in _tree(stage):
        theirs = plan.manifest.account is not None and path.lstat().st_uid == plan.manifest.account
        os.lchown(path, *(account if theirs else me))
    if os.geteuid() == 0 and accounts.exists():
        account = accounts.ids()
    for path in _tree(workspaces) if workspaces else ():
        os.lchown(path, *account)
    part = State(stage / STATE_PART)
    for folder in (part.secrets, part.hub):
        folder.chmod(0o700)
    for path in part.secrets.iterdir():
        path.chmod(0o600)


def _tree(folder: Path) -> Iterator[Path]:
    """A folder and all that is below it."""
    yield folder
    for path, folders, files in os.walk(folder):
        yield from (Path(path, name) for name in (*folders, *files))


def _place(plan: _Plan, stage: Path, staged: dict[Path, Path], result: Restored) -> None:
    """Move aside what is there, and rename what was restored into its place."""
    suffix = f"{ASIDE}{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}"
    state, workspaces = plan.state.folder, plan.workspaces
    try:
        keep = {workspaces} if workspaces is not None else set()
        _aside(state, beside(state, suffix), result, keep)
        if workspaces is not None:
            inside = workspaces.is_relative_to(state.resolve()) and bool(result.aside)
            target = (
                result.aside[0] / workspaces.relative_to(state.resolve())
                if inside and not workspaces.is_mount()
                else beside(workspaces, suffix)
            )
            _aside(workspaces, target, result, keep=set())
        if workspaces is not None:
            for path in staged[workspaces].iterdir():
                path.rename(workspaces / path.name)
            shutil.copystat(staged[workspaces], workspaces)
            found = staged[workspaces].stat()
            os.chown(workspaces, found.st_uid, found.st_gid)
        for path in sorted((stage / STATE_PART).iterdir(), key=lambda path: path.name == _LAST):
            _move(path, state / path.name)
    except OSError as error:
        moved = (
            f" What was there is in {', '.join(map(str, result.aside))}." if result.aside else ""
        )
        raise StateError(
            f"The restored files can't be put into place: {error.strerror}: {error.filename}."
            + moved,
            "Mend that, then restore again with --force.",
        ) from error


def _move(source: Path, target: Path) -> None:
    """Rename, or into a folder that had to stay because the workspaces are in it."""
    if target.is_dir() and not target.is_symlink() and any(target.iterdir()):
        for path in source.iterdir():
            _move(path, target / path.name)
    else:
        source.rename(target)


def beside(root: Path, suffix: str) -> Path:
    """Where what a folder holds is moved to: inside of it where it is a disk of its own."""
    return root / suffix if root.is_mount() else root.with_name(f"{root.name}.{suffix}")


def _aside(root: Path, target: Path, result: Restored, keep: set[Path]) -> None:
    """Move what a folder holds to another one on its disk."""
    entries = [
        path
        for path in _occupied(root)
        if not path.is_mount() and not any(one.is_relative_to(path.resolve()) for one in keep)
    ]
    if not entries:
        return
    target.mkdir(mode=0o700, parents=True)
    if not any(target.is_relative_to(told) for told in result.aside):
        result.aside.append(target)
    for path in entries:
        path.rename(target / path.name)


def _place_settings_file(plan: _Plan, stage: Path, result: Restored) -> None:
    """Put the operator's settings file back where it was, unless one is there."""
    path = plan.manifest.settings_file
    if path is None:
        return
    kept = stage / SETTINGS_PART / path.name
    if not kept.is_file() or (path.is_file() and path.read_bytes() == kept.read_bytes()):
        return
    target = path
    if path.exists():
        target = plan.state.folder / f"{path.name}.of-backup"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(kept, target)
    except OSError as error:
        target = plan.state.folder / path.name
        shutil.copy2(kept, target)
        result.notes.append(
            f"The settings file can't be put to {path} ({error.strerror}): it is {target}, "
            f"start with ./pelagos up --settings {target}"
        )
        return
    if target == path:
        result.notes.append(f"The settings file is back in {path}.")
    else:
        result.notes.append(
            f"{path} has changed since the backup and was left as it is; the one of the backup is "
            f"{target}."
        )


def _instance(folder: Path) -> str:
    """The instance id of the VRE in a state folder; empty if there is none."""
    try:
        return (folder / "instance").read_text().strip()
    except OSError:
        return ""
