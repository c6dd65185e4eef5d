"""Virtual labs: who may choose what, and whether a choice is allowed.

Pure functions over the settings: the spawn page, the spawner and the checks all ask here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pelagos.errors import RefusedError
from pelagos.settings import Settings, Size, VirtualLab
from pelagos.settings.checks import image_names, over_limit

OPTIONS = ("virtual_lab", "image", "size")


@dataclass(frozen=True)
class Selection:
    """An allowed choice: a virtual lab, one of its images, one of its sizes."""

    virtual_lab: VirtualLab
    image: str
    size: Size


def group_of(virtual_lab: VirtualLab) -> str:
    """The JupyterHub group of its members."""
    return virtual_lab.name


def managers_group_of(virtual_lab: VirtualLab) -> str:
    """The JupyterHub group of its managers."""
    return f"{virtual_lab.name}:managers"


def named_groups(settings: Settings, name: str) -> set[str]:
    """The groups that the settings themselves grant to a person of this name."""
    found = set()
    for lab in settings.virtual_labs:
        if name in lab.members:
            found.add(group_of(lab))
        if name in lab.managers:
            found.add(managers_group_of(lab))
    return found


def virtual_labs_of(settings: Settings, groups: Collection[str]) -> list[VirtualLab]:
    """The virtual labs that a person in these JupyterHub `groups` may use, default first."""
    return [
        lab
        for lab in settings.virtual_labs
        if lab.open or group_of(lab) in groups or managers_group_of(lab) in groups
    ]


def images_of(settings: Settings, virtual_lab: VirtualLab) -> list[str]:
    """Names of the images that a virtual lab offers, default first."""
    return virtual_lab.images or image_names(settings)


def sizes_of(settings: Settings, virtual_lab: VirtualLab) -> list[Size]:
    """The sizes that a virtual lab offers, default first. Never one above its limits."""
    named = {size.name: size for size in settings.sizes}
    offered = [named[name] for name in virtual_lab.sizes] or settings.sizes
    return [size for size in offered if not over_limit(size, virtual_lab)]


def _one_of(option: str, value: Any, allowed: list[str], where: str) -> str:
    """`value` if it is allowed, the first allowed if it is missing. Raises RefusedError."""
    if value is None or value == "":
        return allowed[0]
    if not isinstance(value, str) or value not in allowed:
        raise RefusedError(
            f"{option} {value!r} is not offered {where}.", f"Choose one of: {', '.join(allowed)}."
        )
    return value


def select(
    settings: Settings, groups: Collection[str], options: Mapping[str, Any], server_name: str = ""
) -> Selection:
    """The choice that `options` make for a person in `groups`; defaults where they are silent.

    `options` come from outside and may hold anything. A named server carries the name of its
    virtual lab. Raises RefusedError for everything that the settings don't allow.
    """
    foreign = [str(key) for key in options if key not in OPTIONS]
    if foreign:
        raise RefusedError(
            f"Unknown option {', '.join(map(repr, sorted(foreign)))}: nothing was started.",
            f"A server is described by {', '.join(OPTIONS)} only.",
        )
    labs = {lab.name: lab for lab in virtual_labs_of(settings, groups)}
    if not labs:
        contact = settings.site.contact
        raise RefusedError(
            "You are not a member of any virtual lab yet, so there is no server to start.",
            f"Ask for membership: {contact}." if contact else "Ask a manager to add you.",
        )
    if server_name and server_name not in labs:
        raise RefusedError(
            f"A named server carries the name of a virtual lab of yours; {server_name!r} is none.",
            f"Yours are: {', '.join(labs)}.",
        )
    wanted = options.get("virtual_lab") or server_name
    lab = labs[_one_of("Virtual lab", wanted, list(labs), "to you")]
    if server_name and lab.name != server_name:
        raise RefusedError(
            f"The server {server_name!r} belongs to the virtual lab of that name, "
            f"not to {lab.name!r}.",
            "Start the other virtual lab's own server.",
        )
    where = f"by virtual lab {lab.name!r}"
    image = _one_of("Image", options.get("image"), images_of(settings, lab), where)
    sizes = {size.name: size for size in sizes_of(settings, lab)}
    wanted = options.get("size")
    too_large = next((s for s in settings.sizes if s.name == wanted), None)
    if too_large is not None and (reason := over_limit(too_large, lab)):
        raise RefusedError(f"Refused: {reason}.", f"Choose one of: {', '.join(sizes)}.")
    return Selection(lab, image, sizes[_one_of("Size", wanted, list(sizes), where)])
