"""How fast a whole Argo profile index gets from a server into the catalogue, and in what memory.

Makes an index as long as the real one (3 million lines; floats, cycles, data centres, gaps and
fill values in the proportions of the recorded part), serves it on loopback from a process of its
own, and measures, each in a process of its own: the connector alone (plain and packed), connector
and index on an empty catalogue, and again on a full one. `rows()` is for the table of
`./pelagos bench catalogue`; run as a script it prints them.

Targets: 20,000 granules a second into the index, in less than 500 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import multiprocessing
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import CollectionRecord, GranuleRecord, Rejected
from pelagos.settings.sources import ArgoIndexSource, SourceKind

LINES = 3_000_000
BATCH = 2_000
_HEAD = """\
# Title : Profile directory file of the Argo Global Data Assembly Center
# Description : The directory file describes all individual profile files of the argo GDAC ftp site.
# Project : ARGO
# Format version : 2.0
# Date of update : 20261101000000
# GDAC node : BENCHMARK
file,date,latitude,longitude,ocean,profiler_type,institution,date_update
"""
_CENTRES = {"aoml": ("AO", 50), "coriolis": ("IF", 22), "jma": ("JA", 8), "csiro": ("CS", 6),
            "bodc": ("BO", 4), "incois": ("IN", 3), "meds": ("ME", 3), "csio": ("HZ", 3),
            "kma": ("KM", 1)}  # fmt: skip
_PROFILERS = {"846": 45, "844": 15, "841": 10, "854": 10, "863": 8, "836": 5, "851": 4, "845": 3}


@dataclass
class Row:
    """One measurement: `granules` in `seconds`, with at most `megabytes` resident."""

    what: str
    granules: int
    rejected: int
    seconds: float
    cpu: float  # seconds of it that the process had a processor; the rest it waited
    megabytes: float

    @property
    def rate(self) -> float:
        """Granules a second."""
        return self.granules / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.what:32} {self.granules:9,} granules {self.rate:8,.0f}/s  {self.seconds:6.1f} s"
            f" ({self.cpu:.1f} s of processor)  {self.megabytes:4.0f} MB  {self.rejected} rejected"
        )


def lines(count: int, seed: int = 1) -> Iterator[str]:
    """The lines of an index, one float after the other, as data centres write them."""
    chance = random.Random(seed)
    number = 1_900_000
    left = count
    while left > 0:
        number += chance.randint(1, 300)
        cycles = min(left, max(1, int(chance.gauss(160, 70))))
        yield from _float(chance, number, cycles)
        left -= cycles


def _float(chance: random.Random, number: int, cycles: int) -> Iterator[str]:
    centre = chance.choices(list(_CENTRES), [weight for _, weight in _CENTRES.values()])[0]
    kind = chance.choices(list(_PROFILERS), list(_PROFILERS.values()))[0]
    when = datetime(1999, 1, 1) + timedelta(minutes=chance.randrange(12_000_000))  # noqa: DTZ001
    north, east = chance.uniform(-75, 75), chance.uniform(-180, 180)
    ocean = "P" if abs(east) > 100 else "A" if east < 25 else "I"
    delayed = int(cycles * 0.7)
    for cycle in range(1, cycles + 1):
        when += timedelta(days=10, minutes=chance.randint(-90, 90))
        north = min(max(north + chance.gauss(0, 0.3), -78), 80)
        east = (east + chance.gauss(0, 0.5) + 180) % 360 - 180
        place = f"{north:.3f},{east:.3f},{ocean}" if chance.random() > 0.003 else ",,"
        date = f"{when:%Y%m%d%H%M%S}" if chance.random() > 0.001 else ""
        name = f"{'D' if cycle < delayed else 'R'}{number}_{cycle:03}"
        yield (
            f"{centre}/{number}/profiles/{name}.nc,{date},{place},{kind},{_CENTRES[centre][0]},"
            f"{when + timedelta(days=30):%Y%m%d%H%M%S}\n"
        )


def write(folder: Path, count: int) -> None:
    """`index.txt` and `index.txt.gz` in `folder`."""
    made = itertools.chain([_HEAD], lines(count))
    with (
        (folder / "index.txt").open("w") as plain,
        gzip.open(folder / "index.txt.gz", "wt", 6) as packed,
    ):
        for line in made:
            plain.write(line)
            packed.write(line)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `folder`, served by another process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet) as server:
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                if time.monotonic() > deadline:
                    raise SystemExit("the server of the benchmark does not start")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def harvest(what: str, url: str, index: Path | None) -> Row:
    """Read the index at `url`, into the catalogue at `index` if one is given."""
    source = ArgoIndexSource(
        name="argo", kind=SourceKind.ARGO_INDEX, url=url, files="https://gdac.example.org/dac"
    )
    granules = rejected = 0
    start, spent = time.perf_counter(), time.process_time()
    with contextlib.ExitStack() as stack:
        connector = connector_for(source)(source, stack.enter_context(Fetcher(source)))
        run = stack.enter_context(Writer(index)).run("argo", "Argo") if index else None
        for collection in connector.collections():
            if not isinstance(collection, CollectionRecord):
                continue
            if run:
                run.collection(collection)
            found = connector.granules(collection)
            while batch := list(itertools.islice(found, BATCH)):
                records = [one for one in batch if isinstance(one, GranuleRecord)]
                granules += len(records)
                rejected += sum(isinstance(one, Rejected) for one in batch)
                if run:
                    run.granules(collection.id, records)
            if run:
                run.finish_collection(collection.id)
        if run:
            run.finish()
    seconds = time.perf_counter() - start
    cpu = time.process_time() - spent
    # not getrusage: that of a new process begins with the memory of the one that made it
    status = Path("/proc/self/status").read_text()
    megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return Row(what, granules, rejected, seconds, cpu, megabytes)


def rows(
    count: int = LINES, folder: Path | None = None, *, into_index: bool = True
) -> Iterator[Row]:
    """All measurements, with `count` lines; its files are made in `folder`, and removed."""
    with tempfile.TemporaryDirectory(prefix="pelagos-bench-", dir=folder) as scratch:
        place = Path(scratch)
        write(place, count)
        index = place / "index.sqlite"
        with served(place) as address:
            parts: list[tuple[str, str, Path | None]] = [
                ("connector alone", "index.txt", None),
                ("connector alone, packed", "index.txt.gz", None),
            ]
            if into_index:
                parts.append(("connector and index, new", "index.txt", index))
                parts.append(("connector and index, all known", "index.txt", index))
            for what, name, into in parts:
                with multiprocessing.get_context("spawn").Pool(1) as pool:  # memory of its own
                    yield pool.apply(harvest, (what, f"{address}/{name}", into))


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--folder", type=Path, help="where there is room for it")
    parser.add_argument("--connector", action="store_true", help="without the index")
    options = parser.parse_args()
    for row in rows(options.lines, options.folder, into_index=not options.connector):
        print(row)


if __name__ == "__main__":
    main()
