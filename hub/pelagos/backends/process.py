"""Each server as a local process, where no container engine can be had.

The same virtual labs, images (as Python environments) and options; but nothing isolates people
from each other and no limit is enforced. `./pelagos up` says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner, set_user_setuid

from pelagos import accounts
from pelagos.accounts import ACCOUNT
from pelagos.backends.base import HOME, SCRATCH, ServerMixin, ServerSpec, Stage, StartError
from pelagos.backends.links import copy_once, make_links, remove_links
from pelagos.deployment import ROOT, Deployment
from pelagos.errors import StorageError
from pelagos.layout import Area, AreaKind
from pelagos.node.areas import Owner, Place
from pelagos.node.areas.directory import DirectoryBackend
from pelagos.node.aside import set_aside
from pelagos.settings import WorkspaceKind
from pelagos.virtual_labs import virtual_labs_of
from pelagos.volumes import safe_name

logger = logging.getLogger(__name__)


def environment_of(image: str) -> Path:
    """The Python environment that stands for an image."""
    return ROOT / ".env" / "images" / image


def home_of(deployment: Deployment, owner: str) -> Path:
    """One person's home."""
    return deployment.state.homes / safe_name(owner)


def scratch_of(deployment: Deployment, owner: str) -> Path:
    """One person's temporary files."""
    return deployment.state.homes / ".scratch" / safe_name(owner)


def delete_account(deployment: Deployment, python: Path, owner: str) -> None:
    """Delete home, temporary files and dataspace of a person, and set the workspace aside."""
    area = deployment.layout.area(Area(AreaKind.USERS, owner))
    for folder in (home_of(deployment, owner), scratch_of(deployment, owner), area):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        remove_links(python, deployment.layout.user_workspace(owner) / "shared")
        set_aside(deployment.layout, owner)
    except (OSError, StorageError) as error:
        logger.warning("The workspace of %r stays: %s", owner, error)


def link_storage(deployment: Deployment, python: Path, owner: str, virtual_labs: list[str]) -> None:
    """Workspace and dataspace in the home: links to plain folders, without mounts or quotas.

    What is in a link's place already stays. `python`: an interpreter that the account can run.
    Raises StorageError.
    """
    layout, home = deployment.layout, home_of(deployment, owner)
    pool = layout.area(Area(AreaKind.POOL))
    pool.mkdir(parents=True, exist_ok=True, mode=0o755)
    links = {home / "dataspace" / "pool": pool}
    areas = {"me": Area(AreaKind.USERS, owner)}
    areas |= {name: Area(AreaKind.VIRTUAL_LABS, name) for name in virtual_labs}
    backend = DirectoryBackend(Owner(*accounts.ids()))
    for name, area in areas.items():
        place = Place(layout.area(area))
        backend.make(place, 0)
        for folder in (place.folder, place.folder.parent, layout.dataspaces):
            folder.chmod(0o711)  # the account passes through
        links[home / "dataspace" / name] = place.files
    if deployment.settings.storage.workspace.kind is WorkspaceKind.EMBEDDED:
        links[home / "workspace"] = layout.user_workspace(owner)
        for name in virtual_labs:
            # the WebDAV server shows the shared folders under the same names
            shared = layout.user_workspace(owner) / "shared" / name
            links[shared] = layout.virtual_lab_workspace(name)
    make_links(python, links)


class PelagosProcessSpawner(ServerMixin, SimpleLocalProcessSpawner):  # type: ignore[misc]
    """SimpleLocalProcessSpawner with Pelagos' rules."""

    def adopt(self, options: Any) -> ServerSpec:
        """See ServerMixin."""
        spec = super().adopt(options)
        environment = environment_of(spec.image)
        self.cmd = [str(environment / "bin" / "jupyterhub-singleuser")]
        self.home_dir = str(home_of(self.deployment, spec.owner))
        return spec

    async def prepare(self, spec: ServerSpec) -> None:
        """The image's environment and the person's home must be there."""
        await asyncio.to_thread(self._make_home, spec)
        await super().prepare(spec)

    def _make_home(self, spec: ServerSpec) -> None:
        if not Path(self.cmd[0]).exists():
            raise StartError(
                f"The image {spec.image!r} has no Python environment on this machine. Choose "
                "another one, or ask an administrator to run ./pelagos up again, which makes it.",
                reason="Image missing",
                status_code=503,
            )
        home = Path(self.home_dir)
        scratch = self._scratch()
        # the account passes through what is the hub's
        scratch.parent.mkdir(parents=True, exist_ok=True)
        scratch.parent.chmod(0o711)
        for folder in (home, scratch):
            folder.mkdir(exist_ok=True, mode=0o700)
            if os.geteuid() == 0:
                shutil.chown(folder, ACCOUNT, ACCOUNT)
        labs = [lab.name for lab in virtual_labs_of(self.deployment.settings, self.groups())]
        try:
            copy_once(self._python(), ROOT / "notebooks" / "tutorials", home / "tutorials")
            link_storage(self.deployment, self._python(), spec.owner, labs)
        except (OSError, StorageError) as error:
            # a server without storage is better than none
            logger.warning("The storage of %r can't be made: %s", spec.owner, error)
            self.report(Stage.STORAGE_READY, f"Your server starts without storage: {error}")

    async def launch(self, spec: ServerSpec) -> tuple[str, int]:
        """Start the process."""
        host, port = await SimpleLocalProcessSpawner.start(self)
        return host or "127.0.0.1", int(port)

    def make_preexec_fn(self, name: str) -> Callable[[], Any]:
        """Never a person's server as root."""
        if os.geteuid() == 0:
            become: Callable[[], Any] = set_user_setuid(ACCOUNT, chdir=False)
            return become
        make: Callable[[], Any] = super().make_preexec_fn(name)
        return make

    def server_environment(self) -> dict[str, str]:
        """Scratch folders below the state folder: there is no container with its own /tmp."""
        scratch = str(self._scratch())
        own = {
            name: value.replace(SCRATCH, scratch, 1).replace(HOME, self.home_dir, 1)
            for name, value in super().server_environment().items()
        }
        own["PELAGOS_WORKSPACE"] = f"{self.home_dir}/workspace"
        own["PELAGOS_DATASPACE"] = f"{self.home_dir}/dataspace"
        bin_folder = str(environment_of(self.spec.image) / "bin")
        return {**own, "PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin"}

    def _python(self) -> Path:
        """An interpreter that the account can run: that of an image, whichever."""
        name = next(iter(self.deployment.images))
        return environment_of(name) / "bin" / "python"

    def _scratch(self) -> Path:
        return scratch_of(self.deployment, self.user.name)

    async def delete_forever(self) -> None:
        """The account is deleted: so are home and dataspace. The workspace is set aside."""
        if not self.name:
            # a home may be large: not in the hub's event loop
            await asyncio.to_thread(delete_account, self.deployment, self._python(), self.user.name)
