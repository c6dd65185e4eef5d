"""All that is known of a granule, for the page that shows one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jupyterlab_pelagos import shaping
from jupyterlab_pelagos.base import Refused
from jupyterlab_pelagos.models.problem import Problem
from jupyterlab_pelagos.models.search import Asset, Citation, Details, Property
from jupyterlab_pelagos.vre_catalogue import public

_ASSETS, _PROPERTIES = 500, 200
_VALUE = 1_000  # characters
# told elsewhere on the page
_OWN = {
    "title",
    "description",
    "datetime",
    "start_datetime",
    "end_datetime",
    "license",
    "sci:doi",
    "sci:citation",
    "pelagos:time_unknown",
    "pelagos:infrastructure",
    "pelagos:parameters",
    "pelagos:depth",
    "pelagos:licence_text",
}


def details_of(
    document: Mapping[str, Any], parent: Mapping[str, Any] | None, path: str | None
) -> Details:
    """A granule; `parent` is its data set, if it is known, `path` where it is on this server.

    Raises Refused if it is no item.
    """
    granule = shaping.granule_of(document)
    if granule is None:
        raise Refused(
            502, Problem("The catalogue's answer is no granule.", "Search again, or report it.")
        )
    properties = shaping.mapping(document.get("properties"))
    above = parent or {}
    rights = properties if properties.get("license") else above
    links = document.get("links") if properties.get("license") else above.get("links")
    return Details(
        **{name: getattr(granule, name) for name in granule.__struct_fields__},
        description=shaping.paragraphs(properties.get("description")),
        properties=list(_properties(properties)),
        assets=list(_assets(document)),
        licence=shaping.licence_of({**rights, "links": links}),
        citation=_citation(document, above),
        path=path,
    )


def _citation(document: Mapping[str, Any], parent: Mapping[str, Any]) -> list[Citation]:
    from pelagos_client.documents.citing import citations

    collections = {str(document.get("collection")): parent} if parent else {}
    return [
        Citation(**{name: str(getattr(one, name)) for name in Citation.__struct_fields__})
        for one in citations([document], collections)
    ]


def _assets(document: Mapping[str, Any]) -> Iterator[Asset]:
    data = {key for key, _ in shaping.data_assets(document)}
    for key, asset in list(shaping.assets_of(document))[:_ASSETS]:
        yield Asset(
            key=key,
            title=shaping.text_of(asset.get("title")) or key,
            type=shaping.text_of(asset.get("type"), 200),
            format=shaping.format_of(asset),
            size=shaping.size_of(asset),
            roles=[one for one in shaping.listed(asset.get("roles")) if isinstance(one, str)],
            url=public(shaping.address(asset.get("href"))),
            data=key in data,
        )


def _properties(properties: Mapping[str, Any]) -> Iterator[Property]:
    """What is not told elsewhere, with what it is called for people."""
    depth = shaping.listed(properties.get("pelagos:depth"))
    if depth and all(map(shaping.is_number, depth)):
        yield Property("Depth", " to ".join(f"{one:g}" for one in depth[:2]) + " m")
    if parameters := shaping.parameters_of(properties):
        yield Property("Parameters", ", ".join(parameters))
    for name, value in list(properties.items())[:_PROPERTIES]:
        if name not in _OWN and (text := _value(value)):
            yield Property(_label(name), text)


def _label(name: str) -> str:
    words = shaping.text_of(name, 100).removeprefix("pelagos:").replace("_", " ")
    return words[:1].upper() + words[1:]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return shaping.text_of(", ".join(map(str, value)), _VALUE)
    if isinstance(value, list | dict):
        try:
            return shaping.text_of(json.dumps(value, ensure_ascii=False), _VALUE)
        except (ValueError, TypeError, RecursionError):
            return ""
    return shaping.text_of(value, _VALUE)
