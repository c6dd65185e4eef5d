"""Which files an order of an item is: pure, without a request.

Of an item all data are ordered if no assets are named: those with the role `data`, or with no role;
never thumbnails or metadata. Where an item has its data both as a file and from a server that cuts,
it is the file if nothing is to be cut, and what the server cuts if something is.
What can only be opened (zarr) is left out where the item has files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pelagos_client.access import ecotaxa, erddap, obis, opendap
from pelagos_client.access.model import AccessError, Criteria, FilePlan, Protocol, Terms
from pelagos_client.access.names import file_name, unique

_LONGEST = 8000  # characters of an address, as the engine takes it
Asset = Mapping[str, Any]
_Planner = Callable[[str, Asset, Criteria], list[FilePlan]]

# what an asset says of itself under `pelagos:subset` or `pelagos:order`, by its `protocol`
_PLANNERS: dict[str, _Planner] = {
    "tabledap": erddap.plan_table,
    "griddap": erddap.plan_grid,
    "obis": obis.plan,
    "ecotaxa": ecotaxa.plan,
    "opendap": opendap.plan,
}
_OPENDAP = re.compile(r"https?://[^/?#]+/[^?#]*(dodsC|opendap)/", re.IGNORECASE)


def plan(
    item: Mapping[str, Any], criteria: Criteria, assets: Collection[str] | None = None
) -> list[FilePlan]:
    """The files of an order of a STAC item: see the module.

    `assets`: keys of those that are wanted; all data if None. Raises AccessError if the item has no
    such asset or no data, if nothing of it lies in the criteria, or if it can't be fetched.
    """
    found = _assets(item)
    if assets is None:
        chosen = _data(item, found, criteria)
    else:
        chosen = {}
        for key in dict.fromkeys(assets):
            if key not in found:
                raise AccessError(
                    f"{_name(item)} has no asset {str(key)[:100]!r}.",
                    f"It has {_listed(found) or 'none at all'}.",
                )
            chosen[key] = found[key]
        if not chosen:
            raise AccessError(f"No asset of {_name(item)} is named.", "Name one, or none for all.")
    files = [file for key, asset in chosen.items() for file in _planned(key, asset, criteria)]
    # of all the item's assets, so that a file has the same name whatever is ordered with it
    names = dict(zip(found, unique(_whole_name(key, found[key]) for key in found), strict=True))
    return [file if file.is_subset else replace(file, name=names[file.asset]) for file in files]


def terms_of(item: Mapping[str, Any]) -> list[Terms]:
    """What has to be accepted before files of the item are fetched; each once."""
    found: dict[str, Terms] = {}
    for key, asset in _assets(item).items():
        licence = asset.get("pelagos:licence")
        terms_key = _terms_key(licence)
        if terms_key and isinstance(licence, Mapping):
            page = _text(licence.get("page"))
            provider = _text(_mapping(item.get("properties")).get("pelagos:infrastructure"))
            found.setdefault(
                terms_key,
                Terms(
                    terms_key,
                    f"Licence of {provider}" if provider else "Licence",
                    "The source gives its files only to who has accepted this licence."
                    + (f" Read it at {page}." if page else f" It is that of {key!r}."),
                    page,
                ),
            )
    return list(found.values())


def _data(
    item: Mapping[str, Any], found: Mapping[str, Asset], criteria: Criteria
) -> dict[str, Asset]:
    """The assets that are ordered if none is named. Raises AccessError if there are none."""
    data = {key: asset for key, asset in found.items() if _is_data(asset)}
    files = {key: asset for key, asset in data.items() if _access(asset) == "direct"}
    served = {key: asset for key, asset in data.items() if _protocol(asset) in _PLANNERS}
    cut = {key: asset for key, asset in served.items() if _access(asset) == "subset"}
    if cut and (cuts(criteria) or not files):
        return cut
    if files:
        return files
    if served or data:
        return served or data  # what can't be fetched says so below
    raise AccessError(
        f"{_name(item)} has no data that could be ordered.",
        f"It has {_listed(found)}: name what you want of it." if found else "See its links.",
    )


def cuts(criteria: Criteria) -> bool:
    """Whether they leave anything out."""
    return bool(criteria.bbox or criteria.start or criteria.end or criteria.variables)


def _planned(key: str, asset: Asset, criteria: Criteria) -> list[FilePlan]:
    access, href = _access(asset), _text(asset.get("href"))
    planner = _PLANNERS.get(_protocol(asset))
    if planner is not None:
        files = planner(key, asset, criteria)
        for file in files:
            _check_address(key, file.url)
        return files
    if access == "order":
        raise AccessError(
            f"The asset {key!r} has to be ordered at its source, in a way that is not known here.",
            f"Order it there: {href[:300]}" if _web(href) else "See the item's links.",
        )
    if access != "direct":
        raise AccessError(
            f"The asset {key!r} is not one file: its server gives parts of it.",
            "Open it instead, which reads just the parts that are used; or name another asset.",
        )
    return [_file(key, asset, href)]


def _whole_name(key: str, asset: Asset) -> str:
    """What the whole asset is called, if no other one of its item is called so."""
    planner = _PLANNERS.get(_protocol(asset))
    if planner is not None:
        with suppress(AccessError):
            return planner(key, asset, Criteria())[0].name
    return file_name(_text(asset.get("href")), _text(asset.get("type")), _text(asset.get("title")))


def _file(key: str, asset: Asset, href: str) -> FilePlan:
    """One file as the source has it."""
    media, size = _text(asset.get("type")), asset.get("file:size")
    known = size if type(size) is int and size >= 0 else None
    checksum = _text(asset.get("file:checksum"))
    name = _whole_name(key, asset)
    if href.startswith("files/") and len(href) > len("files/"):
        return FilePlan(key, name, href, Protocol.LOCAL, media, known, checksum)
    _check_address(key, href)
    accept = _terms_key(asset.get("pelagos:licence"))
    request = {"accept": asset["pelagos:licence"]["accept"]} if accept else {}
    return FilePlan(
        key, name, href, type=media, size=known, checksum=checksum, request=request, accept=accept
    )


def _terms_key(licence: Any) -> str:
    """The same for all files under the same terms of a source, so that one yes is enough."""
    address = _text(_mapping(licence).get("accept"))
    if not _web(address):
        return ""
    place = address.split("/")[2].lower()
    return f"{place} {_text(_mapping(licence).get('page'))}".strip()[:600]


def _check_address(key: str, href: str) -> None:
    if not _web(href):
        scheme = href.partition(":")[0][:20] if ":" in href else "no scheme"
        raise AccessError(
            f"The asset {key!r} has no address that can be fetched ({scheme}).",
            "Only http and https are: name another asset, or see the item's links.",
        )
    if len(href) > _LONGEST:
        raise AccessError(
            f"The asset {key!r}: what is asked of its server is longer than {_LONGEST} characters.",
            "Order fewer variables.",
        )


def _assets(item: Mapping[str, Any]) -> dict[str, Asset]:
    found = _mapping(item.get("assets"))
    return {str(key): asset for key, asset in found.items() if isinstance(asset, Mapping)}


def _is_data(asset: Asset) -> bool:
    roles = asset.get("roles")
    return not roles or (isinstance(roles, list) and "data" in roles)


def _access(asset: Asset) -> str:
    return _text(asset.get("pelagos:access")) or "direct"


def _protocol(asset: Asset) -> str:
    field = {"subset": "pelagos:subset", "order": "pelagos:order"}.get(_access(asset), "")
    found = _text(_mapping(asset.get(field)).get("protocol"))
    # nothing but its address says of an OPeNDAP server that it is one
    if not found and _access(asset) == "subset" and _OPENDAP.match(_text(asset.get("href"))):
        return "opendap"
    return found


def _web(href: str) -> bool:
    return href.lower().startswith(("http://", "https://"))


def _name(item: Mapping[str, Any]) -> str:
    return f"The item {_text(item.get('id'))[:100]!r}"


def _listed(found: Mapping[str, Asset]) -> str:
    names: Iterator[str] = (repr(key[:60]) for key in list(found)[:10])
    return ", ".join(names) + (" and others" if len(found) > 10 else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
