"""What every backend has in common: from a person's options to a `ServerSpec`, with progress.

`ServerMixin` sits in front of a JupyterHub spawner class and adds the virtual lab's rules, the
progress that a person sees and the queue for starts; how a server is run is the class behind it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

import httpx
from jupyterhub.spawner import SpawnException
from jupyterhub.utils import maybe_future
from traitlets import Any as AnyTrait
from traitlets.config import Configurable

from pelagos.deployment import CATALOGUE_PATH, DATAPOOL_PATH, LABEL, WORKSPACE_PATH, Deployment
from pelagos.errors import RefusedError
from pelagos.quotas import ServerLimits
from pelagos.settings import VirtualLab
from pelagos.units import format_bytes, format_cores
from pelagos.virtual_labs import Selection, select
from pelagos.volumes import container_name, home_volume

HOME = "/home/jovyan"
WORKSPACE = "/mnt/workspace"  # the mount lies on its `data`: a mount that died heals below a parent
DATASPACE = "/dataspace"
SCRATCH = "/tmp"  # noqa: S108 - a path in the container, where it is a volume of its own

# Everything JupyterLab or a kernel writes at start goes to the server's own disk, so that a full
# or read-only home stops neither. From the environment, so that it holds for foreign images too.
SCRATCH_ENVIRONMENT = {
    # without it Jupyter does not start on a read-only home
    "JUPYTER_CONFIG_DIR": f"{SCRATCH}/pelagos/config",
    # people's preferences stay in their home
    "JUPYTERLAB_SETTINGS_DIR": f"{HOME}/.jupyter/lab/user-settings",
    "JUPYTER_RUNTIME_DIR": f"{SCRATCH}/pelagos/runtime",
    "JUPYTERLAB_WORKSPACES_DIR": f"{SCRATCH}/pelagos/workspaces",
    "IPYTHONDIR": f"{SCRATCH}/pelagos/ipython",
    "XDG_CACHE_HOME": f"{SCRATCH}/pelagos/cache",
    "npm_config_cache": f"{SCRATCH}/pelagos/cache/npm",
}


@dataclass(frozen=True)
class ServerSpec:
    """One server, described without saying how it is run."""

    owner: str
    server_name: str
    virtual_lab: VirtualLab
    image: str
    reference: str
    size: str
    limits: ServerLimits
    read_only_root: bool
    container: str
    home: str
    network: str
    # folders of this machine and where the server sees them; what is mounted in them later too
    folders: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def server_spec(
    deployment: Deployment, owner: str, server_name: str, selection: Selection
) -> ServerSpec:
    """The server that `selection` stands for."""
    image = deployment.images[selection.image]
    limits = ServerLimits.of(selection.size)
    instance = deployment.facts.instance
    return ServerSpec(
        owner=owner,
        server_name=server_name,
        virtual_lab=selection.virtual_lab,
        image=image.name,
        reference=image.reference,
        size=selection.size.name,
        limits=limits,
        read_only_root=image.read_only_root,
        container=container_name(instance, owner, server_name),
        home=home_volume(instance, owner),
        network=deployment.network,
        folders={
            str(deployment.layout.mount_parent(owner)): WORKSPACE,
            str(deployment.layout.view(owner)): DATASPACE,
        },
        labels={
            f"{LABEL}.instance": instance,
            f"{LABEL}.user": owner,
            f"{LABEL}.server": server_name,
            f"{LABEL}.virtual-lab": selection.virtual_lab.name,
            f"{LABEL}.image": image.name,
            f"{LABEL}.size": selection.size.name,
        },
        environment={
            **limits.environment(),
            "PELAGOS_VIRTUAL_LAB": selection.virtual_lab.name,
            "PELAGOS_VIRTUAL_LAB_TITLE": selection.virtual_lab.title,
            "PELAGOS_IMAGE": image.name,
            "PELAGOS_SIZE": selection.size.name,
            "PELAGOS_WORKSPACE": f"{WORKSPACE}/data",
            "PELAGOS_DATASPACE": DATASPACE,
            "PELAGOS_WORKSPACE_API": f"{deployment.workspace_origin}{WORKSPACE_PATH}/api",
            # where a STAC API begins: its landing page
            "PELAGOS_CATALOGUE_API": f"{deployment.catalogue_origin}{CATALOGUE_PATH}/",
            "PELAGOS_DATAPOOL_API": f"{deployment.datapool_origin}{DATAPOOL_PATH}/api",
        },
    )


class Stage(IntEnum):
    """How far a start has come; the value is the percentage that the progress bar shows."""

    QUEUED = 5
    IMAGE_READY = 25
    STORAGE_READY = 35
    STARTING = 40
    READY = 95


class StartError(SpawnException):  # type: ignore[misc] # jupyterhub is untyped
    """A start that failed or was refused, in words for the person who asked for it."""

    @property
    def jupyterhub_message(self) -> str:
        """What JupyterHub's pages and progress events show; else they show the class too."""
        return str(self.message)


def refusal(error: RefusedError) -> StartError:
    """What JupyterHub shows for a request that the settings don't allow: HTTP 400."""
    return StartError(error.sentence, reason="Refused", status_code=400)


class ServerMixin(Configurable):  # type: ignore[misc] # traitlets is untyped
    """The rules and the progress of a Pelagos server, in front of a JupyterHub spawner class."""

    deployment = AnyTrait(help="The running VRE, a `Deployment`.").tag(config=True)

    # How many servers start at once, hub-wide. A start is CPU-bound: more at once than the cores
    # can serve makes everybody wait as long as the last one (see docs/explanation/spawn.md).
    slots: ClassVar[asyncio.Semaphore | None] = None
    waiting: ClassVar[int] = 0

    _spec: ServerSpec | None = None
    _events: tuple[tuple[Stage, str], ...] = ()
    _began = 0.0

    @property
    def spec(self) -> ServerSpec:
        """The server being started or running, from the options as JupyterHub keeps them."""
        if self._spec is None:
            self._spec = self._resolve(self.user_options)
        return self._spec

    def groups(self) -> list[str]:
        """JupyterHub groups of the owner."""
        return [group.name for group in self.user.groups]

    def _resolve(self, options: Mapping[str, Any]) -> ServerSpec:
        selection = select(
            self.deployment.settings,
            self.groups(),
            options,
            self.name,
        )
        return server_spec(
            self.deployment,
            self.user.name,
            self.name,
            selection,
        )

    def adopt(self, options: Mapping[str, Any]) -> ServerSpec:
        """Check posted `options` against the settings and take them on.

        Every way to a server passes here: form, link and API. Raises StartError (400).
        """
        try:
            self._spec = self._resolve(options)
        except RefusedError as error:
            # JupyterHub has stored the options as the next default: a refused one must not stick
            self.orm_spawner.user_options = {}
            raise refusal(error) from error
        self.mem_limit = self._spec.limits.memory
        self.cpu_limit = self._spec.limits.cores
        return self._spec

    def server_environment(self) -> dict[str, str]:
        """Variables of the server on top of JupyterHub's own."""
        return {**SCRATCH_ENVIRONMENT, **self.spec.environment}

    def get_env(self) -> dict[str, str]:
        """The whole environment of the server."""
        return {**super().get_env(), **self.server_environment()}

    def report(self, stage: Stage, message: str) -> None:
        """Move the progress bar and say what is going on."""
        self._events = (*self._events, (stage, message))

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Events for the spawn page, until the start has ended."""
        shown = 0
        while True:
            for stage, message in self._events[shown:]:
                yield {"progress": int(stage), "message": message}
                if stage is Stage.READY:
                    return
            shown = len(self._events)
            await asyncio.sleep(0.05)

    @classmethod
    def _slots(cls) -> asyncio.Semaphore:
        if ServerMixin.slots is None:
            ServerMixin.slots = asyncio.Semaphore(2 * (os.cpu_count() or 1))
        return ServerMixin.slots

    async def _queue(self) -> asyncio.Semaphore:
        """Wait for a place among the starting servers; the caller releases it."""
        slots = self._slots()
        if slots.locked():
            ahead = ServerMixin.waiting
            self.report(Stage.QUEUED, f"Queued: {ahead} before you" if ahead else "Queued: next")
        ServerMixin.waiting += 1
        try:
            await slots.acquire()
        finally:
            ServerMixin.waiting -= 1
        return slots

    async def start(self) -> Any:
        """Queue, run the server, and return its address once it answers.

        Raises StartError with a sentence for the person when it does not come up.
        """
        self._began = time.monotonic()
        self._events = ()
        self.report(Stage.QUEUED, "Queued")
        spec = self.spec
        timeout = self.deployment.settings.servers.start_timeout
        slots = await self._queue()
        try:
            async with asyncio.timeout(timeout):
                await self.prepare(spec)
                self.report(
                    Stage.STARTING,
                    f"Starting with {format_cores(spec.limits.cores)} and "
                    f"{format_bytes(spec.limits.memory)} of memory",
                )
                address = await self.launch(spec)
                await self._usable(*address)
        except TimeoutError as error:
            raise StartError(
                f"Your server did not become usable within {timeout} s and was stopped. "
                "Try again; if it happens again, tell an administrator.",
                reason="Timeout",
                log_message=f"{spec.container} not usable within {timeout} s",
                status_code=504,
            ) from error
        finally:
            slots.release()
        seconds = time.monotonic() - self._began
        self.report(Stage.READY, f"Ready after {seconds:.1f} s")
        return address

    async def prepare(self, spec: ServerSpec) -> None:
        """Whatever must be there before the server is started."""
        self.report(Stage.IMAGE_READY, f"Image {spec.image} is ready")

    async def run_post_stop_hook(self) -> None:
        """JupyterHub calls this after every end of a server, asked for or not."""
        await maybe_future(super().run_post_stop_hook())
        if not self.others_active():
            await self.release(self.user.name)

    def others_active(self) -> bool:
        """Whether the owner has another server that runs, starts or stops."""
        others = (one for name, one in self.user.spawners.items() if name != self.name)
        return any(one.active for one in others)

    async def release(self, user: str) -> None:
        """The last server of `user` has ended: what they had on this node may go."""

    async def launch(self, spec: ServerSpec) -> tuple[str, int]:
        """Start the server and return its host and port; it need not answer yet."""
        raise NotImplementedError

    async def ended(self) -> str:
        """Why the server has ended while it was starting; empty while it runs."""
        status = await self.poll()
        return "" if status is None else f"it ended with {status}"

    async def _usable(self, host: str, port: int) -> None:
        """Wait until the server answers.

        JupyterHub's own wait backs off to 5 s between tries, so that a server may listen for more
        than a second before it is noticed; asking every 50 ms costs next to nothing.
        """
        # the full path of the hub's own test: its first try then succeeds at once
        url = f"http://{host}:{port}{self.server.base_url}api"
        # plain HTTP: loading certificates would cost more than all the requests (verify=False)
        wait, looked = 0.05, time.monotonic()
        client = httpx.AsyncClient(timeout=5, trust_env=False, verify=False)  # noqa: S501
        async with client:
            while True:
                try:
                    response = await client.get(url)
                    if response.status_code < 500:
                        return
                except httpx.HTTPError:
                    pass  # not listening yet
                await asyncio.sleep(wait)
                if time.monotonic() - looked > 1:
                    looked = time.monotonic()
                    wait = min(wait * 1.2, 0.25)
                    if reason := await self.ended():
                        raise StartError(
                            f"Your server stopped while it was starting: {reason}. "
                            "Try again, or choose another image; if it happens again, tell an "
                            "administrator.",
                            reason="Ended",
                            status_code=502,
                        )


async def adopt_options(spawner: ServerMixin, user_options: Mapping[str, Any]) -> None:
    """JupyterHub's `apply_user_options` hook."""
    spawner.adopt(user_options)


def options_from_form(form: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Posted form fields as options: single values. Unknown ones stay, to be refused."""
    return {key: values[0] if len(values) == 1 else values for key, values in form.items()}
