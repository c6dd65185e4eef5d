"""STAC: recorded pages of items, in an API that is made around them."""

from __future__ import annotations

import json

from loopback import Asked, Loopback, Reply
from pelagos.settings.sources import SourceKind, StacSource
from shared_data import shared_data
from stac_remote import collection, features, landing, reply

from connector_cases import Case, Routes

# recording: its collection, and the host that its links lead to
RECORDINGS = {
    "services/accessor-stac/deaSTACGranulesOriginal.json": (
        "crop_mask_central",
        "https://explorer.digitalearth.africa",
    ),
    "stac/sample-item-collection.json": ("HLSL30.v1.5", "https://cmr.earthdata.nasa.gov"),
}


def source(url: str, **fields: object) -> StacSource:
    return StacSource(
        name="stac", kind=SourceKind.STAC, url=f"{url}/stac", **{"rate": 100} | fields
    )


def routes(server: Loopback) -> Routes:
    """The second pages, where the recorded `next` links lead, were not recorded: they are empty."""
    found: Routes = {
        "/stac": reply(landing()),
        "/stac/collections": reply(
            {"collections": [collection(name) for name, _ in RECORDINGS.values()], "links": []}
        ),
    }
    for path, (name, host) in RECORDINGS.items():
        text = shared_data(path).read_text()
        first = Reply(text.replace(host, server.url))
        following = next(one["href"] for one in json.loads(text)["links"] if one["rel"] == "next")

        def items(asked: Asked, first: Reply = first) -> Reply:
            later = "_o" in asked.query or "page" in asked.query
            return features() if later else first

        found[f"/stac/collections/{name}/items"] = items
        found[following.removeprefix(host).split("?")[0]] = items
    return found


CASES = [Case("stac", source, routes, collections=2, granules=20)]
