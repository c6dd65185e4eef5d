"""The models behind pelagos.yaml: one place that validates, documents and completes."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from pelagos.settings.sources import CatalogueScope, CatalogueSettings
from pelagos.units import Bytes, Seconds

MAX_CORES = 8.0
MAX_MEMORY = 32 * 2**30

# A name becomes a JupyterHub group, a folder name and part of a URL: keep it to one DNS label.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$")]
# `:` would make a person's name look like the group of a virtual lab's managers.
UserName = Annotated[str, StringConstraints(pattern=r"^[^\s:/]{1,255}$")]
# Text, so that the schema and the reference stay simple; it becomes a Path where it is used.
FolderPath = Annotated[str, StringConstraints(pattern=r"^(/[^\x00\n]*[^\x00\n/])?$")]


class Model(BaseModel):
    """Base of every settings model: unknown keys are errors, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(Model):
    """Who runs this VRE."""

    name: str = Field("Pelagos", description="Name shown on every page.", min_length=1)
    contact: str = Field(
        "", description="E-mail or URL shown where a person needs an administrator."
    )


class AuthenticationKind(StrEnum):
    """How people sign in."""

    SHARED_PASSWORD = "shared-password"  # noqa: S105 - the name of a kind


class Authentication(Model):
    """How people sign in."""

    kind: AuthenticationKind = Field(
        AuthenticationKind.SHARED_PASSWORD,
        description=(
            "`shared-password`: any user name with one generated password; for a demonstration "
            "or a workshop, not for people who must be kept apart from each other."
        ),
    )
    admins: list[UserName] = Field(
        ["admin"],
        description="User names of VRE administrators; they have a password of their own.",
    )


class Limits(Model):
    """The most that one server may have."""

    cores: float = Field(MAX_CORES, description="CPU cores.", gt=0, le=1024)
    memory: Bytes = Field(MAX_MEMORY, description="Memory, such as `32 GiB`.", ge=2**27)


class Size(Model):
    """A named pair of cores and memory that a person can choose."""

    name: Name = Field(description="Short name, used in links and options.")
    title: str = Field("", description="Shown on the spawn page; the name if empty.")
    cores: float = Field(description="CPU cores that the server may use at most.", gt=0)
    memory: Bytes = Field(
        description="Memory that the server may use at most; no swap on top.", ge=2**27
    )
    pids: int = Field(
        1024, description="Processes and threads that the server may have.", ge=64, le=65536
    )


class VirtualLab(Model):
    """A community's space: its people, its images and sizes, its limits."""

    name: Name = Field(description="Short name: the JupyterHub group, used in links and paths.")
    title: str = Field("", description="Shown on the spawn page; the name if empty.")
    description: str = Field("", description="One sentence for the people who may choose it.")
    open: bool = Field(False, description="Every signed-in person is a member.")
    members: list[UserName] = Field([], description="User names of its members.")
    managers: list[UserName] = Field([], description="User names of its managers.")
    images: list[Name] = Field(
        [], description="Images offered, default first; every configured image if empty."
    )
    sizes: list[Name] = Field(
        [], description="Sizes offered, default first; every size within the limits if empty."
    )
    limits: Limits = Field(
        Limits(), description="The most that one server of this virtual lab may have."
    )
    members_write: bool = Field(
        True,
        description=(
            "Members may write to the virtual lab's shared folder of the workspace; if false only "
            "its managers may, and members read."
        ),
    )
    catalogue: CatalogueScope = Field(
        CatalogueScope(), description="What its people see of the catalogue."
    )
    managers_see_orders: bool = Field(
        False,
        description="Its managers see what its members order in it; else only the owner sees it.",
    )


class CommunityImage(Model):
    """An image that somebody published, by its reference in a registry."""

    name: Name = Field(description="Short name, used in options and links.")
    reference: str = Field(
        description="What `docker pull` takes; a digest pins it.",
        pattern=r"^[a-z0-9][a-zA-Z0-9._/:@-]*$",
    )
    title: str = Field("", description="Shown on the spawn page; the name if empty.")
    description: str = Field("", description="One sentence for a scientist.")
    read_only_root: bool = Field(
        True, description="Run with a read-only root file system; false if the image can't."
    )


class Servers(Model):
    """The life of people's servers."""

    start_timeout: Seconds = Field(
        120, description="A server that is not usable after this time is given up.", ge=10
    )
    idle_timeout: Seconds = Field(
        2 * 3600, description="A server without activity for this long is stopped; 0: never."
    )
    max_age: Seconds = Field(
        7 * 86400, description="A server is stopped at this age, used or not; 0: never."
    )
    named: bool = Field(
        True, description="Each person may run one more server per virtual lab, by its name."
    )


class BackendKind(StrEnum):
    """Where people's servers run."""

    AUTO = "auto"
    DOCKER = "docker"
    PROCESS = "process"


def _network(text: str) -> str:
    return str(ipaddress.IPv4Network(text))


class Network(Model):
    """What people's servers may reach. The internet always; the host's own networks never."""

    allow: list[Annotated[str, AfterValidator(_network)]] = Field(
        [],
        description=(
            "Private networks that servers may reach all the same, in IPv4 CIDR notation, such as "
            "a data server's `10.20.0.0/24`."
        ),
    )


class WorkspaceKind(StrEnum):
    """Where people's workspaces are."""

    EMBEDDED = "embedded"
    WEBDAV = "webdav"


class Workspace(Model):
    """The persistent storage: every person's own, and a shared folder per virtual lab."""

    kind: WorkspaceKind = Field(
        WorkspaceKind.EMBEDDED,
        description=(
            "`embedded`: folders on this machine, served over WebDAV by this VRE. `webdav`: a "
            "server elsewhere (Nextcloud, B2DROP, any), where each person has an account."
        ),
    )
    url: str = Field(
        "",
        description=(
            "With `webdav`: the address of a person's folder there; `{user}` stands for the user "
            "name that the person has there."
        ),
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
    )
    path: FolderPath = Field(
        "",
        description=(
            "With `embedded`: an absolute path of the folder to keep workspaces in; `workspaces` "
            "in the state folder if empty."
        ),
    )
    quota: Bytes = Field(
        10 * 2**30, description="With `embedded`: the most that one person may keep.", ge=2**20
    )
    virtual_lab_quota: Bytes = Field(
        50 * 2**30,
        description="With `embedded`: the most that the shared folder of a virtual lab may hold.",
        ge=2**20,
    )
    cache: Bytes = Field(
        5 * 2**30,
        description="Space on this machine for each person's files under way to and from WebDAV.",
        ge=2**26,
    )


class QuotaKind(StrEnum):
    """How the quota of a dataspace is enforced."""

    AUTO = "auto"
    XFS = "xfs"
    IMAGE = "image"
    DIRECTORY = "directory"


class Dataspace(Model):
    """The fast, volatile storage of this machine."""

    path: FolderPath = Field(
        "",
        description=(
            "An absolute path of a folder on a fast disk; `dataspaces` in the state folder if "
            "empty."
        ),
    )
    quota_kind: QuotaKind = Field(
        QuotaKind.AUTO,
        description=(
            "`xfs`: project quota of an XFS file system. `image`: a file system in a sparse file "
            "per owner. `directory`: plain folders, where nothing is enforced. `auto`: the first "
            "of these that the machine can do."
        ),
    )
    quota: Bytes = Field(
        20 * 2**30, description="The most that one person's own area may hold.", ge=2**24
    )
    virtual_lab_quota: Bytes = Field(
        50 * 2**30, description="The most that a virtual lab's area may hold.", ge=2**24
    )
    expiry: Seconds = Field(
        7 * 86400,
        description="A file in a person's own area goes this long after its last change; 0: never.",
    )
    virtual_lab_expiry: Seconds = Field(
        30 * 86400,
        description="The same in a virtual lab's area; 0: never.",
    )


class Storage(Model):
    """Where people's files are."""

    workspace: Workspace = Field(Workspace(), description="Persistent, over WebDAV.")
    dataspace: Dataspace = Field(Dataspace(), description="Fast and volatile, on this machine.")


class DataPool(Model):
    """One copy of everything that people order, which all can read."""

    quota: Bytes = Field(
        100 * 2**30,
        description=(
            "The most that the pool may hold. What no order needs any more goes first when it is "
            "reached, the longest unused before others."
        ),
        ge=2**20,
    )
    keep: Seconds = Field(
        7 * 86400,
        description="A ready order keeps its files in the pool for this long; renewed by its use.",
        ge=60,
    )
    order_files: int = Field(
        10_000, description="Files that one order may have at most.", ge=1, le=100_000
    )
    live_orders: int = Field(
        50, description="Orders that one person may have under way at a time.", ge=1
    )
    downloads: int = Field(16, description="Files that are fetched at a time.", ge=1, le=64)
    per_host: int = Field(4, description="Requests at a time to one host.", ge=1, le=32)
    database_file: FolderPath = Field(
        "",
        description=(
            "An absolute path of a file that holds the address of a PostgreSQL database, such as "
            "`postgresql+psycopg://pelagos:PASSWORD@db.example.org/pelagos`; a file in the state "
            "folder (SQLite) if empty."
        ),
    )


class Settings(Model):
    """All of pelagos.yaml. Every key has a default: an empty file is the demonstration VRE."""

    site: Site = Field(Site(), description="Who runs this VRE.")
    authentication: Authentication = Field(Authentication(), description="How people sign in.")
    sizes: list[Size] = Field(
        [
            Size(name="small", title="Small", cores=1, memory=2 * 2**30),
            Size(name="medium", title="Medium", cores=2, memory=4 * 2**30),
            Size(name="large", title="Large", cores=8, memory=32 * 2**30),
        ],
        description="The sizes that a person can choose from, default first.",
        min_length=1,
    )
    virtual_labs: list[VirtualLab] = Field(
        [
            VirtualLab(
                name="ocean-climate",
                title="Ocean climate",
                description="Sea-surface temperature, heat content and circulation.",
                open=True,
                images=["python", "base"],
            ),
            VirtualLab(
                name="marine-data-school",
                title="Marine data school",
                description="First steps with ocean data, for courses and workshops.",
                open=True,
                images=["python"],
                sizes=["small", "medium"],
                limits=Limits(cores=2, memory=4 * 2**30),
            ),
        ],
        description="The communities' spaces, default first.",
        min_length=1,
    )
    images: list[Name | CommunityImage] = Field(
        ["python", "base"],
        description="Names from images/images.yaml, and published community images.",
        min_length=1,
    )
    servers: Servers = Field(Servers(), description="The life of people's servers.")
    network: Network = Field(Network(), description="What people's servers may reach.")
    storage: Storage = Field(Storage(), description="Where people's files are.")
    catalogue: CatalogueSettings = Field(CatalogueSettings(), description="What can be searched.")
    datapool: DataPool = Field(DataPool(), description="What people order, and how much of it.")
    backend: BackendKind = Field(
        BackendKind.AUTO,
        description=(
            "`docker`: one container per server. `process`: local processes, which nothing "
            "isolates or limits. `auto`: docker where an engine is or can be installed."
        ),
    )
