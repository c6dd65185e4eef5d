"""The last steps of a restore: making what was staged fit for this machine, and renaming it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pelagos import accounts
from pelagos.deployment import OWN_PORTS, State
from pelagos.errors import StateError
from pelagos.files import write_private
from pelagos.ops.report import Reporter
from pelagos.ops.restic import Snapshot
from pelagos.ops.staging import ASIDE, RESTORING, SETTINGS_PART, STATE_PART, Manifest

_LAST = "deployment.json"  # a state folder without it holds no VRE


# what tells a folder of a VRE from anything else
STATE_MARKS = {"instance", _LAST, "settings.json", "hub"}
WORKSPACES_MARKS = {"users", "virtual-labs"}


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
class Plan:
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


def mount_points() -> list[Path]:
    """Every mount point of this machine. See proc(5) for the octal escapes of blanks."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [
        Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split()[4]))
        for line in lines
    ]


def occupied(folder: Path) -> list[Path]:
    """What is in a folder, without what a restore may find there."""
    ignored = {"run", RESTORING, "lost+found"}
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name not in ignored
        and ASIDE not in path.name
        and (path.is_symlink() or not path.is_dir() or any(path.iterdir()))
    ]


def adjust(plan: Plan, stage: Path, result: Restored) -> None:
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
        ports = dict.fromkeys(OWN_PORTS, 0)
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


def own(plan: Plan, stage: Path, workspaces: Path | None, reporter: Reporter) -> None:
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


def place(plan: Plan, stage: Path, staged: dict[Path, Path], result: Restored) -> None:
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
                if inside and workspaces not in mount_points()
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
    return (
        root / suffix
        if root.resolve() in mount_points()
        else root.with_name(f"{root.name}.{suffix}")
    )


def _aside(root: Path, target: Path, result: Restored, keep: set[Path]) -> None:
    """Move what a folder holds to another one on its disk. What is mounted there stays."""
    mounted = set(mount_points())
    entries = [
        path
        for path in occupied(root)
        if path.resolve() not in mounted
        and not any(one.is_relative_to(path.resolve()) for one in keep)
    ]
    if not entries:
        return
    target.mkdir(mode=0o700, parents=True)
    if not any(target.is_relative_to(told) for told in result.aside):
        result.aside.append(target)
    for path in entries:
        path.rename(target / path.name)


def place_settings_file(plan: Plan, stage: Path, result: Restored) -> None:
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
