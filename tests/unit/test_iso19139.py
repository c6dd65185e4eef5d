"""ISO records that were damaged: each is read or rejected, and what is read is valid."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter

import pytest
from lxml import etree
from pelagos.catalogue.connectors.cdi_groups import granule_of
from pelagos.catalogue.connectors.iso19139 import collection_of, file_granules, read_iso
from pelagos.catalogue.markup import parse_xml
from pelagos.catalogue.records import RecordError
from pelagos.catalogue.stac import collection_document, granule_document
from shared_data import shared_data
from stac_schemas import problems

RECORDINGS = [
    "services/accessor-cdi/cdiExample.xml",
    "services/accessor-cdi/cdiValidationTest-good.xml",
    "iso19139/iso_mi.xml",
    "iso19139/pacioos-NS06agg.xml",
]
NASTY = [
    "",
    "NaN",
    "1e400",
    "91",
    "-181",
    "9999-99-99",
    "0001-01-01",
    "<script>x</script>",
    "&amp;lt;b&amp;gt;",
    "x" * 200_000,
    "javascript:alert(1)",
    "http://[bad",
    "http://x.org/%00%0a.nc",
    "http://x.org/..;/#frag",
    "http://x.org/a.nc?" + "y" * 3000,
    "\u202e\u0085",
]


def damage(element: etree._Element, chance: random.Random) -> None:
    parts = list(element.iter("{*}*"))
    for _ in range(chance.randint(1, 12)):
        part = chance.choice(parts)
        parent = part.getparent()
        what = chance.random()
        if what < 0.3 and parent is not None:
            parent.remove(part)
        elif what < 0.75:
            part.text = chance.choice(NASTY)
        elif what < 0.85 and part.attrib:
            part.set(chance.choice(list(part.attrib)), chance.choice(NASTY))
        elif what < 0.92:
            part.tag = "{urn:x}y"
        elif parent is not None:
            parent.append(copy.deepcopy(part))


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_damaged_record_is_read_or_rejected(name: str) -> None:
    whole = parse_xml(shared_data(name).read_bytes(), name)
    outcomes: Counter[str] = Counter()
    for seed in range(40):
        element = copy.deepcopy(whole)
        damage(element, random.Random(seed))
        try:
            record = read_iso(element)
            collection = collection_of(record)
            granules = [granule_of(record), *file_granules(collection)]
        except RecordError:
            outcomes["rejected"] += 1
            continue
        outcomes["read"] += 1
        document = collection_document("test", "Test", collection)
        for found in (document, *(granule_document("test", document["id"], g) for g in granules)):
            assert problems(found) == [], seed
            json.dumps(found, allow_nan=False).encode()
    assert outcomes["read"] > 20  # damage here and there does not cost the whole record


def test_a_box_that_was_left_empty_is_none() -> None:
    whole = parse_xml(shared_data(RECORDINGS[0]).read_bytes(), "here")
    for bound in whole.iter("{*}Decimal"):
        bound.text = ""
    assert read_iso(whole).boxes == ()
