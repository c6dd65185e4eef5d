"""Copies of an order's files in the workspace of its owner: from the pool, over WebDAV, verified.

The files are taken from a folder of root's beside the pool, with links that root made to files that
it had looked at: never from a folder of the person's, who could change what a name means. A job
runs in a thread and asks to be asked again. After a restart of the agent the next ask begins anew,
and skips what is there.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pelagos.datapool.delivery import DeliveryState, Outcome
from pelagos.deployment import Deployment
from pelagos.errors import PelagosError, StorageError
from pelagos.files import write_private
from pelagos.layout import Area, AreaKind
from pelagos.node.order_names import ORDERS, QUERY, chosen, whose
from pelagos.node.parcel_rclone import Problem, Tell, Transfer
from pelagos.node.parcel_remote import LookError, is_there, owner_of
from pelagos.node.parcel_stage import stage
from pelagos.node.probe import probe
from pelagos.node.rclone import Remote, configuration
from pelagos.node.workspaces import Workspaces

logger = logging.getLogger(__name__)

AT_ONCE = 6  # processes of rclone
AWAY_SECONDS = 600.0  # how long a server may be away before a job gives up
_LIMIT_SECONDS, _LIMIT_PACE = 3600.0, 256 * 1024  # of one job: so long, and bytes a second
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_AGAIN = "then try the order again: nothing is fetched twice."


@dataclass(frozen=True)
class Copy:
    """What is to be copied. `links`: places below the pool by path; `size` in bytes."""

    user: str
    number: int
    documents: Mapping[str, str] = field(repr=False)
    links: Mapping[str, str] = field(repr=False)
    size: int = 0

    @property
    def order(self) -> str:
        """Which order it is, besides its number; empty if nobody said."""
        return whose(self.documents.get(QUERY, ""))

    @property
    def key(self) -> str:
        """A short name for files."""
        return f"{hashlib.sha256(self.user.encode()).hexdigest()[:16]}-{self.number}"


@dataclass
class _Job:
    """One copy under way, or just over. `folder`: below the workspace, once it is chosen."""

    order: str
    folder: str = ""
    state: DeliveryState = DeliveryState.COPYING
    copied: int = 0
    reason: str = ""


class Copies:
    """All copies of a node."""

    def __init__(self, deployment: Deployment, workspaces: Workspaces) -> None:
        self._deployment, self._workspaces = deployment, workspaces
        self._pool = deployment.layout.area(Area(AreaKind.POOL))
        self._stages = self._pool.parent / ".parcels"  # in the file system of the pool, for links
        self._jobs: dict[str, _Job] = {}
        self._guard = threading.Lock()
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def deliver(self, copy: Copy) -> Outcome:
        """Begin, or say how it goes. How it ended is told once; after that it begins anew."""
        with self._guard:
            job = self._jobs.get(copy.key)
            if job is not None and job.order != copy.order:  # of a database that is gone
                if job.state is DeliveryState.COPYING:
                    return Outcome(DeliveryState.COPYING)
                job = None
            if job is None:
                job = self._jobs[copy.key] = _Job(copy.order)
                threading.Thread(
                    target=self._run, args=(copy, job), name=f"copy-{copy.key}", daemon=True
                ).start()
            elif job.state is not DeliveryState.COPYING:
                del self._jobs[copy.key]
            done = job.state is DeliveryState.DONE
            return Outcome(
                job.state,
                copied=copy.size if done else min(job.copied, copy.size),
                reason=job.reason,
                folder=job.folder if done else "",
            )

    def there(self, user: str, folder: str) -> bool:
        """Whether the folder is in the workspace. Raises StorageError if nobody knows now."""
        remote, why = self._workspaces.of(user).remote()
        if remote is None:
            raise StorageError(f"The workspace can't be looked at: {why}.")
        try:
            return is_there(remote, folder)
        except LookError as error:
            raise StorageError(f"The WebDAV server {error}.") from error

    def _run(self, copy: Copy, job: _Job) -> None:
        """One job, in its thread."""
        reason = ""
        try:
            reason = self._copy(copy, job)
        except PelagosError as error:
            reason = error.sentence
        except OSError as error:
            reason = f"The files can't be copied: {error.strerror}. Try the order again later."
        except Exception:  # a job that never ends would be asked for ever
            logger.exception("Order %d of %r", copy.number, copy.user)
            reason = (
                "The files could not be copied. Tell an administrator: the agent's log says why."
            )
        if reason:
            logger.warning("Order %d of %r: %s", copy.number, copy.user, reason)
        job.reason = reason
        job.state = DeliveryState.FAILED if reason else DeliveryState.DONE

    def _copy(self, copy: Copy, job: _Job) -> str:
        """Copy and verify; what went wrong for good, else empty."""
        folder = self._stages / copy.key
        settings = self._deployment.state.run / f"c-{copy.key}.conf"  # not in backups
        transfer = Transfer(folder, settings)
        transfer.end_others()  # of an agent before this one
        try:
            stage(self._pool, folder, copy.documents, copy.links)
            return self._until_done(copy, job, transfer)
        finally:
            settings.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _until_done(self, copy: Copy, job: _Job, transfer: Transfer) -> str:
        """Again and again while the server is away, for a time."""
        end = time.monotonic() + _LIMIT_SECONDS + copy.size / _LIMIT_PACE
        patience, wait, before = time.monotonic() + AWAY_SECONDS, _FIRST_WAIT, 0

        def tell(copied: int) -> None:
            job.copied = max(job.copied, copied)

        while True:
            remote, why = self._workspaces.of(copy.user).remote()
            if remote is None:
                return f"There is no workspace to copy to: {why}; {_AGAIN}"
            with self._slots:  # not while it waits: others' servers are not away
                problem = self._once(remote, transfer, end, tell, copy, job)
            if problem is None:
                return ""
            if not problem.is_away:
                return _sentence(problem.text)
            if job.copied > before:
                patience, wait, before = time.monotonic() + AWAY_SECONDS, _FIRST_WAIT, job.copied
            if time.monotonic() > min(patience, end):
                return (
                    "The WebDAV server of your workspace does not answer. Look at the page of your "
                    f"workspace (/services/workspace/), {_AGAIN}"
                )
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    def _once(
        self, remote: Remote, transfer: Transfer, end: float, tell: Tell, copy: Copy, job: _Job
    ) -> Problem | None:
        _, reason = probe(remote)
        if reason:
            return Problem(reason)
        write_private(transfer.settings, configuration(remote))
        try:
            problem = self._chosen(remote, transfer, end, copy, job)
        except LookError as error:
            problem = error.problem
        return problem or transfer.run(remote, end, tell)

    def _chosen(
        self, remote: Remote, transfer: Transfer, end: float, copy: Copy, job: _Job
    ) -> Problem | None:
        """The order's own folder. Its `query.json`, which says so, is there before all others."""
        owners: dict[str, str] = {}

        def look(name: str) -> str:
            owners[name] = owner_of(remote, name)
            return owners[name]

        name = chosen(copy.number, copy.order, look)
        job.folder = transfer.path = f"{ORDERS}/{name}"
        if not copy.order or owners[name] == copy.order:
            return None
        return transfer.begin(remote, end, QUERY)


def _sentence(text: str) -> str:
    """What went wrong, for its owner, with what to do."""
    problem = Problem(text)
    if problem.is_full:
        return f"Your workspace is full: the order's files don't fit. Free space, {_AGAIN}"
    if problem.is_refused:
        return (
            "The WebDAV server refused the user name or password of your workspace. Enter them "
            f"again on its page (/services/workspace/), {_AGAIN}"
        )
    return f"The files can't be copied to your workspace: {text.rstrip('.')}. Try the order again."
