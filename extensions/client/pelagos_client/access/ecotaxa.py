"""What EcoTaxa is asked for: a job that exports objects, whose result is fetched when it is done.

Protocol: EcoTaxa API 0.0.45, `/object_set/export/general` and `/jobs`; the asset's fields are
written by the connector `ecotaxa`. It cuts by box and days, which it names by their dates.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pelagos_client.access.model import AccessError, Criteria, FilePlan, Protocol
from pelagos_client.access.names import cut_name, file_name
from pelagos_client.access.shapes import halves

Asset = Mapping[str, Any]


def plan(key: str, asset: Asset, criteria: Criteria) -> list[FilePlan]:
    """One job; two for a box across the antimeridian. Raises AccessError."""
    try:
        order = copy.deepcopy(dict(asset["pelagos:order"]))
        url = str(order["create"]["url"])
        body = order["create"]["body"]
        north, west, east, south = map(str, order["box"])
        days = {"start": str(order["start"]), "end": str(order["end"])}
        media = str(order["fetch"]["type"])
        project = str(body["request"]["project_id"])
        filters = dict(body["filters"])
    except (KeyError, TypeError, ValueError):
        raise AccessError(
            f"The asset {key!r} does not say how it is ordered.",
            "Ask the operator to harvest this source again.",
        ) from None
    stem = "-".join(["ecotaxa", project, *map(str, filters.values())])
    for field, moment in (("start", criteria.start), ("end", criteria.end)):
        if moment:
            filters[days[field]] = moment.astimezone(UTC).date().isoformat()
    files = []
    for box in halves(criteria.bbox) if criteria.bbox else [None]:
        own = dict(filters)
        if box:
            sides = (box[3], box[0], box[2], box[1])
            names = (north, west, east, south)
            own.update({name: f"{side:.10g}" for name, side in zip(names, sides, strict=True)})
        is_subset = own != body["filters"]
        mark = hashlib.sha256(json.dumps([key, url, own], sort_keys=True).encode()).hexdigest()[:8]
        name = cut_name(stem, ".zip", mark) if is_subset else file_name(f"{stem}.zip")
        request = copy.deepcopy(order)
        request["create"]["body"]["filters"] = own
        files.append(
            FilePlan(key, name, url, Protocol.ORDER, media, request=request, is_subset=is_subset)
        )
    return files
