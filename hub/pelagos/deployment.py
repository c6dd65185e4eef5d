"""One running VRE: where its state is, on which ports it answers, what it offers.

`./pelagos up` decides these facts once and writes them to `<state>/deployment.json`; JupyterHub,
its services and every other command read them from there.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pelagos.errors import NotRunningError, StateError
from pelagos.files import create_private, write_private
from pelagos.images import ImageGraph, load_graph
from pelagos.layout import Layout
from pelagos.settings import BackendKind, CommunityImage, Settings

ROOT = Path(__file__).resolve().parents[2]
# of the hub's pages and of the services'; here, as a service has no use for all of `hubconfig`
TEMPLATES = Path(__file__).parent / "hubconfig" / "templates"
LABEL = "org.pelagos"
STATE_VARIABLE = "PELAGOS_STATE"
ROUND_VARIABLE = "PELAGOS_ROUND"
WORKSPACE_PATH = "/services/workspace"
CATALOGUE_PATH = "/services/catalogue"
DATAPOOL_PATH = "/services/datapool"
DAV_PATH = f"{WORKSPACE_PATH}/dav"
_SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes; a name follows


# ports that a VRE keeps, as running servers know them
OWN_PORTS = ("hub_port", "dav_port", "workspace_port", "catalogue_port", "datapool_port")


class Facts(BaseModel):
    """What `up` decided. Written to deployment.json, mode 0600."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instance: str
    settings_file: Path | None
    backend: BackendKind
    bind: str
    port: int
    hub_address: str
    hub_port: int
    proxy_api_port: int
    dav_port: int = 0  # on the loopback
    workspace_port: int = 0  # on the hub's address: people's servers ask there too
    catalogue_port: int = 0  # likewise
    datapool_port: int = 0  # likewise
    # whether services that need no root can run as the account `pelagos-server`
    as_account: bool = False
    # what each image was called when `up` made it ready: a later `git pull` changes recipes, and
    # a hub that restarts by itself must still find what is there
    references: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Where people go."""
        host = "localhost" if self.bind in ("", "0.0.0.0", "::", "127.0.0.1") else self.bind  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"


@dataclass(frozen=True)
class OfferedImage:
    """An image as the spawn page and the spawner see it."""

    name: str
    title: str
    description: str
    reference: str
    read_only_root: bool


class State:
    """The state folder: everything a VRE must remember, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def prepare(self) -> None:
        """Make the folder and its parts. Raises StateError if they can't be ours."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.check_owner()  # before anything is left in somebody else's folder
            for part in (self.logs, self.run, self.secrets, self.hub):
                part.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StateError(
                f"The state folder {self.folder} can't be made: {error.strerror}.",
                "Give another one with --state DIR, or free space.",
            ) from error
        if len(os.fsencode(self.run)) > _SOCKET_PATH_LIMIT - 20:
            raise StateError(
                f"The path of the state folder {self.folder} is too long for Unix sockets.",
                "Give a shorter one with --state DIR.",
            )

    def check_owner(self) -> None:
        """Raise StateError unless the folder is ours and nobody else can write it."""
        found = self.folder.stat()
        if found.st_uid != os.geteuid():
            raise StateError(
                f"The state folder {self.folder} belongs to user {found.st_uid}, "
                f"and this is user {os.geteuid()}.",
                "Run as its owner, or give another folder with --state DIR.",
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StateError(
                f"Other users can write to the state folder {self.folder}.",
                f"Close it: chmod go-w {self.folder}",
            )

    @property
    def logs(self) -> Path:
        """Log files of hub, proxy, agent and builds."""
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        """Sockets and the supervisor's file; worthless when nothing runs."""
        return self.folder / "run"

    @property
    def secrets(self) -> Path:
        """Passwords and tokens, one file each, mode 0600."""
        return self.folder / "secrets"

    @property
    def hub(self) -> Path:
        """JupyterHub's database."""
        return self.folder / "hub"

    @property
    def homes(self) -> Path:
        """People's homes of the process backend."""
        return self.folder / "homes"

    @property
    def storage(self) -> Path:
        """What the workspace service keeps: encrypted passwords of WebDAV servers elsewhere."""
        return self.folder / "storage"

    @property
    def catalogue(self) -> Path:
        """The catalogue's index and the records of its harvests; can be harvested again."""
        return self.folder / "catalogue"

    @property
    def datapool(self) -> Path:
        """Where the orders are kept, unless they are in a database elsewhere."""
        return self.folder / "datapool"

    @property
    def facts_file(self) -> Path:
        """Where `up` writes its decisions."""
        return self.folder / "deployment.json"

    def secret(self, name: str, length: int = 32) -> str:
        """The secret of this name, made at first use: `length` random bytes as hex."""
        return self._kept(self.secrets / name, lambda: secrets.token_hex(length))

    def password(self, name: str, words: int = 4) -> str:
        """The password of this name, made at first use: short groups that a person can type."""
        letters = "abcdefghjkmnpqrstuvwxyz23456789"  # no 0/o, 1/l/i: it is read from a screen

        def fresh() -> str:
            return "-".join(
                "".join(secrets.choice(letters) for _ in range(5)) for _ in range(words)
            )

        return self._kept(self.secrets / name, fresh)

    def instance(self) -> str:
        """Six characters that tell this VRE's containers and networks from another's."""
        return self._kept(self.folder / "instance", lambda: secrets.token_hex(3))

    @staticmethod
    def _kept(path: Path, make: Any) -> str:
        """The text in `path`; made, and written with mode 0600, if there is none yet."""
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            # hub and services start together, and want the same secrets
            with suppress(FileExistsError):
                create_private(path, f"{make()}\n")
            return path.read_text().strip()

    def facts(self) -> Facts:
        """What the last `up` decided. Raises NotRunningError if there was none."""
        try:
            return Facts.model_validate_json(self.facts_file.read_text())
        except FileNotFoundError as error:
            raise NotRunningError(
                f"No VRE was ever started with the state folder {self.folder}.",
                "Start one: ./pelagos up, or name its folder with --state DIR.",
            ) from error
        except PermissionError as error:
            raise StateError(
                f"The state folder {self.folder} belongs to somebody else.",
                "Run as its owner, or give another folder with --state DIR.",
            ) from error
        except ValidationError as error:
            raise StateError(
                f"{self.facts_file} is damaged or of another version.",
                "Run ./pelagos up again: it writes the file anew.",
            ) from error

    def settings(self) -> Settings:
        """The settings as the last `up` read them; the file itself may be half-edited since.

        Raises NotRunningError if there was none, StateError if another version wrote them.
        """
        try:
            return Settings.model_validate_json((self.folder / "settings.json").read_text())
        except FileNotFoundError as error:
            raise NotRunningError(
                f"The state folder {self.folder} holds no settings.", "Run ./pelagos up again."
            ) from error
        except ValidationError as error:
            raise StateError(
                f"{self.folder}/settings.json is of another version.", "Run ./pelagos up again."
            ) from error

    def write(self, facts: Facts, settings: Settings) -> None:
        """Keep the decisions of `up` and the settings that they were made from."""
        write_private(self.folder / "settings.json", settings.model_dump_json(indent=1) + "\n")
        write_private(self.facts_file, json.dumps(facts.model_dump(mode="json"), indent=1) + "\n")


def mount_password(key: str, user: str) -> str:
    """The password with which the node agent mounts one person's embedded workspace.

    `key` is the VRE's secret `workspace-mount`; a mount that is broken into has one person's only.
    """
    return hmac.new(bytes.fromhex(key), user.encode(), "sha256").hexdigest()


class Deployment:
    """The facts of a running VRE together with its settings and images."""

    def __init__(self, state: State, facts: Facts, settings: Settings, graph: ImageGraph) -> None:
        self.state = state
        self.facts = facts
        self.settings = settings
        self.graph = graph

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The VRE of this state folder, as the last `up` left it.

        Raises NotRunningError, StateError, SettingsError.
        """
        state = State(folder)
        facts = state.facts()
        graph = load_graph(ROOT)
        return cls(state, facts, state.settings(), graph)

    def __deepcopy__(self, memo: Any) -> Self:
        # traitlets copies configuration values once per spawner; this one never changes
        return self

    @cached_property
    def images(self) -> dict[str, OfferedImage]:
        """Every configured image by its name."""
        offered = {}
        for image in self.settings.images:
            if isinstance(image, CommunityImage):
                offered[image.name] = OfferedImage(
                    name=image.name,
                    title=image.title or image.name,
                    description=image.description,
                    reference=image.reference,
                    read_only_root=image.read_only_root,
                )
            else:
                built = self.graph[image]
                offered[image] = OfferedImage(
                    name=image,
                    title=built.recipe.title,
                    description=built.recipe.description,
                    reference=self.facts.references.get(image, built.reference),
                    read_only_root=built.recipe.read_only_root,
                )
        return offered

    @property
    def network(self) -> str:
        """Name of the Docker network of people's servers."""
        return f"pelagos-{self.facts.instance}"

    @property
    def bridge(self) -> str:
        """Name of that network's interface on the host (at most 15 characters)."""
        return f"plg-{self.facts.instance}"

    @property
    def agent_socket(self) -> Path:
        """Where the node agent listens."""
        return self.state.run / "agent.sock"

    @cached_property
    def layout(self) -> Layout:
        """Where people's files are."""
        return Layout(self.state.folder, self.settings.storage)

    @property
    def people_socket(self) -> Path:
        """Where the node agent listens for the workspace service: status, retry and pins only."""
        return self.state.run / "agent-people.sock"

    @property
    def dav_url(self) -> str:
        """The embedded WebDAV server on the loopback, past the proxy, without a final slash."""
        return f"http://127.0.0.1:{self.facts.dav_port}{DAV_PATH}"

    @property
    def workspace_origin(self) -> str:
        """Scheme, host and port of the workspace service, past the proxy: for proxy and servers."""
        return f"http://{self.facts.hub_address}:{self.facts.workspace_port}"

    @property
    def catalogue_origin(self) -> str:
        """The same of the catalogue service."""
        return f"http://{self.facts.hub_address}:{self.facts.catalogue_port}"

    @property
    def datapool_origin(self) -> str:
        """The same of the service of the data pool."""
        return f"http://{self.facts.hub_address}:{self.facts.datapool_port}"

    @property
    def hub_api(self) -> str:
        """The hub's API as the host's own processes reach it, past the proxy."""
        return f"http://{self.facts.hub_address}:{self.facts.hub_port}/hub/api"


def round_seconds() -> int:
    """How often the hub and the reconciler look at which servers run."""
    return int(os.environ.get(ROUND_VARIABLE, "30"))


def default_state() -> Path:
    """The state folder when none is given: /var/lib/pelagos for root, else the user's own."""
    if named := os.environ.get(STATE_VARIABLE):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/pelagos")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "pelagos"
