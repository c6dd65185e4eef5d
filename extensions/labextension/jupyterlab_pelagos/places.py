"""Where orders go: the VRE's areas, or a folder that the file browser shows."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.shared import Shared

DATASPACE, WORKSPACE = "dataspace", "workspace"
AREAS = (DATASPACE, WORKSPACE)
_CHOOSE = "Choose a folder that the file browser shows."


def has_pool() -> bool:
    """Whether a data pool takes orders here."""
    from pelagos_client import hub_orders

    return hub_orders.SERVICE.configured()


def default_target(shared: Shared) -> str:
    """Where orders go that nobody chose a target for."""
    return DATASPACE if has_pool() else shared.order_folder


def checked(shared: Shared, to: str) -> str:
    """A target as it is kept. Raises Refused."""
    to = to.strip()
    if to in AREAS:
        if not has_pool():
            raise Refused(
                409, Problem(f"There is no {to} here: this is no server of a VRE.", _CHOOSE)
            )
        return to
    folder_of(shared, to)
    return to


def folder_of(shared: Shared, to: str) -> Path:
    """The folder of a target that is none of the VRE's areas. It may not be there yet.

    It is below the server's root folder, or in an area of the VRE that is linked there: links are
    followed before that is looked at. Raises Refused.
    """
    meant = difflib.get_close_matches(to.lower(), AREAS, 1, 0.8)
    if not to or (meant and not (shared.root / to).is_dir()):
        hint = f"Did you mean “{meant[0]}”?" if meant else _CHOOSE
        raise Refused(400, Problem(f"“{to}” is no place for an order.", hint))
    try:
        found = Path(os.path.realpath(shared.root / Path(to).expanduser()))
        is_file = found.exists() and not found.is_dir()
    except (ValueError, RuntimeError, OSError):
        raise Refused(400, Problem(f"“{to}” is no name of a folder.", _CHOOSE)) from None
    if not any(found.is_relative_to(base) for base in _bases(shared)):
        raise Refused(
            400, Problem(f"“{to}” is not below the folder that the file browser shows.", _CHOOSE)
        )
    if is_file:
        raise Refused(400, Problem(f"“{to}” is a file.", _CHOOSE))
    return found


def _bases(shared: Shared) -> list[Path]:
    from pelagos_client import folders

    named = [shared.root, folders.workspace(), folders.dataspace() / folders.OWN]
    return [Path(os.path.realpath(one)) for one in named if one.is_dir()]


def contents_of(shared: Shared, folder: str) -> str | None:
    """An absolute path as the file browser has it; None where it does not reach."""
    if not folder:
        return None
    if Path(folder).is_relative_to(shared.root):
        return Path(folder).relative_to(shared.root).as_posix()
    real = Path(os.path.realpath(folder))
    if real.is_relative_to(shared.root):
        return real.relative_to(shared.root).as_posix()
    for name in AREAS:  # links in the home of a server of a VRE
        link = shared.root / name
        target = Path(os.path.realpath(link))
        if link.is_symlink() and real.is_relative_to(target):
            return (Path(name) / real.relative_to(target)).as_posix()
    return None
