"""Times of the index, and the check of its answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pelagos.catalogue.index import Reader, Writer
from pelagos.catalogue.index.run import BATCH
from pelagos.catalogue.query import Page, Slice

from catalogue.corpus import SOURCES, Corpus
from catalogue.truth import Answer, Query

LIMIT = 50


class Spent:
    """Seconds within it, of the clock and of the processor: others may be at work too."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def ingest(corpus: Corpus, path: Path) -> None:
    """Fill the index, then once more with the same; print how fast."""
    for name in ("ingest", "again, unchanged"):
        spent = _store(corpus, path)
        print(
            f"{name:18} {len(corpus) / spent.wall:8.0f} granules/s, "
            f"{len(corpus) / spent.cpu:.0f} per second of processor"
        )
    size = path.stat().st_size
    print(f"{'file':18} {size / len(corpus):8.0f} bytes per granule ({size / 2**20:.0f} MiB)")


def _store(corpus: Corpus, path: Path) -> Spent:
    spent = Spent()
    begins = {}
    for number, (source, record) in enumerate(corpus.collections):
        inside = (corpus.collection == number).nonzero()[0]
        begins[record.id] = (source, record, int(inside[0]) if len(inside) else 0, len(inside))
    with Writer(path) as writer:
        for source, title in SOURCES.items():
            run = writer.run(source, title)
            for owner, record, begin, count in begins.values():
                if owner != source:
                    continue
                run.collection(record)
                for at in range(begin, begin + count, BATCH):
                    records = list(corpus.records(at, min(at + BATCH, begin + count)))
                    with spent:
                        run.granules(record.id, records)
                with spent:
                    run.finish_collection(record.id)
            run.finish()
    return spent


def index(
    path: Path, corpus: Corpus, asked: Sequence[Query], answers: Sequence[Answer], rounds: int
) -> list[str]:
    """Ask all queries, check all answers, print the times; what is wrong."""
    reader = Reader(path)
    try:
        return ask(
            "index",
            lambda query: reader.granules(query.criteria, Slice(LIMIT)),
            corpus,
            asked,
            answers,
            rounds,
        )
    finally:
        reader.close()


def ask(
    name: str,
    client: Callable[[Query], Page],
    corpus: Corpus,
    asked: Sequence[Query],
    answers: Sequence[Answer],
    rounds: int,
) -> list[str]:
    """The same for anything that answers a query with a page: an HTTP client, for one."""
    faults: list[str] = []
    best = [float("inf")] * len(asked)
    least = [float("inf")] * len(asked)  # of the processor, in this process
    for turn in range(rounds):
        for number, (query, answer) in enumerate(zip(asked, answers, strict=True)):
            spent = Spent()
            with spent:
                page = client(query)
            best[number] = min(best[number], spent.wall)
            least[number] = min(least[number], spent.cpu)
            if turn == 0:
                found = answer.faults(corpus, page, LIMIT)
                faults += [f"{name}: {query.criteria}: {fault}" for fault in found]
    print(line(name, best))
    print(line("  processor", least))
    for kind in dict.fromkeys(query.kind for query in asked):
        times = [spent for spent, query in zip(least, asked, strict=True) if query.kind == kind]
        print(line(f"  {kind}", times))
    worst = sorted(range(len(asked)), key=lambda number: -least[number])[:5]
    for number in worst:
        print(f"    {least[number] * 1000:7.1f} ms, {len(answers[number].found)} found: "
              f"{asked[number].criteria}")  # fmt: skip
    return faults


def line(name: str, times: Sequence[float]) -> str:
    """A row of the table, in milliseconds."""
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    p50 = statistics.median(ordered)
    return (
        f"{name:18} p50 {p50 * 1000:8.2f} ms  p95 {p95 * 1000:8.2f} ms  "
        f"worst {ordered[-1] * 1000:8.2f} ms  ({len(ordered)} queries)"
    )
