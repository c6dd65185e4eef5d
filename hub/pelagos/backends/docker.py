"""One hardened, limited container per server, on the Docker Engine.

Stock DockerSpawner runs every engine call of the whole hub through one thread and pulls images
while a person waits; here calls run side by side and images are made ready beforehand.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import docker
import docker.errors
import docker.utils
from dockerspawner import DockerSpawner

from pelagos.backends import agent, engine
from pelagos.backends.base import HOME, SCRATCH, ServerMixin, ServerSpec, Stage, StartError
from pelagos.errors import EngineError
from pelagos.units import format_bytes
from pelagos.virtual_labs import virtual_labs_of
from pelagos.volumes import home_volume

logger = logging.getLogger(__name__)

ENGINE_THREADS = 16
ENGINE_TIMEOUT = 60  # seconds for one call
STOP_TIMEOUT = 10  # seconds for JupyterLab to end its kernels before it is killed


_client_lock = threading.Lock()


def host_config(spec: ServerSpec) -> dict[str, Any]:
    """Limits and hardening of one container, as docker-py's `create_host_config` takes them.

    Source for the kernel's side: capabilities(7), prctl(2) PR_SET_NO_NEW_PRIVS, cgroups(7).
    """
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": spec.limits.pids,
        "mem_limit": spec.limits.memory,
        # equal to the memory limit: no swap. Docker's own default is twice the memory
        "memswap_limit": spec.limits.memory,
        "read_only": spec.read_only_root,
        "tmpfs": {"/run": "rw,nosuid,nodev,size=16m,mode=1777"},
        "network_mode": spec.network,
        "privileged": False,
        "devices": [],
        # kept until the stop, so that its end can be explained; `stop` removes it
        "auto_remove": False,
        "log_config": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        "ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
    }


def unreachable(error: EngineError) -> StartError:
    """What a person is told when the engine does not answer."""
    return StartError(
        "The container engine does not answer, so no server can be started or stopped just now. "
        "Servers that run are not affected. Try again in a minute; an administrator can look "
        "with ./pelagos doctor.",
        reason="Engine unreachable",
        log_message=str(error),
        status_code=503,
    )


class PelagosDockerSpawner(ServerMixin, DockerSpawner):  # type: ignore[misc]
    """DockerSpawner with Pelagos' rules, limits and hardening."""

    _shared_client: ClassVar[docker.APIClient | None] = None
    _engine_threads: ClassVar[ThreadPoolExecutor | None] = None

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Threads for engine calls: one slow call must not hold up everybody's."""
        if PelagosDockerSpawner._engine_threads is None:
            PelagosDockerSpawner._engine_threads = ThreadPoolExecutor(
                ENGINE_THREADS, thread_name_prefix="engine"
            )
        return PelagosDockerSpawner._engine_threads

    @property
    def client(self) -> docker.APIClient:
        """One client for the whole hub, made once.

        Whoever comes first makes it while the others wait: stock DockerSpawner lets every thread
        make its own at the first calls.
        """
        with _client_lock:
            if PelagosDockerSpawner._shared_client is None:
                engine.knock()
                PelagosDockerSpawner._shared_client = docker.APIClient(
                    version="auto",
                    timeout=ENGINE_TIMEOUT,
                    max_pool_size=ENGINE_THREADS,
                    **docker.utils.kwargs_from_env(),
                )
            return PelagosDockerSpawner._shared_client

    async def docker(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One engine call in a thread.

        Raises docker.errors.APIError for a refusal, EngineError if nobody answers.
        """
        try:
            return await super().docker(method, *args, **kwargs)
        except docker.errors.APIError:
            raise
        except (OSError, docker.errors.DockerException) as error:  # requests' errors are OSErrors
            raise EngineError(f"The container engine does not answer: {error}") from error

    def adopt(self, options: Any) -> ServerSpec:
        """See ServerMixin; also tells DockerSpawner what to run."""
        spec = super().adopt(options)
        self.image = spec.reference
        # after `image`, whose change renders DockerSpawner's own name template
        self.object_name = spec.container
        self.network_name = spec.network
        self.volumes = {
            spec.home: HOME,
            # rslave: what the node agent mounts in them later, or again, appears in the server
            **{host: {"bind": there, "mode": "rw,rslave"} for host, there in spec.folders.items()},
        }
        self.extra_host_config = host_config(spec)
        self.extra_create_kwargs = {"labels": dict(spec.labels), "hostname": spec.image}
        return spec

    @property
    def volume_mount_points(self) -> list[str]:
        """Mount points of a container: home, and an anonymous volume for temporary files.

        On disk, because a tmpfs would count against the server's memory; it goes with the
        container.
        """
        return [*super().volume_mount_points, SCRATCH]

    async def check_allowed(self, image: str) -> str:
        """The reference to run. `adopt` has checked the options: their image is a name of ours."""
        return str(self.image)

    def _render_templates(self, obj: Any, ns: Any = None) -> Any:
        """Nothing of ours is a template: a `{` in a name or label stays what it is."""
        return obj

    async def prepare(self, spec: ServerSpec) -> None:
        """Image and isolation must be there: nothing is pulled or built while a person waits."""
        await self._isolated()
        try:
            await self.docker("inspect_image", spec.reference)
        except docker.errors.NotFound as error:
            raise StartError(
                f"The image {spec.image!r} is not on this machine yet. Choose another one, or ask "
                f"an administrator to run: ./pelagos build {spec.image}",
                reason="Image missing",
                log_message=f"image {spec.reference} is not there",
                status_code=503,
            ) from error
        except EngineError as error:
            raise unreachable(error) from error
        await super().prepare(spec)
        await self._storage()

    async def _want(self) -> str:
        """Ask for the owner's storage; what is wrong, empty if nothing is."""
        labs = virtual_labs_of(self.deployment.settings, self.groups())
        names = [lab.name for lab in labs]
        return await agent.want(self.deployment, self.user.name, names)

    async def _storage(self) -> None:
        """Workspace and dataspace: without them the server starts all the same, and says so."""
        if trouble := await self._want():
            self.report(Stage.STORAGE_READY, f"Your server starts without storage: {trouble}")
        else:
            self.report(Stage.STORAGE_READY, "Workspace and dataspace are on their way")

    async def release(self, user: str) -> None:
        """See ServerMixin."""
        await agent.release(self.deployment, user)
        if self.others_active():
            await self._want()  # another one was started while this was told

    async def _isolated(self) -> None:
        """No server without the rules that keep it apart: this check fails closed."""
        reason = await agent.not_isolated(self.deployment)
        if reason:
            raise StartError(
                "The rules that keep servers apart from each other are not in place, so yours was "
                "not started. Try again in a minute; an administrator can look with "
                "./pelagos doctor.",
                reason="Not isolated",
                log_message=f"not isolated: {reason}",
                status_code=503,
            )

    async def launch(self, spec: ServerSpec) -> tuple[str, int]:
        """Create and start the container."""
        try:
            host, port = await DockerSpawner.start(self)
        except EngineError as error:
            raise unreachable(error) from error
        except docker.errors.APIError as error:
            raise StartError(
                "The container engine refused to start your server. Try again; if it happens "
                "again, tell an administrator.",
                reason="Engine refused",
                log_message=f"the engine refused {spec.container}: {error.explanation or error}",
                status_code=502,
            ) from error
        if not host:
            # a container that ends at once has no address any more
            reason = await self.ended() or "it has no network address"
            raise StartError(
                f"Your server stopped while it was starting: {reason}.",
                reason="Ended",
                status_code=502,
            )
        return host, int(port)

    async def ended(self) -> str:
        """Why the container has ended, in words; empty while it runs."""
        try:
            container = await self.get_object()
        except EngineError:
            return ""
        if container is None:
            return "its container was removed"
        state = container["State"]
        if state["Running"]:
            return ""
        if state.get("OOMKilled"):
            return f"it ran out of its {format_bytes(self.spec.limits.memory)} of memory"
        return f"it ended with exit code {state['ExitCode']}"

    async def poll(self) -> Any:
        """None while the container runs, else its exit status.

        While the engine is away nothing is known about a server, and JupyterHub would forget one
        that it believes to be dead: it counts as running until the engine says otherwise.
        """
        if not self.object_id:
            return 0
        try:
            status = await super().poll()
            if status is not None and self.object_id:
                # JupyterHub does not stop what has ended by itself; the container has told why
                logger.warning("%s has ended: %s", self.object_name, await self.ended())
                await self.remove_object()
                await self.get_object()  # finds nothing, and forgets the container's id
            return status
        except EngineError as error:
            logger.warning("The engine does not answer; %s counts as running", self.object_name)
            logger.debug("%s", error)
            return None

    async def stop(self, now: bool = False) -> None:
        """Stop and remove the container. Raises StartError (503) without an engine."""
        if not self.object_id:
            return
        try:
            await super().stop(now)
        except EngineError as error:
            raise unreachable(error) from error

    async def remove_object(self) -> None:
        """Remove the container with its temporary files, running or not."""
        try:
            await self.docker("remove_container", self.object_id, v=True, force=True)
        except docker.errors.NotFound:
            logger.debug("%s was removed before", self.object_name)
        except docker.errors.APIError as error:
            if error.status_code != 409:  # somebody else is removing it now
                raise

    async def stop_object(self) -> None:
        """Let JupyterLab end its kernels, then insist."""
        try:
            await self.docker("stop", self.container_id, timeout=STOP_TIMEOUT)
        except docker.errors.NotFound:
            logger.debug("%s was removed before", self.object_name)

    async def delete_forever(self) -> None:
        """The person's account is deleted: so are their home and dataspace.

        The workspace is set aside, where nobody finds it who gets the same name. Only with the last
        server; JupyterHub calls this for each.
        """
        if self.name:
            return
        await agent.release(self.deployment, self.user.name, deleted=True)
        try:
            await self.docker(
                "remove_volume",
                home_volume(self.deployment.facts.instance, self.user.name),
                force=True,
            )
        except docker.errors.NotFound:
            pass  # never started
        except docker.errors.APIError as error:
            # in use by a container that reconciliation has yet to remove
            logger.warning("The home of %s is kept: %s", self.user.name, error.explanation)
        except EngineError as error:
            logger.warning("The home of %s is kept: %s", self.user.name, error)


def wait_for_engine(seconds: float) -> bool:
    """Wait for the engine at most `seconds`; whether it answers.

    For the start of the hub, before its event loop runs: a hub that polls its servers while the
    engine is down would take them for dead.
    """
    deadline = time.monotonic() + seconds
    while not engine.is_up():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
