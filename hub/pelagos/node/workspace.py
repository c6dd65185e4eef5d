"""One person's workspace on this node: a WebDAV mount, kept as it should be.

`want` when a server starts, `release` when the last one stopped; `look`, called again and again,
does the rest: it probes the WebDAV server, mounts, heals what died, lets uploads end, and only then
unmounts. What is wanted stands in a small file, so that a new agent goes on.

Nothing here ever looks at a file on a mount: a hung WebDAV server would hang the agent. For the
same reason nothing that people wait for takes the lock that `look` holds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import threading
import time

from pelagos.deployment import Deployment, mount_password
from pelagos.errors import PelagosError, StorageError, VaultError
from pelagos.files import write_private
from pelagos.node import mounts, placeholder
from pelagos.node.aside import set_aside
from pelagos.node.probe import Space, probe
from pelagos.node.rclone import (
    EMBEDDED,
    Cached,
    Mount,
    Places,
    Remote,
    cached,
    processes,
    remotes_in,
)
from pelagos.node.status import State, Status
from pelagos.settings import WorkspaceKind
from pelagos.sockets import segment
from pelagos.vault import Vault
from pelagos.volumes import safe_name

logger = logging.getLogger(__name__)

PROBE_SECONDS = 20.0  # between looks at the server behind a healthy mount
APPEAR_SECONDS = 10.0  # for a mount to appear
END_SECONDS = 5.0  # for a killed process to be gone
HUNG_LOOKS = 4  # remote control silent for so many looks in a row: the process hangs
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 30.0
NO_ACCOUNT = (
    "no account on the WebDAV server was entered yet. Enter it on the page of your workspace "
    "(/services/workspace/)"
)


class Workspace:
    """One person's mount."""

    def __init__(self, deployment: Deployment, user: str) -> None:
        layout, state = deployment.layout, deployment.state
        short = layout.socket_name(user)
        folder = deployment.state.folder / "agent" / "workspaces"
        self.user = user
        self._looking = threading.Lock()  # held while the mount is worked on
        self._deciding = threading.Lock()  # held for a moment, over what is wanted
        self.wanted = False
        self.deleted = False  # the account is gone, and the folder is yet to be set aside
        self.space = Space()
        self.reason = ""
        self._deployment = deployment
        self._record = folder / f"{safe_name(user)}.json"
        self._parent = layout.mount_parent(user)
        self._target = self._parent / "data"
        self._mount = Mount(
            Places(
                target=self._target,
                cache=layout.cache(user),
                config=state.run / f"m-{short}.conf",  # not in backups: it holds a password
                log=state.logs / "mounts" / f"{safe_name(user)}.log",
                socket=state.run / f"m-{short}",
            )
        )
        self._stamp = ""  # of the remote that is mounted
        self._retrying = False
        self._silent = 0
        self._wait = _FIRST_WAIT
        self._next_try = self._next_probe = 0.0

    # what is remembered across agents

    def load(self) -> None:
        """Take on what an agent before this one left."""
        try:
            record = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return
        self.wanted = bool(record.get("wanted"))
        self.deleted = bool(record.get("deleted"))
        self._stamp = str(record.get("stamp", ""))

    def _save(self) -> None:
        """Remember. The caller holds `_deciding`."""
        self._record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        record = {
            "user": self.user,
            "wanted": self.wanted,
            "deleted": self.deleted,
            "stamp": self._stamp,
        }
        write_private(self._record, json.dumps(record) + "\n")

    # what the agent is asked

    def want(self) -> None:
        """A server of this person starts: what it binds must be there before.

        If somebody of the same name was deleted, that is finished first, by `look`.
        """
        with self._deciding:
            self._make_folders()
            if not self.wanted:
                self.wanted = True
                self._next_try = 0.0
            self._save()

    def release(self, *, deleted: bool = False) -> None:
        """The person's last server stopped; `deleted`: and their account is gone."""
        with self._deciding:
            self.wanted = False
            self.deleted = self.deleted or deleted
            self._next_try = 0.0
            self._save()

    def retry(self) -> None:
        """Try everything now that waits for its time: the next `look` does it, once."""
        self._next_try = self._next_probe = 0.0
        self._wait = _FIRST_WAIT
        self._retrying = True

    def status(self) -> Status:
        """How it is."""
        mounted = mounts.is_mount(self._target)
        uploads = self._mount.uploads() if mounted else None
        reason = self.reason
        if uploads is None:
            waiting = [file for file in self._cached() if file.dirty]
            state = State.ABSENT
            if mounted or self.wanted or waiting:
                state = State.UNAVAILABLE if reason else State.MOUNTING
            pending, size = len(waiting), sum(file.size for file in waiting)
            uploads = []
        else:
            state = State.MOUNTED if self.wanted else State.LEAVING
            pending, size = len(uploads), sum(upload.size for upload in uploads)
        return Status(
            user=self.user,
            wanted=self.wanted,
            state=state,
            reason=reason,
            pending=pending,
            pending_bytes=size,
            failed=[upload for upload in uploads if upload.failed],
            used=self.space.used,
            total=self.space.total,
        )

    def _cached(self) -> list[Cached]:
        cache = self._mount.places.cache
        return [file for name in remotes_in(cache) for file in cached(cache, name)]

    # what the keeper does

    def look(self) -> bool:
        """Bring it one step nearer to how it should be; whether there is anything left to do."""
        with self._looking:
            try:
                return self._look()
            except (OSError, PelagosError) as error:
                self._fail(str(error).rstrip("."))
                return True

    def _look(self) -> bool:
        if self.deleted:
            self._set_aside()
        remote, why = self._remote()
        mounted = mounts.is_mount(self._target)
        if mounted and (remote is None or remote.stamp != self._stamp):
            # another password or address, or none any more; the cache keeps what waits
            self._take_down()
            mounted = False
        if mounted:
            return self._look_at_mount(remote)
        if not self.wanted and not (remote and self._waits_for(remote)):
            return self._finish()
        if remote is None:
            self._fail(why)
        elif time.monotonic() >= self._next_try:
            self._try(remote)
        return True

    def _look_at_mount(self, remote: Remote | None) -> bool:
        uploads = self._mount.uploads()
        if uploads is None:
            self._silent += 1
            if self._mount.ended or self._silent >= HUNG_LOOKS or not processes(self._target):
                logger.warning("The mount of %r died; mounting again", self.user)
                self._take_down()
                self._next_try = 0.0
                if remote is not None:
                    self._try(remote)
            return True
        self._silent = 0
        if not self.wanted and not uploads:
            return self._unmount()
        if self._retrying:
            self._retrying = False
            self._mount.retry()
        if remote is not None and time.monotonic() >= self._next_probe:
            self._next_probe = time.monotonic() + PROBE_SECONDS
            space, reason = probe(remote)
            self.reason = reason or self._held(remote)
            self.space = space or self.space
        return True

    def _held(self, remote: Remote) -> str:
        """What waits in the cache for another account or address than the present one."""
        cache = self._mount.places.cache
        others = [name for name in remotes_in(cache) if name != remote.name]
        waiting = [file for name in others for file in cached(cache, name) if file.dirty]
        if not waiting:
            return ""
        return (
            f"{len(waiting)} files, such as {waiting[0].name!r}, wait for the account or address "
            "that this workspace had before; enter that again and they arrive there"
        )

    def _waits_for(self, remote: Remote) -> bool:
        return any(file.dirty for file in cached(self._mount.places.cache, remote.name))

    def _try(self, remote: Remote) -> None:
        """Probe and mount."""
        space, reason = probe(remote)
        if reason:
            self._fail(reason)
            return
        self.space = space or self.space
        self._make_folders()
        self._end_process()  # two of them on one cache would be the end of it
        with self._deciding:
            self._stamp = remote.stamp
            self._save()
        self._mount.start(remote, self._deployment.settings.storage.workspace.cache)
        deadline = time.monotonic() + APPEAR_SECONDS
        while not mounts.is_mount(self._target):
            if self._mount.ended or time.monotonic() > deadline:
                self._end_process()
                self._fail(f"the mount did not come up; its log is {self._mount.places.log}")
                return
            time.sleep(0.02)
        self._silent, self._wait, self.reason = 0, _FIRST_WAIT, self._held(remote)
        self._next_probe = time.monotonic() + PROBE_SECONDS

    def _fail(self, reason: str) -> None:
        """Say why it is not there, and when to try again."""
        if reason != self.reason:
            logger.warning("The workspace of %r is not mounted: %s", self.user, reason)
        self.reason = reason
        self._next_try = time.monotonic() + self._wait
        self._wait = min(self._wait * 1.5, _LONGEST_WAIT)
        if not mounts.is_mount(self._target):
            with contextlib.suppress(OSError, StorageError):  # said by `want`, or by this reason
                self._make_folders()

    def _make_folders(self) -> None:
        """What a server binds, in a folder from which later mounts reach it.

        Without that the engine refuses to start the server at all.
        """
        base = self._parent.parent
        base.mkdir(mode=0o700, exist_ok=True)
        mounts.shared(base)
        placeholder.make(self._parent, self.reason or "it is being mounted")

    def _take_down(self) -> None:
        """End the process and take its mount away; what waits stays in the cache."""
        self._silent = 0
        try:
            self._end_process()
        finally:
            mounts.unmount(self._target, lazy=True)

    def _end_process(self) -> None:
        """End every process behind this mount, whoever started it, and wait for its end.

        Raises StorageError if one stays: two of them on one cache would be the end of it.
        """
        deadline = time.monotonic() + END_SECONDS
        while found := processes(self._target):
            if time.monotonic() > deadline:
                raise StorageError(f"the mount's process {found[0]} does not end")
            for number in found:
                self._mount.kill(number)
            time.sleep(0.02)

    def _unmount(self) -> bool:
        """Everything has arrived: leave, unless somebody has a file open."""
        try:
            mounts.unmount(self._target, lazy=False)
        except StorageError as error:
            logger.info("The workspace of %r stays mounted for now: %s", self.user, error)
            return True
        self._take_down()
        return True  # the next look sees whether the last moment brought something

    def _finish(self) -> bool:
        """Nothing wanted, nothing waiting; whether there is anything left to do."""
        self._end_process()
        with self._deciding:
            if self.wanted or self.deleted:
                return True  # somebody came back, or went for good, in this moment
            left = [file for file in self._cached() if file.dirty is not False]
            if left:
                # of another account, or damaged: a person may want it
                logger.warning("The cache of %r keeps %d files", self.user, len(left))
                return False
            # everything has arrived: what is in the cache is a copy
            shutil.rmtree(self._mount.places.cache, ignore_errors=True)
            self._forget()
            return False

    def _forget(self) -> None:
        """Nothing is known of this person any more."""
        for path in (self._record, self._mount.places.config, self._mount.places.socket):
            path.unlink(missing_ok=True)
        self.reason, self._stamp = "", ""

    def _set_aside(self) -> None:
        """The account is gone: at once, before anybody of the same name comes, and nothing is lost.

        What has not arrived goes beside the workspace that it was meant for.
        """
        self._take_down()
        with self._deciding:
            aside = None
            if self._embedded:
                aside = set_aside(self._deployment.layout, self.user)
            else:
                self._vault().forget(self.user)
            cache = self._mount.places.cache
            if any(file.dirty is not False for file in self._cached()):
                place = aside or cache
                shutil.move(cache, place.with_name(f"{place.name}-not-arrived-{time.time_ns()}"))
            shutil.rmtree(cache, ignore_errors=True)
            self._forget()
            self.deleted = False
            if self.wanted:
                self._save()
            else:
                placeholder.remove(self._parent)

    def remote(self) -> tuple[Remote | None, str]:
        """The person's folder on the WebDAV server, or why there is none."""
        return self._remote()

    def _vault(self) -> Vault:
        """Accounts elsewhere. Raises VaultError if its key is damaged."""
        state = self._deployment.state
        return Vault(state.storage / "credentials", state.secret("storage-key"))

    @property
    def _embedded(self) -> bool:
        return self._deployment.settings.storage.workspace.kind is WorkspaceKind.EMBEDDED

    def _remote(self) -> tuple[Remote | None, str]:
        """The folder to mount, or why there is none."""
        if self._embedded:
            key = self._deployment.state.secret("workspace-mount")
            password = mount_password(key, self.user)
            url = f"{self._deployment.dav_url}/{segment(self.user)}/"
            return Remote(EMBEDDED, url, self.user, password), ""
        try:
            account = self._vault().get(self.user)
        except VaultError as error:
            return None, str(error).rstrip(".")
        if account is None:
            return None, NO_ACCOUNT
        identity = f"{account.url}\n{account.user}"
        return Remote(identity, account.url, account.user, account.password), ""

    def close(self) -> None:
        """Unmount at once; what waits stays in the cache."""
        with self._looking:
            self._take_down()
