"""Opens a local file by what it is, not by what it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pelagos_client.errors import OpenError
from pelagos_client.needed import module
from pelagos_client.odv import read_odv, read_table

NETCDF, ZARR, OPENDAP, ODV, TABLE = "netcdf", "zarr", "opendap", "odv", "table"
_ZARR_FILES = ("zarr.json", ".zgroup", ".zmetadata")
_TABLES = (".csv", ".tsv", ".tab", ".txt", ".dat")
_PACKED = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"%PDF": "PDF"}


def kind_of_path(path: Path) -> str:
    """What a file or folder is. Raises OpenError if it is nothing that can be opened."""
    if path.is_dir():
        if any((path / name).is_file() for name in _ZARR_FILES):
            return ZARR
        raise OpenError(f"{path} is a folder, and no zarr store.", "Name a file in it.")
    try:
        with path.open("rb") as file:
            first = file.read(2**16)
    except OSError as error:
        raise OpenError(
            f"{path} can't be read: {error.strerror}.", "If it was swept, retry() its order."
        ) from error
    if first.startswith((b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")):
        return NETCDF
    for begin, name in _PACKED.items():
        if first.startswith(begin):
            raise OpenError(f"{path.name} is a {name} file.", "Unpack it, or read it otherwise.")
    text = first.removeprefix(b"\xef\xbb\xbf")
    if text.lstrip()[:9].lower() in (b"<!doctype", b"<html>") or b"\0" in text:
        raise OpenError(
            f"{path.name} is no NetCDF, zarr, ODV or CSV file.", "Read it with its own library."
        )
    if _is_odv(text):
        return ODV
    if path.suffix.lower() in _TABLES:
        return TABLE
    raise OpenError(
        f"{path.name} is no NetCDF, zarr, ODV or CSV file.", "Read it with its own library."
    )


def _is_odv(text: bytes) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    head = next((line for line in lines if not line.startswith(b"//")), b"")
    names = {cell.split(b"[")[0].strip().lower() for cell in head.split(b"\t")}
    if {b"cruise", b"station", b"type"} <= names:
        return True
    return bool(lines) and lines[0].startswith(b"//") and b"SDN_parameter_mapping" in text


def open_path(path: Path, **options: Any) -> Any:
    """An xarray.Dataset or a pandas.DataFrame. Raises OpenError, MissingPackageError."""
    kind = kind_of_path(path)
    if kind == ODV:
        return read_odv(path)
    if kind == TABLE:
        return read_table(path, **options)
    xarray = module("xarray", "open")
    engine = "zarr" if kind == ZARR else "netcdf4"
    module("zarr" if kind == ZARR else "netCDF4", "open")
    try:
        return xarray.open_dataset(path, **{"engine": engine, **options})
    except (OSError, ValueError, KeyError) as error:
        raise OpenError(
            f"{path.name} can't be opened: {error}.",
            "If it is damaged, order it again; xarray's own options may help, such as "
            "decode_times=False.",
        ) from error
