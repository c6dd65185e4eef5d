"""The workspaces of a node, all of them: known by name, looked at every few seconds."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from pelagos.deployment import Deployment
from pelagos.node import mounts
from pelagos.node.status import State, Status
from pelagos.node.workspace import Workspace

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
_THREADS = 8


class Workspaces:
    """All of them."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._folder = deployment.state.folder / "agent" / "workspaces"
        self._known: dict[str, Workspace] = {}
        self._guard = threading.RLock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="workspace")
        self._busy: set[str] = set()
        self._closed = False

    def recover(self) -> None:
        """Go on where an agent before this one stopped."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                self.of(str(json.loads(path.read_text())["user"]))
            except (OSError, ValueError, KeyError):
                logger.warning("%s is damaged", path)

    def of(self, user: str) -> Workspace:
        """The workspace of one person, known before or not."""
        with self._guard:
            found = self._known.get(user)
            if found is None:
                found = self._known[user] = Workspace(self._deployment, user)
                found.load()
            return found

    def want(self, user: str) -> Status:
        """A server of this person starts. Returns before the mount is there."""
        with self._guard:  # or it is forgotten between the two
            one = self.of(user)
            one.want()
        self.kick(user)
        return one.status()

    def release(self, user: str, *, deleted: bool = False) -> Status:
        """The person's last server stopped; `deleted`: and their account is gone."""
        with self._guard:
            one = self.of(user)
            one.release(deleted=deleted)
        self.kick(user)
        return one.status()

    def retry(self, user: str) -> None:
        """Try this person's mount or uploads again now."""
        with self._guard:
            self.of(user).retry()
        self.kick(user)

    def all(self) -> list[Status]:
        """Everybody's, by name; without those of whom nothing is left."""
        with self._guard:
            known = list(self._known.values())
        found = [one.status() for one in sorted(known, key=lambda one: one.user)]
        return [one for one in found if one.state is not State.ABSENT]

    def kick(self, user: str) -> None:
        """Look at one now, in a thread of its own."""
        with self._guard:
            if self._closed or user in self._busy or user not in self._known:
                return
            self._busy.add(user)
            one = self._known[user]
        self._threads.submit(self._look, one)

    def _look(self, one: Workspace) -> None:
        try:
            more = one.look()
        except Exception:  # one person's trouble must not end the looks at everybody's
            logger.exception("The workspace of %r could not be looked at", one.user)
            more = True
        with self._guard:
            self._busy.discard(one.user)
            if not more and not one.wanted and not one.deleted:
                self._known.pop(one.user, None)

    def _users(self) -> list[str]:
        with self._guard:
            return list(self._known)

    async def run(self) -> None:
        """Look at all of them every few seconds, for ever."""
        while True:
            for user in self._users():
                self.kick(user)
            await asyncio.sleep(LOOK_SECONDS)

    def close(self, seconds: float) -> list[Status]:
        """Wait for uploads at most `seconds`, then unmount all for good; what has not arrived.

        It stays in the caches and arrives after the next `up`.
        """
        deadline = time.monotonic() + seconds
        for user in self._users():
            self.retry(user)
        # what was refused will not arrive in this minute either
        while time.monotonic() < deadline and any(o.pending > len(o.failed) for o in self.all()):
            time.sleep(0.2)
        # the agent ends after this: nothing is mounted again
        with self._guard:
            self._closed = True
        for user in self._users():
            self.of(user).close()
        left = [one for one in self.all() if one.pending]
        # with what no record knows of
        for point in mounts.below(self._deployment.state.folder / "mounts"):
            mounts.unmount(point, lazy=True)
        return left
