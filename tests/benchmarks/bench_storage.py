"""How fast people's storage is, against floors measured in the same run.

- dataspace: a person's own area against the bare disk below it (same file system). Writes end with
  a sync that counts; before a read the page cache of file and image is dropped. Target: 0.9 times
  the disk's sequential speed.
- workspace: through the mount against direct transfers to the same WebDAV server, without a mount.
  A write is measured until the application is done and until the server has it, whole and right;
  a read is a file's first one through the mount (on the server's side it is in memory for both).
  Target: half the direct speed. Small files: against direct PUTs, one after the other and four at
  a time.
- netcdf: a map and a time series out of a 200 MB file, in a kernel of a person's server: first
  through the mount, on the local disk, and by downloading the whole file.
- sweep: one look at 1,000,000 files of which none expires, listings in memory. Target: 5 s.

Each number is the p50 of several rounds, in which ours and the floor take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import disk
import httpx
from pelagos.hubconfig.roles import OPERATOR
from pelagos.ops.kernel import Kernel
from webdav import Content, Direct, Mounted

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import Person, Vre, until

PARTS = ("dataspace", "workspace", "netcdf", "sweep")
USER = "bench"
MIB = 2**20
SMALL = 4096
NETCDF = """
import numpy, xarray, os, shutil
data = numpy.random.default_rng(1).random((50, 1000, 1000), dtype="float32")
grid = xarray.Dataset({"t": (("time", "lat", "lon"), data)})
path = os.path.expanduser("~/bench.nc")
grid.to_netcdf(path, engine="netcdf4", encoding={"t": {"chunksizes": (1, 250, 250)}})
shutil.copy(path, "/mnt/workspace/data/bench.nc")
"""
SLICE = """
import time, xarray
began = time.monotonic()
with xarray.open_dataset({path!r}, engine="netcdf4") as grid:
    {what}
print(time.monotonic() - began)
"""
SLICES = {
    "map": 'grid["t"].isel(time=7, lat=slice(0, 500), lon=slice(0, 500)).load()',
    "series": 'grid["t"].isel(lat=510, lon=510).load()',
}


@dataclass
class Row:
    """One comparison: p50 in seconds, and how many times the floor's speed ours has."""

    part: str
    what: str
    floor: str
    floor_seconds: float
    seconds: float
    ratio: float
    note: str = ""
    target: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty where there is none."""
        if self.target is None:
            return ""
        return "met" if self.ratio >= self.target else "MISSED"


class Table:
    """Times by name, and rows made of their p50."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.rows: list[Row] = []

    def add(self, name: str, seconds: float) -> None:
        """One more time of this name."""
        self.times.setdefault(name, []).append(seconds)

    def p50(self, name: str) -> float:
        """The median of what was measured."""
        return statistics.median(self.times[name])

    def row(
        self, part: str, what: str, ours: str, floor: str, note: str = "",
        target: float | None = None,
    ) -> None:  # fmt: skip
        """Compare two names."""
        seconds, bare = self.p50(ours), self.p50(floor)
        self.rows.append(Row(part, what, floor, bare, seconds, bare / seconds, note, target))


def dataspace(table: Table, bare: Path, area: Path, size: int, rounds: int, ops: int) -> None:
    """The area against the bare disk, in turn."""
    bare.mkdir(exist_ok=True)
    assert disk.image_below(area) or area.stat().st_dev == bare.stat().st_dev, (
        f"{area} is on another disk than {bare}"
    )
    past = True
    for turn in range(rounds):
        sides = [("disk", bare), ("area", area)]
        for name, folder in sides if turn % 2 else sides[::-1]:
            path = folder / "bench-file"
            table.add(f"{name} write", disk.write(path, size))
            table.add(f"{name} read", disk.read(path))
            for kind, measure in (("read", disk.random_read), ("write", disk.random_write)):
                seconds, direct = measure(path, ops)
                table.add(f"{name} random {kind}", seconds)
                past = past and direct
            path.unlink()
            os.sync()  # else its blocks are given back while the other side is measured
    where = "a loop image" if disk.image_below(area) else "a folder of the disk"
    amount = f"{size / MIB:.0f} MiB"
    table.row("dataspace", f"write {amount}, synced", "area write", "disk write", where, 0.9)
    table.row("dataspace", f"read {amount}, cold", "area read", "disk read", where, 0.9)
    how = "O_DIRECT" if past else "through the page cache: no O_DIRECT here"
    table.row("dataspace", f"{ops} reads of 4 KiB", "area random read", "disk random read", how)
    table.row(
        "dataspace", f"{ops} writes of 4 KiB, synced", "area random write", "disk random write", how
    )


class Server:
    """A person with a running server of a real VRE."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.vre = Vre(folder / "vre", settings=self._settings(folder, image))
        self.image = image
        self.token = ""
        self._agent: httpx.Client | None = None

    @staticmethod
    def _settings(folder: Path, image: str) -> str:
        return (
            f"images: [{image}]\n"
            "virtual_labs: [{name: bench, open: true}]\n"
            "storage:\n"
            "  workspace: {quota: 20GiB}\n"
            f"  dataspace: {{path: {folder / 'dataspaces'}, quota: 4GiB}}\n"
        )

    def start(self) -> None:
        """The VRE, the person, the server; fails with what was said."""
        self.vre.up("--backend", "docker")
        with Person(self.vre, USER) as person:
            path = f"/hub/api/users/{USER}/tokens"
            self.token = person.post(path, json={"note": "bench"}).json()["token"]
        with self.vre.api() as hub:
            hub.call("POST", f"/users/{USER}/server", {"image": self.image, "size": "small"})
            until(
                lambda: hub.call("GET", f"/users/{USER}")["servers"].get("", {}).get("ready"), 120
            )

    @property
    def area(self) -> Path:
        """The person's own area, as the server sees it."""
        return self.vre.deployment.layout.view(USER) / "me"

    def mounted(self) -> Mounted:
        """The person's workspace, mounted."""
        layout = self.vre.deployment.layout
        mount = layout.mount_parent(USER) / "data"
        until(mount.is_mount, 60, "the workspace is mounted")
        return Mounted(mount, layout.user_workspace(USER), self.pending)

    def pending(self) -> int:
        """How many files the node agent has not passed on yet."""
        if self._agent is None:  # making one takes longer than asking
            transport = httpx.HTTPTransport(uds=str(self.vre.deployment.agent_socket))
            self._agent = httpx.Client(transport=transport, timeout=30)
        people = self._agent.get("http://agent/workspaces").raise_for_status().json()
        return sum(int(one["pending"]) for one in people if one["user"] == USER)

    def direct(self) -> Direct:
        """The WebDAV server without a mount, past the proxy."""
        return Direct(f"{self.vre.deployment.dav_url}/{USER}/", USER, self.token)

    async def cells(self, *codes: str) -> list[str]:
        """What cells print, in one kernel of the server."""
        async with Kernel(
            f"{self.vre.url}/user/{USER}/", self.vre.state.secret(OPERATOR)
        ) as kernel:
            return [(await kernel.run(code, 300)).text for code in codes]

    def stop(self) -> None:
        """Everything, also after a failed start."""
        if self._agent is not None:
            self._agent.close()
        if (self.vre.folder / "deployment.json").exists():
            self.vre.down()


def workspace(table: Table, mounted: Mounted, direct: Direct, size: int, rounds: int) -> None:
    """One large file, both ways, in turn."""
    content = Content(size)
    for turn in range(rounds):
        table.add("direct PUT", direct.put(f"direct{turn}", content))
        done, arrived = mounted.put(f"mount{turn}", content)
        table.add("mount done", done)
        table.add("mount arrived", arrived)

        def write(path: Path) -> None:
            with path.open("wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)

        mounted.place(f"cold{turn}", write)
        table.add("mount GET", mounted.get(f"cold{turn}", content))
        table.add("direct GET", direct.get(f"cold{turn}", content))
        for name in ("direct", "mount", "cold"):
            direct.delete(f"{name}{turn}")
    amount = f"{content.size / MIB:.0f} MiB"
    table.row("workspace", f"write {amount}, done", "mount done", "direct PUT", "in the cache")
    table.row("workspace", f"write {amount}, arrived", "mount arrived", "direct PUT", "", 0.5)
    table.row("workspace", f"read {amount}, cold", "mount GET", "direct GET", "", 0.5)


def small_files(table: Table, mounted: Mounted, direct: Direct, count: int, rounds: int) -> None:
    """Many small files, both ways, in turn."""
    data = b"x" * SMALL
    for turn in range(rounds):
        table.add("PUT one by one", direct.put_many(f"one{turn}", count, data, 1))
        table.add("PUT four at once", direct.put_many(f"four{turn}", count, data, 4))
        done, arrived = mounted.put_many(f"small{turn}", count, data)
        table.add("small done", done)
        table.add("small arrived", arrived)
        for name in ("one", "four", "small"):
            direct.delete(f"{name}{turn}/")
    what = f"{count} files of 4 KiB"
    table.row("workspace", f"{what}, done", "small done", "PUT one by one", "in the cache")
    table.row("workspace", f"{what}, arrived", "small arrived", "PUT one by one")
    table.row("workspace", f"{what}, arrived", "small arrived", "PUT four at once")


def netcdf(table: Table, server: Server, rounds: int) -> None:
    """Slices of a NetCDF file, first through the mount, on the local disk, and downloaded."""
    mounted = server.mounted()
    asyncio.run(server.cells(NETCDF))
    made = mounted.server / "bench.nc"
    until(lambda: made.exists() and server.pending() == 0, 300, "the file is on the server")
    with server.direct() as direct:
        for turn in range(rounds):
            saved = server.folder / "downloaded.nc"
            download = direct.save("bench.nc", saved)
            assert saved.stat().st_size == made.stat().st_size
            saved.unlink()
            for kind, what in SLICES.items():
                name = f"cold-{kind}{turn}.nc"  # a name that no cache knows
                mounted.place(name, lambda path: shutil.copyfile(made, path) and None)
                paths = (f"/mnt/workspace/data/{name}", "/home/jovyan/bench.nc")
                # each import and kernel start is over before the clock runs
                codes = ["import xarray, netCDF4"]
                codes += [SLICE.format(path=path, what=what) for path in paths]
                _, through, local = asyncio.run(server.cells(*codes))
                table.add(f"{kind} mount", float(through))
                table.add(f"{kind} local", float(local))
                table.add(f"{kind} download", download + float(local))
                direct.delete(name)
    for kind in SLICES:
        for floor in ("local", "download"):
            table.row("netcdf", f"{kind} of a 200 MB file", f"{kind} mount", f"{kind} {floor}")


def sweep(table: Table, folder: Path, count: int, rounds: int) -> None:
    """One look at a million files of which none expires."""
    # The sweep is another part's: adjust these three lines if its names change (pelagos.node).
    from pelagos.node.areas import Place
    from pelagos.node.pins import Pins
    from pelagos.node.sweep import sweep_area

    place = Place(folder / "swept")
    for one in (place.files, place.trash):
        one.mkdir(parents=True)
    for first in range(0, count, 1000):
        part = place.files / f"{first // 100_000}" / f"{first // 1000}"
        part.mkdir(parents=True)
        for number in range(first, min(first + 1000, count)):
            (part / str(number)).touch()
    for _ in range(rounds):
        began = time.monotonic()
        report = sweep_area(
            place, 7 * 86400, Pins(folder / "pins"), "users/bench", folder / "journal"
        )
        table.add("sweep", time.monotonic() - began)
        assert (report.files, report.swept_files) == (count, 0), report
    table.add("sweep target", 5.0 * count / 1_000_000)
    what = f"look at {count:,} files"
    table.row("sweep", what, "sweep", "sweep target", "the target is 5 s for 1,000,000", 1.0)


def measure(arguments: argparse.Namespace, folder: Path) -> Table:
    """The chosen parts, one after the other: the machine has few cores."""
    table = Table()
    size, rounds = arguments.size * MIB, arguments.rounds
    chosen = set(arguments.only or PARTS)
    if "dataspace" in chosen and arguments.area:
        own = Path(tempfile.mkdtemp(prefix="pelagos-bench-", dir=arguments.area))
        try:
            dataspace(table, folder / "disk", own, size, rounds, arguments.ops)
        finally:
            shutil.rmtree(own)
        chosen.discard("dataspace")
    if chosen - {"sweep"}:
        server = Server(folder, "python" if "netcdf" in chosen else "base")
        try:
            server.start()
            if "dataspace" in chosen:
                dataspace(table, folder / "disk", server.area, size, rounds, arguments.ops)
            if "workspace" in chosen:
                with server.direct() as direct:
                    mounted = server.mounted()
                    workspace(table, mounted, direct, size, rounds)
                    small_files(table, mounted, direct, arguments.files, rounds)
            if "netcdf" in chosen:
                netcdf(table, server, rounds)
        finally:
            server.stop()
    if "sweep" in chosen:
        sweep(table, folder, arguments.sweep_files, rounds)
    return table


@contextmanager
def place(folder: Path, size: int) -> Iterator[Path]:
    """A folder of our own with room enough, gone at the end also after Ctrl-C and SIGTERM."""
    needed = 8 * size + 6 * 2**30
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(
            f"{folder} has {free / 2**30:.1f} GiB free, and {needed / 2**30:.1f} GiB are needed: "
            "name another one with --folder, or give a smaller --size"
        )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    own = Path(tempfile.mkdtemp(prefix="pelagos-bench-", dir=folder))
    own.chmod(0o711)  # services that need no root pass through it
    try:
        yield own
    finally:
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        for point in reversed([line.split()[4] for line in table]):
            if point.startswith(f"{own}/"):
                subprocess.run(["umount", "--lazy", point], check=False, timeout=60)
        shutil.rmtree(own)


def show(table: Table) -> None:
    """The numbers for people."""
    print(f"\n{'what':44} {'against':20} {'floor':>9} {'ours':>9} {'speed':>7} {'target':>7}")
    for row in table.rows:
        target = f"{row.target:.2f}x" if row.target is not None else ""
        print(
            f"{row.part + ': ' + row.what:44} {row.floor:20} {row.floor_seconds:8.3f}s "
            f"{row.seconds:8.3f}s {row.ratio:6.2f}x {target:>7} {row.verdict:7} {row.note}"
        )


def main() -> int:
    """Measure and print; 0 if every target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, help="these parts; default: all")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on which disk")
    parser.add_argument("--area", type=Path, help="measure this folder as the dataspace, no VRE")
    parser.add_argument("--size", type=int, default=500, help="MiB of a large file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ops", type=int, default=2000, help="reads and writes of 4 KiB")
    parser.add_argument("--files", type=int, default=1000, help="small files")
    parser.add_argument("--sweep-files", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    with place(arguments.folder, arguments.size * MIB) as folder:
        table = measure(arguments, folder)
    show(table)
    if arguments.json:
        found: dict[str, Any] = {
            "rows": [{**asdict(row), "verdict": row.verdict} for row in table.rows],
            "seconds": table.times,
        }
        arguments.json.write_text(json.dumps(found, indent=1))
    return int(any(row.verdict == "MISSED" for row in table.rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
