"""What OBIS is asked for: occurrences of a data set, page by page, joined into one CSV file.

Protocol: OBIS API v3, `/occurrence`; the asset's fields are written by the connector `obis`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pelagos_client.access.model import AccessError, Criteria, FilePlan, Protocol
from pelagos_client.access.names import cut_name, file_name
from pelagos_client.access.shapes import polygons

Asset = Mapping[str, Any]
_PAGE = 2_000  # records; a page is held in memory


def plan(key: str, asset: Asset, criteria: Criteria) -> list[FilePlan]:
    """The occurrences within box and days. Raises AccessError.

    Variables are not cut: a record is small, and its columns tell one species from another.
    """
    found = asset.get("pelagos:subset") or {}
    try:
        asked = {str(name): str(value) for name, value in dict(found["parameters"]).items()}
        names = {field: str(found[field]) for field in ("url", "size", "after", "records", "id")}
        cut = {field: str(found[field]) for field in ("geometry", "start", "end")}
        most = min(_PAGE, int(found["most"]))
        columns = dict(found.get("columns") or {})
    except (KeyError, TypeError, ValueError):
        raise AccessError(
            f"The asset {key!r} does not say how it is asked for.",
            "Ask the operator to harvest this source again.",
        ) from None
    whole = dict(asked)
    if criteria.bbox:
        asked[cut["geometry"]] = polygons(criteria.bbox)
    for field, moment in (("start", criteria.start), ("end", criteria.end)):
        if moment:
            asked[cut[field]] = moment.astimezone(UTC).date().isoformat()
    request = {
        "protocol": "obis",
        "parameters": asked,
        "size": names["size"],
        "most": most,
        "after": names["after"],
        "records": names["records"],
        "id": names["id"],
        "expected": asset.get("pelagos:records"),
        "box": list(criteria.bbox) if criteria.bbox else None,
        "longitude": str(columns.get("longitude") or ""),
        "latitude": str(columns.get("latitude") or ""),
    }
    stem = "-".join(["occurrences", *whole.values()])
    is_subset = asked != whole
    text = json.dumps([key, names["url"], asked], sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    name = cut_name(stem, ".csv", mark) if is_subset else file_name(f"{stem}.csv")
    url = names["url"]
    return [
        FilePlan(key, name, url, Protocol.PAGES, "text/csv", request=request, is_subset=is_subset)
    ]
