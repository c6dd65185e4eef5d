"""How long a sweep takes, against the floor of looking at each file once.

Makes an area with many young files in an image, as root, and sweeps it: nothing expires, which is
what most sweeps find. `scan`: os.scandir and stat over the same files and nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from pelagos.node.areas import Owner, Place, backends
from pelagos.node.pins import Pins
from pelagos.node.sweep import sweep_area
from pelagos.settings import QuotaKind

_PER_FOLDER = 1000


def fill(folder: Path, count: int) -> None:
    """Empty files, a thousand in each folder."""
    for number in range(0, count, _PER_FOLDER):
        below = folder / f"run-{number:07}"
        below.mkdir()
        descriptor = os.open(below, os.O_RDONLY)
        for file in range(min(_PER_FOLDER, count - number)):
            os.close(os.open(f"profile-{file:04}.nc", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        os.close(descriptor)


def scan(folder: Path) -> int:
    """The floor: each file looked at once."""
    count = 0
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def main() -> None:
    """Print seconds of the scan and of the sweep, best of a few."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pelagos-bench-") as scratch:
        root = Path(scratch)
        place = Place(root / "users" / "bench")
        place.folder.parent.mkdir()
        backend = backends(root, Owner())[QuotaKind.IMAGE]
        backend.make(place, options.files * 20_000 + 2**26)
        try:
            fill(place.files, options.files)
            scans, sweeps = [], []
            for _ in range(options.rounds):
                started = time.monotonic()
                scan(place.files)
                scans.append(time.monotonic() - started)
                report = sweep_area(
                    place, 7 * 86400, Pins(root / "pins"), "users/bench", root / "journal"
                )
                sweeps.append(report.seconds)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{report.files} files, best of {options.rounds}")
            print(f"scan   {min(scans):6.2f} s")
            print(f"sweep  {min(sweeps):6.2f} s   {min(sweeps) / min(scans):.2f} x")
            print(f"memory {memory:6} MiB")
        finally:
            backend.remove(place)


if __name__ == "__main__":
    main()
