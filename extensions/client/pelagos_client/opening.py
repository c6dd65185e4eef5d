"""Open what was found or ordered: xarray Datasets of NetCDF, zarr and OPeNDAP, tables of ODV, CSV.

Where it is in the pool or in an order's folder it is opened there, and remotely otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pelagos_client import remote
from pelagos_client.access.model import AccessError, Criteria
from pelagos_client.access.planning import plan as plan_item
from pelagos_client.asking import Box, Time, criteria_of
from pelagos_client.cutting import cut, joined
from pelagos_client.errors import OpenError
from pelagos_client.formats import OPENDAP, ZARR, open_path
from pelagos_client.items import items_of
from pelagos_client.order_base import Order
from pelagos_client.tables import clean, escaped, text_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
LARGEST = 512 * 2**20  # bytes that are downloaded just to be opened


class Opened(Mapping[str, Any]):
    """Several files: a mapping by item, or by path where an item has more than one.

    Each is opened when it is asked for, and then kept.
    """

    def __init__(self, parts: Mapping[str, partial[Any]]) -> None:
        self._parts = dict(parts)
        self._opened: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._opened:
            self._opened[name] = self._parts[name]()
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        rows = [(clean(name),) for name in self._parts]
        return f"{len(rows)} files, each opened when it is asked for\n{text_table(['name'], rows)}"

    def _repr_html_(self) -> str:
        return f"<pre>{escaped(repr(self).splitlines()[0])}</pre>" + "".join(
            f"<div>{escaped(name)}</div>" for name in list(self._parts)[:20]
        )


def open(  # the name that a scientist expects: pelagos_client.open
    what: Any,
    *,
    asset: str | None = None,
    variables: Sequence[str] | str | None = None,
    bbox: Box | None = None,
    datetime: Time | None = None,
    combine: bool = False,
    dim: str | None = None,
    largest: int = LARGEST,
    private_hosts: Sequence[str] = (),
    **options: Any,
) -> xr.Dataset | pd.DataFrame | Opened:
    """Open data: an xarray.Dataset of NetCDF, zarr, OPeNDAP, ERDDAP; a pandas.DataFrame of tables.

    Of one file that; of several `Opened`, a mapping by item, or with `combine` one Dataset or
    DataFrame of all.

    Args:
        what: An order that is ready, an item or several, a path, or an http(s) address.
        asset: The key of an asset; all data of an item if None.
        variables: Names or CF standard names; all if None.
        bbox: W, S, E, N in degrees; west of more than east crosses the antimeridian.
        datetime: RFC 3339 in UTC, both ends included.
        combine: Join several files: along `dim`; if that is None along Argo's N_PROF, or by
            coordinates. Dimensions of different lengths are filled with missing values. Rows of
            tables one below the other, with the column `item`.
        dim: The dimension to join along.
        largest: At most so many bytes are downloaded to be opened; more has to be ordered.
        private_hosts: Hosts that may be private ones, such as `"data.lan:8080"`.
        options: For xarray.open_dataset or pandas.read_csv.

    What the search of an item asked for is cut out by servers that can cut (ERDDAP, OBIS,
    OPeNDAP). Of whole files only what is given here is cut, after opening them.

    Raises:
        OpenError: It can't be opened: what and why.
        OrderError: The order is not ready.
        QuestionError: An argument makes no sense.
        DownloadError, AccessError: A remote file can't be had.
        MissingPackageError: xarray, pandas or another package is not installed.
    """
    wanted = criteria_of(bbox, datetime, variables)
    if isinstance(what, Order):
        parts = _of_order(what, asset, wanted, options)
    elif isinstance(what, str | os.PathLike):
        text = os.fspath(what)
        if isinstance(text, str) and urlsplit(text).scheme in ("http", "https"):
            remote_one = partial(_address, text, wanted, largest, private_hosts, options)
            parts = {text: remote_one}
        else:
            parts = {str(text): partial(_file, Path(str(text)).expanduser(), wanted, options)}
    else:
        parts = {}
        found = items_of(what)
        given = criteria_of(bbox, datetime, variables, found.criteria)
        for document in found.documents:
            parts |= _of_item(document, asset, wanted, given, largest, private_hosts, options)
    if not parts:
        raise OpenError("There is nothing to open.", "Search again, or name another asset.")
    if len(parts) == 1:
        return next(iter(parts.values()))()
    opened = Opened(parts)
    return joined(opened, dim) if combine else opened


def _of_order(
    order: Order, asset: str | None, wanted: Criteria, options: dict[str, Any]
) -> dict[str, partial[Any]]:
    paths = order.files
    pairs = [
        (file, path)
        for file, path in zip(order.delivered(), paths, strict=True)
        if asset is None or file.asset == asset
    ]
    if not pairs:
        raise OpenError(f"The order has no asset {asset!r}.", "See order.details().")
    counts: dict[str, int] = {}
    for file, _ in pairs:
        counts[file.item] = counts.get(file.item, 0) + 1
    return {
        file.item if counts[file.item] == 1 else file.path: partial(_file, path, wanted, options)
        for file, path in pairs
    }


def _of_item(
    document: dict[str, Any],
    asset: str | None,
    wanted: Criteria,
    given: Criteria,
    largest: int,
    private_hosts: Sequence[str],
    options: dict[str, Any],
) -> dict[str, partial[Any]]:
    """Openers of an item's data: from the pool, as it is served, or downloaded."""
    name = str(document.get("id") or "item")
    lazy, address = remote.lazy_asset(document, asset)
    served = {name: partial(_served, address, lazy, given, options)}
    if lazy and asset:
        return served
    try:
        plans = plan_item(document, given, [asset] if asset else None)
    except AccessError:
        if lazy:
            return served
        raise
    here = [remote.in_pool(document, plan) for plan in plans]
    if lazy and not all(here):
        return served
    found: dict[str, partial[Any]] = {}
    for plan, local in zip(plans, here, strict=True):
        key = name if len(plans) == 1 else f"{name}/{plan.name}"
        if local:
            found[key] = partial(_file, local, wanted, options)
        else:
            found[key] = partial(
                _planned, document, plan, wanted, largest, tuple(private_hosts), options
            )
    return found


def _file(path: Path, wanted: Criteria, options: dict[str, Any]) -> Any:
    return cut(open_path(path, **options), wanted)


def _planned(
    document: dict[str, Any],
    plan: Any,
    wanted: Criteria,
    largest: int,
    private_hosts: Sequence[str],
    options: dict[str, Any],
) -> Any:
    path = remote.downloaded(plan, largest, private_hosts, str(document.get("id") or ""))
    return _file(path, wanted, options)


def _served(address: str, kind: str, wanted: Criteria, options: dict[str, Any]) -> Any:
    """Opened where it is: only what is used comes over the network."""
    return cut(remote.open_served(address, kind, **options), wanted)


def _address(
    url: str, wanted: Criteria, largest: int, private_hosts: Sequence[str], options: dict[str, Any]
) -> Any:
    kind = remote.kind_of(url)
    if kind in (OPENDAP, ZARR):
        return _served(url, kind, wanted, options)
    return _file(remote.download_url(url, largest, private_hosts), wanted, options)
