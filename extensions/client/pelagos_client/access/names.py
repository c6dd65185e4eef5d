"""Safe file names of what is ordered, from addresses that anybody may have written."""

from __future__ import annotations

import re
import unicodedata
import urllib.parse
from collections.abc import Iterable

LONGEST = 120  # characters of a name
_PACKED = (".gz", ".bz2", ".xz", ".zip", ".z", ".zst")
_BY_TYPE = {
    "application/x-netcdf": ".nc",
    "application/netcdf": ".nc",
    "application/x-netcdf4": ".nc",
    "application/x-hdf5": ".h5",
    "application/x-hdf": ".h5",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/geo+json": ".geojson",
    "application/pdf": ".pdf",
    "application/vnd.apache.parquet": ".parquet",
    "image/tiff": ".tif",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/xml": ".xml",
    "application/xml": ".xml",
}


def file_name(href: str, media: str = "", title: str = "", mark: str = "") -> str:
    """A name of ASCII letters, digits, `.`, `_` and `-`, never hidden, at most LONGEST long.

    It is the last part of `href`; where that has no extension, `title` if it looks like a file's
    name, else with the extension of the media type `media`. `mark` is put before the extension.
    """
    path = re.split(r"[?#]", href, maxsplit=1)[0].rstrip("/")
    last = _safe(urllib.parse.unquote(path.rpartition("/")[2]))
    stem, ending = _split(last)
    if not ending and re.fullmatch(r"[^\s/\\]{1,200}\.[A-Za-z0-9]{1,5}", title):
        stem, ending = _split(_safe(title))
    if not ending:
        ending = _BY_TYPE.get(media.partition(";")[0].strip().lower(), "")
    mark = f"-{mark}" if mark else ""
    return (stem or "file")[: LONGEST - len(mark) - len(ending)] + mark + ending


def cut_name(stem: str, ending: str, mark: str) -> str:
    """The name of what is cut out of `stem`; `mark` tells one cut from another."""
    return (_safe(stem) or "file")[: LONGEST - len(mark) - len(ending) - 5] + f"-cut-{mark}{ending}"


def unique(names: Iterable[str]) -> list[str]:
    """The same names; of those that differ in case at most, all but the first get a number."""
    taken: set[str] = set()
    found = []
    wanted = list(names)
    for name in wanted:
        stem, ending = _split(name)
        chosen, number = name, 1
        while chosen.lower() in taken:
            number += 1
            tail = f"-{number}{ending}"
            chosen = stem[: LONGEST - len(tail)] + tail
        taken.add(chosen.lower())
        found.append(chosen)
    return found


def _safe(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain).lstrip("._-").rstrip("._-")


def _split(name: str) -> tuple[str, str]:
    """A name's stem and its extension: two parts of it where it is packed."""
    stem, dot, last = name.rpartition(".")
    if not dot or not stem or not re.fullmatch(r"[A-Za-z0-9]{1,8}", last):
        return name, ""
    ending = dot + last
    if ending.lower() in _PACKED:
        before, dot, inner = stem.rpartition(".")
        if before and dot and re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,7}", inner):
            return before, f".{inner}{ending}"
    return stem, ending
