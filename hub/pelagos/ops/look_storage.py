"""What doctor says of people's storage: where it is, what enforces quotas, what waits."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from pelagos.accounts import ACCOUNT
from pelagos.deployment import Deployment
from pelagos.errors import PelagosError, StorageError
from pelagos.layout import Layout
from pelagos.node.areas import choose
from pelagos.ops.findings import Finding, Level, Patient
from pelagos.ops.storage import storage_status
from pelagos.ops.up import STORAGE
from pelagos.settings import BackendKind, QuotaKind, WorkspaceKind
from pelagos.units import format_bytes

_MIN_FREE = 2 * 2**30


def look_at_quotas(found: Patient) -> Iterator[Finding]:
    """Which quota back end the dataspace has, and why not a better one."""
    if found.settings is None or found.backend is BackendKind.PROCESS:
        return
    layout = Layout(found.state.folder, found.settings.storage)
    try:
        choice = choose(layout)
    except StorageError as error:
        yield Finding("dataspace quotas", Level.ERROR, str(error), error.mend)
        return
    if choice.kind is QuotaKind.DIRECTORY:
        mend = "Put the dataspace on XFS mounted with prjquota, or allow loop devices."
        yield Finding("dataspace quotas", Level.WARNING, choice.reason, mend)
    else:
        yield Finding("dataspace quotas", Level.OK, f"{choice.kind.value}: {choice.reason}")


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above that is there."""
    return next(one for one in (path, *path.parents) if one.is_dir())


def look_at_programs(found: Patient) -> Iterator[Finding]:
    """What the node agent calls to mount."""
    if found.backend is BackendKind.PROCESS:
        return
    missing = sorted({name for program, name in STORAGE.items() if not shutil.which(program)})
    if missing:
        detail = f"workspaces or dataspaces can't be mounted without {', '.join(missing)}"
        yield Finding("mounts", Level.ERROR, detail, "As root on Debian, ./pelagos up installs it.")
    else:
        yield Finding("mounts", Level.OK, f"{', '.join(STORAGE)} are here")


def look_at_storage_disks(found: Patient) -> Iterator[Finding]:
    """Free space where workspaces and dataspaces are."""
    if found.settings is None:
        return
    layout = Layout(found.state.folder, found.settings.storage)
    embedded = found.settings.storage.workspace.kind is WorkspaceKind.EMBEDDED
    # what waits for upload may be much, if a WebDAV server refuses it
    folders = {"dataspaces": layout.dataspaces, "caches": found.state.folder / "cache"}
    if embedded:
        folders["workspaces"] = layout.workspaces
    for name, folder in folders.items():
        free = shutil.disk_usage(_existing(folder)).free
        good = free > _MIN_FREE
        yield Finding(
            f"disk ({name})",
            Level.OK if good else Level.ERROR,
            f"{format_bytes(free)} free at {folder}",
            "" if good else "Free space there, or name another folder in the settings.",
        )


def look_at_webdav_elsewhere(found: Patient) -> Iterator[Finding]:
    """Whether a WebDAV server elsewhere can be reached, and over TLS."""
    if found.settings is None:
        return
    workspace = found.settings.storage.workspace
    if workspace.kind is not WorkspaceKind.WEBDAV:
        return
    url = httpx.URL(workspace.url.replace("{user}", "nobody"))
    try:
        answer = httpx.request(
            "OPTIONS", url, timeout=10, trust_env=False, verify=ssl.create_default_context()
        )
    except httpx.HTTPError as error:
        yield Finding(
            "WebDAV server",
            Level.ERROR,
            f"{url.host} can't be reached: {error}",
            "Check storage.workspace.url, the network and the certificate.",
        )
        return
    if url.scheme != "https" and url.host not in ("127.0.0.1", "localhost"):
        yield Finding(
            "WebDAV server",
            Level.WARNING,
            f"{url.host} is spoken to without TLS: passwords travel in the clear",
            "Use an https address.",
        )
    else:
        yield Finding("WebDAV server", Level.OK, f"{url.host} answers HTTP {answer.status_code}")


def look_at_account(found: Patient) -> Iterator[Finding]:
    """Whether the services that need no root run without it."""
    if not found.runs or os.geteuid() != 0:
        return
    try:
        deployment = Deployment.load(found.state.folder)
    except PelagosError:
        return  # said before
    if deployment.facts.as_account:
        yield Finding("account", Level.OK, f"the storage services run as {ACCOUNT}")
    else:
        yield Finding(
            "account",
            Level.WARNING,
            f"the storage services run as root: {ACCOUNT} can't read Python or the checkout",
            "Put both where everybody can read them, such as /opt/pelagos and Debian's python3.",
        )


def look_at_uploads(found: Patient) -> Iterator[Finding]:
    """Mounts that are not there, and uploads that were refused."""
    if not found.runs or found.backend is not BackendKind.DOCKER:
        return
    try:
        status = storage_status(Deployment.load(found.state.folder))
    except PelagosError as error:
        yield Finding("storage", Level.ERROR, str(error), error.mend)
        return
    lost = [one for one in status.workspaces if one.state == "unavailable"]
    failed = [one for one in status.workspaces if one.failed]
    for one in lost:
        yield Finding(
            f"workspace of {one.user}",
            Level.WARNING,
            f"not mounted: {one.reason}",
            f"It is tried again by itself; the log is in {found.state.logs}/agent.log.",
        )
    for one in failed:
        first = one.failed[0]
        yield Finding(
            f"uploads of {one.user}",
            Level.WARNING,
            f"{len(one.failed)} refused, such as {first.name!r}: {first.reason}",
            "They are kept and tried again; the person may delete or move what can't arrive.",
        )
    if not lost and not failed:
        waiting = sum(one.pending for one in status.workspaces)
        yield Finding(
            "workspaces", Level.OK, f"{len(status.workspaces)} mounted, {waiting} uploads waiting"
        )


LOOKS: list[Callable[[Patient], Iterator[Finding]]] = [
    look_at_quotas,
    look_at_programs,
    look_at_storage_disks,
    look_at_webdav_elsewhere,
    look_at_account,
    look_at_uploads,
]
