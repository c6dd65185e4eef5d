"""What runs, as `./pelagos status` shows it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from pelagos.deployment import Deployment, State
from pelagos.errors import NotRunningError, PelagosError
from pelagos.ops import supervise
from pelagos.ops.catalogue import CatalogueStatus, catalogue_status
from pelagos.ops.datapool import PoolStatus, datapool_status
from pelagos.ops.hubapi import HubApi
from pelagos.ops.storage import StorageStatus, storage_status
from pelagos.services.reconciler import Report, read_reports
from pelagos.settings import BackendKind


@dataclass(frozen=True)
class Server:
    """One person's server."""

    user: str
    name: str
    virtual_lab: str
    image: str
    size: str
    ready: bool
    started: str


@dataclass(frozen=True)
class Status:
    """A VRE at one moment."""

    running: bool
    url: str
    backend: str
    state: str
    settings: str
    hub: bool
    processes: list[supervise.ProcessState] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    orphans: list[Report] = field(default_factory=list)
    storage: StorageStatus | None = None
    catalogue: CatalogueStatus | None = None
    datapool: PoolStatus | None = None
    datapool_problem: str = ""  # a sentence, where nobody knows how it stands

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return asdict(self)


def status(state: State) -> Status:
    """What runs on this state folder. Raises NotRunningError if nothing ever did."""
    deployment = Deployment.load(state.folder)
    facts = deployment.facts
    processes = supervise.processes(state)
    servers: list[Server] = []
    answers = False
    if processes:
        try:
            with HubApi(deployment, timeout=10) as hub:
                servers = [
                    _server(u["name"], s) for u in hub.users() for s in u["servers"].values()
                ]
                answers = True
        except PelagosError:
            pass  # shown as a hub that does not answer
    storage = None
    if processes and facts.backend is BackendKind.DOCKER:
        with suppress(PelagosError):  # shown as storage that nobody knows of
            storage = storage_status(deployment)
    catalogue = None
    with suppress(PelagosError):  # doctor says why
        catalogue = catalogue_status(deployment)
    datapool, datapool_problem = None, ""
    try:
        datapool = datapool_status(deployment)
    except NotRunningError:
        pass  # nothing was ever ordered
    except PelagosError as error:
        datapool_problem = error.sentence
    return Status(
        running=bool(processes),
        url=facts.url,
        backend=facts.backend.value,
        state=str(state.folder),
        settings=str(facts.settings_file or "built-in demo"),
        hub=answers,
        processes=processes,
        servers=servers,
        orphans=read_reports(deployment),
        storage=storage,
        catalogue=catalogue,
        datapool=datapool,
        datapool_problem=datapool_problem,
    )


def _server(user: str, model: dict[str, Any]) -> Server:
    options = model.get("user_options") or {}
    return Server(
        user=user,
        name=model["name"],
        virtual_lab=str(options.get("virtual_lab", "")),
        image=str(options.get("image", "")),
        size=str(options.get("size", "")),
        ready=bool(model["ready"]),
        started=str(model["started"]),
    )
