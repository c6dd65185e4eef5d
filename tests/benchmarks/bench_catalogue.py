"""How fast the catalogue's index is, on granules that look real, with every answer checked.

- ingest: records become rows (making the records is not counted), and again, all unchanged.
- index: queries of text, box and time, 50 newest first with their total; warm, one client.
- http: the same over HTTP, from the service as the product runs it; then several clients at once.
- pycsw: the same records in pycsw on SQLite, and some of the same queries; it is called without
  HTTP, has no free text but `LIKE`, and gives an exact total.

- argo: a whole Argo profile index, streamed from a server, by the connector alone and into an
  index (`--lines`).

Targets at 1,000,000 granules: index p50 12 ms, p95 60 ms, worst below 1 s; over HTTP at most 3
times the index's p50, and 8 clients use all cores; pycsw's p50 at least 100 times that of the
index; Argo at 20,000 granules/s in less than 500 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argo_stream
from catalogue import corpus as corpora
from catalogue import measure, queries
from catalogue.truth import Truth


def main() -> int:
    """Print a table; 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--granules", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=queries.COUNT)
    parser.add_argument("--rounds", type=int, default=3, help="of all queries; the best counts")
    parser.add_argument("--parts", default="index,http,pycsw,argo", help="what is measured")
    parser.add_argument("--pycsw-queries", type=int, default=24)
    parser.add_argument("--lines", type=int, default=argo_stream.LINES, help="of Argo's index")
    parser.add_argument("--keep", type=Path, help="folder for the index, used again if it is there")
    options = parser.parse_args()
    corpus = corpora.make(options.granules)
    asked = queries.make(corpus, options.queries)
    truth = Truth(corpus)
    answers = [truth.answer(query) for query in asked]
    print(f"{len(corpus)} granules, {len(corpus.collections)} collections, {len(asked)} queries")
    sizes = sorted(len(answer.found) for answer in answers)
    print(f"matches: median {sizes[len(sizes) // 2]}, most {sizes[-1]}, none {sizes.count(0)}")
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pelagos-bench-") as scratch:
        folder = options.keep or Path(scratch)
        path = folder / f"index-{len(corpus)}.sqlite"
        if not path.exists():
            measure.ingest(corpus, path)
        if "index" in options.parts:
            faults += measure.index(path, corpus, asked, answers, options.rounds)
        if "http" in options.parts:
            from catalogue import web

            faults += web.compare(path, corpus, asked, answers, options.rounds)
        if "pycsw" in options.parts:
            from catalogue import peer

            peer.compare(path, folder, corpus, asked, options.pycsw_queries)
        if "argo" in options.parts:
            for row in argo_stream.rows(options.lines, folder):
                print(row)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"memory of this process {memory} MiB, processors {os.cpu_count()}, {time.strftime('%F')}"
    )
    for fault in faults:
        print(f"WRONG: {fault}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
