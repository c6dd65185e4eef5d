"""Where the workspace and the dataspace are in this server, and whether they can be used."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from pelagos_client.errors import NotAvailableError, OutsideError

WORKSPACE_VARIABLE = "PELAGOS_WORKSPACE"
DATASPACE_VARIABLE = "PELAGOS_DATASPACE"
OWN = "me"
README = "README.txt"
_VIRTUAL_LAB = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")


def workspace() -> Path:
    """The workspace: `PELAGOS_WORKSPACE`, else ~/workspace. May not be there."""
    named = os.environ.get(WORKSPACE_VARIABLE)
    return Path(named) if named else Path.home() / "workspace"


def dataspace() -> Path:
    """The folder with all areas: `PELAGOS_DATASPACE`, else /dataspace. May not be there."""
    return Path(os.environ.get(DATASPACE_VARIABLE) or "/dataspace")


def ready(folder: Path, what: str) -> Path:
    """`folder`, if it is there and connected. Raises NotAvailableError."""
    try:
        mode = folder.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    except OSError as error:  # a mount whose process died
        raise NotAvailableError(
            f"{what} at {folder} can't be opened: {error.strerror}.",
            "Wait a minute; if it stays so, restart the server from the hub's page.",
        ) from error
    if not stat.S_ISDIR(mode):
        raise NotAvailableError(
            f"{what} is not here: there is no folder {folder}.",
            "Outside of a Pelagos VRE set PELAGOS_WORKSPACE and PELAGOS_DATASPACE to folders.",
        )
    # what stands in place of a mount: a folder that nobody can write, with the reason
    note = folder / README
    if not mode & 0o222 and note.is_file():
        raise NotAvailableError(
            f"{what} is not connected.",
            f"{note} says why; the page “Your storage” of the hub has a button to try again.",
        )
    return folder


def virtual_lab(base: Path, name: str, what: str) -> Path:
    """The folder of a virtual lab below `base`. Raises NotAvailableError, OutsideError."""
    if not _VIRTUAL_LAB.fullmatch(name) or name == "pool":
        raise OutsideError(
            f"{name!r} is no name of a virtual lab.", "Use its short name, such as ocean-climate."
        )
    folder = base / name
    if not folder.is_dir():
        there = sorted(
            entry.name
            for entry in (base.iterdir() if base.is_dir() else ())
            if _VIRTUAL_LAB.fullmatch(entry.name) and entry.name != "pool" and entry.is_dir()
        )
        raise NotAvailableError(
            f"There is no {what} of the virtual lab {name!r} here.",
            f"Here are: {', '.join(there) or 'none'}. Are you a member, and was this server "
            "started since?",
        )
    return ready(folder, f"The {what} of {name}")


def inside(path: Path, root: Path, what: str) -> Path:
    """`path` without links, if it is below `root`. Raises OutsideError."""
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    if not real.is_relative_to(real_root):
        raise OutsideError(f"{path} is not in {what} ({root}).", "Give a path below it.")
    return real


def below(path: str) -> Path:
    """A relative path that a service named, if it leads nowhere else. Raises OutsideError."""
    found = Path(path)
    if found.is_absolute() or ".." in found.parts or "\0" in path or not found.parts:
        raise OutsideError(f"{path!r} is no path below a folder.", "Please report it.")
    return found
