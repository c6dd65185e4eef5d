"""How fast the data pool's downloads are, against floors measured in the same run.

- large: one file, against `curl -o`. Ours is hashed while it is written, and on the disk (fsync)
  at the end; curl does neither. Target: 0.8 times curl's speed. The second row is curl, then a
  hash and a sync of the file, which is what ours does. Target: none.
- small: many small files, against `aria2c -j16`. Target: 0.8 times its speed.
- memory: the largest resident set of the process that downloads. Target: 150 MB.
- orders: the same files ordered in a real VRE (service and downloader, Docker), from the request
  to a ready order with its folder, against the same floors. No target. Then the same orders again,
  when all is in the pool: p50 and worst. Target: 100 ms. And the largest resident sets of the
  service and of the downloader. Target: 150 MB each.

The source is nginx on loopback, its files in the page cache. Each number is the p50 of several
rounds, in which ours and the floor take turns. Every file is compared with what the source has.
Needs curl, aria2 and nginx-light (Debian), and
for the orders Docker and the image base.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pool_orders import Catalogue, Orders, pool

PARTS = ("large", "small", "orders")
CLIENT = Path(__file__).resolve().parents[2] / "extensions" / "client"
PROGRAMS = {"curl": "curl", "aria2c": "aria2", "nginx": "nginx-light"}
MIB = 2**20
MEMORY = 150
SMALL = 50_000
AGAIN = 0.1  # seconds
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr warn; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; root {folder}/source;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; }}
}}
"""
# In a process of its own, for its memory. The import is not measured: it happens once.
OURS = """
import json, re, sys, time
sys.path.insert(0, sys.argv[1])
from pelagos_client.download import Guard, Limits, Wanted, fetch
files = [Wanted(*one) for one in json.load(sys.stdin)]
began = time.monotonic()
report = fetch(files, sys.argv[2], guard=Guard(named=["127.0.0.1"]), progress=lambda told: None)
seconds = time.monotonic() - began
sums = {file.wanted.path: file.checksum for file in report.check().files}
# not ru_maxrss, which begins with that of the process before exec
memory = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"seconds": seconds, "memory": memory * 1024, "sums": sums}))
"""


@dataclass
class Row:
    """One comparison: p50 in seconds, and how many times the floor's speed ours has."""

    what: str
    floor: str
    floor_seconds: float
    seconds: float
    ratio: float
    target: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty where there is none."""
        if self.target is None:
            return ""
        return "met" if self.ratio >= self.target else "MISSED"


@dataclass
class Again:
    """Orders of what is in the pool already, in seconds."""

    what: str
    p50: float
    worst: float

    @property
    def verdict(self) -> str:
        """Whether every one met the target."""
        return "met" if self.worst <= AGAIN else "MISSED"


class Bench:
    """A source with its files, and the times."""

    def __init__(self, folder: Path, port: int) -> None:
        self.source, self.target = folder / "source", folder / "target"
        self.url = f"http://127.0.0.1:{port}"
        self.times: dict[str, list[float]] = {}
        self.rows: list[Row] = []
        self.memory = 0
        self.again: list[Again] = []
        self.resident: dict[str, int] = {}

    def make(self, name: str, size: int) -> str:
        """A file of the source; its multihash."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, block = hashlib.sha256(), os.urandom(min(size, MIB))
        with path.open("wb") as file:
            for part in (netcdf_header(size), *[block] * (size // len(block) + 1)):
                left = part[: size - file.tell()]
                digest.update(left)
                file.write(left)
        return "1220" + digest.hexdigest()

    def clean(self) -> None:
        """An empty target, and a quiet disk."""
        shutil.rmtree(self.target, ignore_errors=True)
        self.target.mkdir()
        os.sync()

    def timed(self, name: str, *command: str) -> None:
        """One more time of a command."""
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.times.setdefault(name, []).append(time.monotonic() - began)

    def ours(self, name: str, sums: dict[str, str]) -> None:
        """One more time of ours."""
        self.clean()
        told = subprocess.run(
            [sys.executable, "-c", OURS, str(CLIENT), str(self.target)],
            input=json.dumps([(f"{self.url}/{path}", path) for path in sums]),
            capture_output=True,
            text=True,
        )
        if told.returncode:
            raise SystemExit(told.stderr)
        found = json.loads(told.stdout)
        assert found["sums"] == sums, "another content than the source has"
        self.memory = max(self.memory, found["memory"])
        self.times.setdefault(name, []).append(found["seconds"])

    def row(self, what: str, ours: str, floor: str, target: float | None = None) -> None:
        """Compare two names."""
        seconds, bare = (statistics.median(self.times[name]) for name in (ours, floor))
        self.rows.append(Row(what, floor, bare, seconds, bare / seconds, target))


def netcdf_header(size: int) -> bytes:
    """Of a NetCDF file of `size` bytes (CDF-2) with one variable: the data pool looks at it.

    See the NetCDF Classic Format Specification. `size` is a multiple of 4, less than 2 GiB and 84.
    """
    length = size - 84
    name, absent = struct.pack(">I4s", 1, b"x"), bytes(8)
    dimension = struct.pack(">II", 10, 1) + name + struct.pack(">I", length)
    variable = struct.pack(">II", 11, 1) + name + struct.pack(">II", 1, 0) + absent
    variable += struct.pack(">IIQ", 1, length, 84)
    return b"CDF\2" + bytes(4) + dimension + absent + variable


def large(bench: Bench, size: int, rounds: int) -> None:
    """One large file."""
    sums = {"large": bench.make("large", size)}
    saved = str(bench.target / "large")

    def curl(name: str) -> None:
        bench.clean()
        began = time.monotonic()
        bench.timed(name, "curl", "-sS", "-o", saved, f"{bench.url}/large")
        with open(saved, "rb") as file:
            assert "1220" + hashlib.file_digest(file, "sha256").hexdigest() == sums["large"]
            os.fsync(file.fileno())
        bench.times.setdefault(f"{name}, sum, sync", []).append(time.monotonic() - began)

    for turn in range(rounds):
        if turn % 2:
            bench.ours("large", sums)
            curl("curl")
        else:
            curl("curl")
            bench.ours("large", sums)
    amount = f"one file of {size / MIB:.0f} MiB"
    bench.row(amount, "large", "curl", 0.8)
    bench.row(amount, "large", "curl, sum, sync")


def small(bench: Bench, count: int, rounds: int) -> None:
    """Many small files."""
    sums = {f"small/{n}": bench.make(f"small/{n}", SMALL) for n in range(count)}
    listed = bench.source / "list"
    listed.write_text("".join(f"{bench.url}/{path}\n" for path in sums))

    def aria2() -> None:
        bench.clean()
        bench.timed("aria2c -j16", "aria2c", "-q", "-j16", f"-d{bench.target}", f"-i{listed}")
        assert len(list(bench.target.iterdir())) == count

    for turn in range(rounds):
        if turn % 2:
            bench.ours("small", sums)
            aria2()
        else:
            aria2()
            bench.ours("small", sums)
    bench.row(f"{count} files of {SMALL // 1000} kB", "small", "aria2c -j16", 0.8)


def orders(bench: Bench, folder: Path, size: int, count: int, rounds: int) -> None:
    """The same through a VRE."""
    amounts = {
        f"order of {size / MIB:.0f} MiB": {"large": bench.make("large", size)},
        f"order of {count} files": {
            f"small/{n}": bench.make(f"small/{n}", SMALL) for n in range(count)
        },
    }
    catalogue = Catalogue(bench.source)
    for number, (what, sums) in enumerate(amounts.items(), 1):
        catalogue.add(what, number, [bench.source / path for path in sums])
    floors = dict(zip(amounts, ("curl", "aria2c -j16"), strict=True))
    with pool(folder, bench.url, catalogue) as found:
        for what, sums in amounts.items():
            floor(bench, floors[what], list(sums))
            _ordered(bench, found, what, list(sums.values()), rounds)
            bench.row(what, what, floors[what])
        bench.resident = found.memory()


def floor(bench: Bench, name: str, paths: list[str]) -> None:
    """One more time of a floor."""
    bench.clean()
    if name == "curl":
        saved = str(bench.target / "floor")
        bench.timed(name, "curl", "-sS", "-o", saved, f"{bench.url}/{paths[0]}")
        return
    listed = bench.source / "list"
    listed.write_text("".join(f"{bench.url}/{path}\n" for path in paths))
    bench.timed(name, "aria2c", "-q", "-j16", f"-d{bench.target}", f"-i{listed}")


def _ordered(bench: Bench, found: Orders, what: str, sums: list[str], rounds: int) -> None:
    os.sync()
    seconds, _ = found.order(what, quick=False)
    bench.times.setdefault(what, []).append(seconds)
    found.check(what, sums)
    times = found.again(what, rounds)
    bench.times[f"{what}, again"] = times
    bench.again.append(Again(what, statistics.median(times), max(times)))


@contextmanager
def place(folder: Path, size: int) -> Iterator[Path]:
    """A folder of our own with room enough, gone at the end also after Ctrl-C and SIGTERM."""
    needed, free = 3 * size + 2**30, shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(
            f"{folder} has {free / 2**30:.1f} GiB free, and {needed / 2**30:.1f} GiB are needed: "
            "name another one with --folder, or give a smaller --size"
        )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    own = Path(tempfile.mkdtemp(prefix="pelagos-bench-", dir=folder))
    own.chmod(0o711)  # nginx gives its rights away
    try:
        yield own
    finally:
        shutil.rmtree(own)


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """nginx over `folder`/source, on a free port."""
    (folder / "source").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=port))
    with subprocess.Popen(["nginx", "-p", str(folder), "-c", str(settings)]) as server:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit("nginx does not start: see above") from None
                    time.sleep(0.02)
            yield port
        finally:
            server.terminate()


def show(bench: Bench) -> None:
    """The numbers for people."""
    print(f"\n{'what':28} {'against':16} {'floor':>9} {'ours':>9} {'speed':>7} {'target':>7}")
    for row in bench.rows:
        target = f"{row.target:.2f}x" if row.target is not None else ""
        print(
            f"{row.what:28} {row.floor:16} {row.floor_seconds:8.3f}s {row.seconds:8.3f}s "
            f"{row.ratio:6.2f}x {target:>7} {row.verdict}"
        )
    for again in bench.again:
        print(
            f"{again.what:28} {'again: p50, worst':16} {again.p50:8.3f}s {again.worst:8.3f}s "
            f"{'':7} {AGAIN:6.2f}s {again.verdict}"
        )
    for name, size in memories(bench).items():
        verdict = "met" if size <= MEMORY * 10**6 else "MISSED"
        print(f"{'memory':28} {name:16} {'':9} {size / 1e6:7.0f}MB {'':7} {MEMORY:5}MB {verdict}")


def memories(bench: Bench) -> dict[str, int]:
    """Largest resident sets in bytes, of what was measured."""
    return ({"engine": bench.memory} if bench.memory else {}) | bench.resident


def main() -> int:
    """Measure and print; 0 if every target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, help="these parts; default: all")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on which disk")
    parser.add_argument("--size", type=int, default=2048, help="MiB of the large file")
    parser.add_argument("--files", type=int, default=2000, help="small files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--again", type=int, default=20, help="second orders of the same data")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    missing = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    if missing:
        raise SystemExit(f"Needed for this benchmark: apt-get install {' '.join(missing)}")
    chosen = set(arguments.only or PARTS)
    with place(arguments.folder, arguments.size * MIB) as folder, serving(folder) as port:
        bench = Bench(folder, port)
        if "small" in chosen:
            small(bench, arguments.files, arguments.rounds)
        if "large" in chosen:
            large(bench, arguments.size * MIB, arguments.rounds)
        if "orders" in chosen:
            orders(bench, folder, arguments.size * MIB, arguments.files, arguments.again)
    show(bench)
    if arguments.json:
        rows = [{**asdict(row), "verdict": row.verdict} for row in bench.rows]
        again = [{**asdict(one), "verdict": one.verdict} for one in bench.again]
        found = {"rows": rows, "again": again, "seconds": bench.times, "memory": memories(bench)}
        arguments.json.write_text(json.dumps(found, indent=1))
    missed = any(one.verdict == "MISSED" for one in (*bench.rows, *bench.again))
    return int(missed or any(size > MEMORY * 10**6 for size in memories(bench).values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
