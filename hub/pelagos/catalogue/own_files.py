"""Files of a folder that is a source, handed out: what the catalogue service serves."""

from __future__ import annotations

from pelagos.catalogue.described import NAME, describe
from pelagos.catalogue.folders import Tree, is_odv, locate
from pelagos.catalogue.formats.summary import NETCDF, ODV
from pelagos.settings.sources import FilesSource


def open_file(source: FilesSource, path: str) -> int:
    """A descriptor of a file that the source lists, for reading; the caller closes it.

    `path` is that of an asset's `files/…`, decoded. Raises FileNotFoundError for whatever is not
    listed, whether it is there or not; OSError, and SourceError if the source itself can't be read.
    """
    if not source.path:
        raise FileNotFoundError(path)
    with Tree(locate(source.path)) as tree:
        description, _, _ = describe(source, tree)
        if path == NAME or not description.lists(path):
            raise FileNotFoundError(path)
        return tree.open(path)


def media_type(path: str) -> str:
    """The media type of a listed file, as its asset has it."""
    return ODV if is_odv(path) else NETCDF
