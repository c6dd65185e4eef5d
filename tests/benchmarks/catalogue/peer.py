"""The same records and queries in pycsw on SQLite, in an environment of its own.

pycsw has no index for words or places: `AnyText` is LIKE, BBOX a test of each geometry. Its totals
differ where a word is part of another. Boxes across the antimeridian it does not know; none is
asked.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import venv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from pelagos.catalogue.index import Reader
from pelagos.catalogue.query import Slice
from pelagos.catalogue.records import GranuleRecord
from pelagos.catalogue.terms import complete, words_of

from catalogue.corpus import Corpus
from catalogue.measure import LIMIT, Spent, line
from catalogue.truth import Query

_REQUIREMENTS = ("pycsw==2.6.2", "SQLAlchemy<2", "setuptools<81")
_CHILD = Path(__file__).with_name("pycsw_child.py")


def compare(path: Path, folder: Path, corpus: Corpus, asked: Sequence[Query], count: int) -> None:
    """Ask some of the queries of both, and print the times."""
    python = _environment(folder / "pycsw-env")
    if python is None:
        return
    chosen = [query for query in asked if _fits(query)][:count]
    database = folder / "pycsw.sqlite"
    database.unlink(missing_ok=True)
    child = subprocess.Popen(
        [str(python), str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("no pipes")
        child.stdin.write(json.dumps(str(database)) + "\n")
        for index, record in enumerate(corpus.records(0, len(corpus))):
            child.stdin.write(json.dumps(_row(corpus, index, record)) + "\n")
        child.stdin.write("\n")
        child.stdin.flush()
        print(f"{'pycsw':18} loaded in {json.loads(child.stdout.readline())['loaded']:.0f} s")
        answers = []
        for query in chosen:
            child.stdin.write(json.dumps(_request(query)) + "\n")
            child.stdin.flush()
            answers.append(json.loads(child.stdout.readline()))
        child.stdin.close()
    _report(path, chosen, answers)


def _report(path: Path, chosen: Sequence[Query], answers: Sequence[dict[str, object]]) -> None:
    ours, ours_cpu, agree = [], [], 0
    reader = Reader(path)
    try:
        for query, answer in zip(chosen, answers, strict=True):
            reader.granules(query.criteria, Slice(LIMIT))
            spent = Spent()
            with spent:
                page = reader.granules(query.criteria, Slice(LIMIT))
            ours.append(spent.wall)
            ours_cpu.append(spent.cpu)
            found = re.search(r'numberOfRecordsMatched="(\d+)"', str(answer["xml"]))
            if found is None:
                raise RuntimeError(f"pycsw: {str(answer['xml'])[:500]}")
            agree += min(int(found[1]), 10_000) == page.total
    finally:
        reader.close()
    theirs = [float(str(answer["seconds"])) for answer in answers]
    theirs_cpu = [float(str(answer["processor"])) for answer in answers]
    print(line("index, these", ours))
    print(line("pycsw, these", theirs))
    print(
        f"{'pycsw / index':18} p50 {statistics.median(theirs) / statistics.median(ours):8.0f} x, "
        f"of the processor {statistics.median(theirs_cpu) / statistics.median(ours_cpu):.0f} x; "
        f"same total {agree} of {len(chosen)}"
    )


def _environment(folder: Path) -> Path | None:
    """A Python that has pycsw; None, with a message, where it can't be had."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run([*command, *_REQUIREMENTS], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return python
    print(f"pycsw              skipped: it can't be installed here: {done.stderr.strip()[-300:]}")
    return None


def _fits(query: Query) -> bool:
    box = query.criteria.box
    return query.kind == "text+box+time" and box is not None and box.west <= box.east


def _row(corpus: Corpus, index: int, record: GranuleRecord) -> dict[str, str | None]:
    _, collection = corpus.collections[int(corpus.collection[index])]
    named = [word for one in record.parameters for word in words_of(complete(one))]
    words = [record.id, record.title, record.platform, *record.words, *named, collection.title]
    box = record.box
    wkt = None
    if box is not None:
        east = box.east if box.west <= box.east else 180.0
        w, s, e, n = box.west, box.south, east, box.north
        wkt = f"POLYGON(({w} {s}, {w} {n}, {e} {n}, {e} {s}, {w} {s}))"
    return {
        "identifier": record.id,
        "title": record.title,
        "keywords": ",".join(record.words),
        "anytext": " ".join([*words, *collection.keywords]),
        "time_begin": _text(record.start),
        "time_end": _text(record.end),
        "wkt_geometry": wkt,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _request(query: Query) -> str:
    """GetRecords with a filter (OGC Filter Encoding 1.1), the newest first."""
    criteria, tests = query.criteria, []
    for words in query.words:
        tests.append(
            '<ogc:PropertyIsLike wildCard="%" singleChar="_" escapeChar="\\">'
            "<ogc:PropertyName>csw:AnyText</ogc:PropertyName>"
            f"<ogc:Literal>%{escape(' '.join(words))}%</ogc:Literal></ogc:PropertyIsLike>"
        )
    for name, operator, moment in (
        ("apiso:TempExtent_begin", "PropertyIsLessThanOrEqualTo", criteria.end),
        ("apiso:TempExtent_end", "PropertyIsGreaterThanOrEqualTo", criteria.start),
    ):
        if moment is not None:
            tests.append(
                f"<ogc:{operator}><ogc:PropertyName>{name}</ogc:PropertyName>"
                f"<ogc:Literal>{_text(moment)}</ogc:Literal></ogc:{operator}>"
            )
    if (box := criteria.box) is not None:
        tests.append(
            "<ogc:BBOX><ogc:PropertyName>ows:BoundingBox</ogc:PropertyName>"
            '<gml:Envelope srsName="urn:x-ogc:def:crs:EPSG:6.11:4326">'
            f"<gml:lowerCorner>{box.south} {box.west}</gml:lowerCorner>"
            f"<gml:upperCorner>{box.north} {box.east}</gml:upperCorner></gml:Envelope></ogc:BBOX>"
        )
    return (
        '<csw:GetRecords xmlns:csw="http://www.opengis.net/cat/csw/2.0.2" '
        'xmlns:ogc="http://www.opengis.net/ogc" xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:gmd="http://www.isotc211.org/2005/gmd" xmlns:ows="http://www.opengis.net/ows" '
        'xmlns:apiso="http://www.opengis.net/cat/csw/apiso/1.0" service="CSW" version="2.0.2" '
        f'resultType="results" startPosition="1" maxRecords="{LIMIT}" '
        'outputSchema="http://www.opengis.net/cat/csw/2.0.2">'
        '<csw:Query typeNames="gmd:MD_Metadata"><csw:ElementSetName>brief</csw:ElementSetName>'
        f'<csw:Constraint version="1.1.0"><ogc:Filter><ogc:And>{"".join(tests)}</ogc:And>'
        "</ogc:Filter></csw:Constraint><ogc:SortBy><ogc:SortProperty>"
        "<ogc:PropertyName>apiso:TempExtent_begin</ogc:PropertyName>"
        "<ogc:SortOrder>DESC</ogc:SortOrder></ogc:SortProperty></ogc:SortBy>"
        "</csw:Query></csw:GetRecords>"
    )
