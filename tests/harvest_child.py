"""A process that harvests, for tests that end it: `python harvest_child.py MODE FOLDER [...]`.

- `loop FOLDER SEED`: harvests a source that changes with every run, again and again.
- `slow FOLDER`: a harvester whose source waits for ever in its second collection.
- `many FOLDER COUNT`: one run of so many granules; prints by how many bytes it grew.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from harvesting import Found, Place, granule, source


def truth(version: int) -> dict[str, list[Found]]:
    """What the changing source has in this version."""
    chance = random.Random(version)
    return {
        f"c{number}": [
            granule(f"g{one}", f"{one} of {version // 3}", 1 + one % 28)
            for one in range(600)
            if chance.random() < 0.8
        ]
        for number in range(6)
        if number < 4 or chance.random() < 0.5
    }


def version_file(place: Place) -> Path:
    return place.folder / "version"


def loop(place: Place, seed: int) -> None:
    for version in itertools.count(seed):
        version_file(place).write_text(str(version))
        place.remote.collections = truth(version)
        place.harvest()


def slow(place: Place) -> None:
    from pelagos.catalogue.harvest import LOCK_FILE
    from pelagos.catalogue.harvest.lock import Who, only_one

    def waits(what: str) -> None:
        if what == "b/g1":
            (place.folder / "waiting").touch()
            threading.Event().wait()

    place.remote.collections = {"a": [granule("g0")], "b": [granule("g0"), granule("g1")]}
    place.remote.before = waits
    place.folder.mkdir(exist_ok=True)
    with (
        only_one(place.folder / LOCK_FILE, Who.SERVICE),
        place.harvester(scheduled=True) as harvester,
    ):
        harvester.run()


def anonymous_bytes() -> int:
    """Memory of this process that is no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def many(place: Place, count: int) -> None:
    class Lazy(list[Found]):
        def __iter__(self) -> Iterator[Found]:
            for number in range(count):
                yield granule(f"R{number}", f"profile {number}", 1 + number % 28)

    sizes: list[int] = []

    def sample(what: str) -> None:
        if what.endswith("999"):
            sizes.append(anonymous_bytes())

    place.remote.collections = {"a": Lazy()}
    place.remote.before = sample
    run = place.harvest()
    print(run.state.value, run.progress.counts.found, max(sizes) - sizes[0], flush=True)


def main() -> None:
    mode, folder, *more = sys.argv[1:]
    place = Place(Path(folder), [source()])
    if mode == "loop":
        loop(place, int(more[0]))
    elif mode == "slow":
        slow(place)
    else:
        many(place, int(more[0]))


if __name__ == "__main__":
    main()
