"""What one model can't see: rules between the parts of the settings."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from pelagos.settings.models import CommunityImage, Settings, Size, VirtualLab, WorkspaceKind
from pelagos.settings.sources import FilesSource
from pelagos.units import format_bytes, format_cores

# Areas of the dataspace beside the virtual labs' own.
RESERVED_AREAS = ("pool",)

Problem = tuple[tuple[str | int, ...], str]


def image_names(settings: Settings) -> list[str]:
    """Names of all configured images, in the order of the settings."""
    return [image.name if isinstance(image, CommunityImage) else image for image in settings.images]


def _repeated(section: str, names: list[str], key: bool = True) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name in names[:index]:
            at = (section, index, "name") if key else (section, index)
            yield at, f"{name!r} stands twice; names must differ"


def over_limit(size: Size, virtual_lab: VirtualLab) -> str:
    """Why `size` is above what `virtual_lab` allows; empty if it fits."""
    limits = virtual_lab.limits
    if size.cores > limits.cores:
        return (
            f"size {size.name!r} has {format_cores(size.cores)}, more than the "
            f"{format_cores(limits.cores)} that virtual lab {virtual_lab.name!r} allows"
        )
    if size.memory > limits.memory:
        return (
            f"size {size.name!r} has {format_bytes(size.memory)} of memory, more than the "
            f"{format_bytes(limits.memory)} that virtual lab {virtual_lab.name!r} allows"
        )
    return ""


def _check_virtual_lab(
    index: int, virtual_lab: VirtualLab, sizes: dict[str, Size], images: list[str]
) -> Iterator[Problem]:
    at = ("virtual_labs", index)
    for position, name in enumerate(virtual_lab.images):
        if name not in images:
            known = ", ".join(images)
            yield (*at, "images", position), f"unknown image {name!r} (configured: {known})"
    for position, name in enumerate(virtual_lab.sizes):
        if name not in sizes:
            known = ", ".join(sizes)
            yield (*at, "sizes", position), f"unknown size {name!r} (configured: {known})"
        elif reason := over_limit(sizes[name], virtual_lab):
            yield (*at, "sizes", position), reason
    fitting = [size for size in sizes.values() if not over_limit(size, virtual_lab)]
    if not virtual_lab.sizes and not fitting:
        yield (*at, "limits"), "no configured size fits within these limits"
    if not (virtual_lab.open or virtual_lab.members or virtual_lab.managers):
        yield at, "nobody can use it: give members or managers, or set open: true"


def _check_storage(settings: Settings) -> Iterator[Problem]:
    at = ("storage", "workspace")
    workspace = settings.storage.workspace
    if workspace.kind is WorkspaceKind.WEBDAV and not workspace.url:
        yield at, "kind webdav needs a url, such as https://cloud.example.org/dav/{user}/"
    if "{user}" in "".join(workspace.url.split("/")[:3]):
        yield (*at, "url"), "{user} may stand in the path only, not in the host"
    if workspace.kind is WorkspaceKind.EMBEDDED and workspace.url:
        yield (*at, "url"), "only with kind: webdav"
    if workspace.kind is WorkspaceKind.WEBDAV and workspace.path:
        yield (*at, "path"), "only with kind: embedded"
    for index, virtual_lab in enumerate(settings.virtual_labs):
        if virtual_lab.name in RESERVED_AREAS:
            yield (
                ("virtual_labs", index, "name"),
                f"{virtual_lab.name!r} is the name of an area of the dataspace",
            )


def _check_catalogue(settings: Settings) -> Iterator[Problem]:
    sources = settings.catalogue.sources
    names = [source.name for source in sources]
    for index, source in enumerate(sources):
        at = ("catalogue", "sources", index)
        if source.name in names[:index]:
            yield (*at, "name"), f"{source.name!r} stands twice; names must differ"
        if isinstance(source, FilesSource) and bool(source.path) == bool(source.url):
            yield at, "kind files needs either a path or the url of a THREDDS catalogue"
    for index, virtual_lab in enumerate(settings.virtual_labs):
        scope = virtual_lab.catalogue
        for key, patterns in (("collections", scope.collections), ("featured", scope.featured)):
            for position, pattern in enumerate(patterns):
                if not fnmatch.filter(names, pattern.partition(".")[0]):
                    yield (
                        ("virtual_labs", index, "catalogue", key, position),
                        f"{pattern!r} is of no configured source "
                        f"({', '.join(names) or 'there is none'}); write SOURCE.ID",
                    )


def check(settings: Settings, recipe_names: list[str]) -> Iterator[Problem]:
    """Every problem between parts: its location and the reason.

    `recipe_names` are the images that images/images.yaml can build.
    """
    images = image_names(settings)
    sizes = {size.name: size for size in settings.sizes}
    yield from _repeated("sizes", [size.name for size in settings.sizes])
    yield from _repeated("virtual_labs", [lab.name for lab in settings.virtual_labs])
    yield from _repeated("images", images, key=False)
    for index, size in enumerate(settings.sizes):
        reasons = [over_limit(size, virtual_lab) for virtual_lab in settings.virtual_labs]
        if all(reasons):
            yield (
                ("sizes", index),
                f"no virtual lab may use it: {reasons[0]}; raise `limits`, or take it out",
            )
    for index, image in enumerate(settings.images):
        if isinstance(image, str) and image not in recipe_names:
            known = ", ".join(recipe_names)
            yield ("images", index), f"unknown image {image!r} (images/images.yaml has: {known})"
        elif isinstance(image, CommunityImage) and image.name in recipe_names:
            yield ("images", index, "name"), f"{image.name!r} is an image of images/images.yaml"
    for index, virtual_lab in enumerate(settings.virtual_labs):
        yield from _check_virtual_lab(index, virtual_lab, sizes, images)
    yield from _check_storage(settings)
    yield from _check_catalogue(settings)
