"""Orders through a real VRE's data pool, for `bench_datapool`: from POST to ready, in seconds."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pelagos.deployment import DATAPOOL_PATH

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import Person, Vre

_SETTINGS = """
images: [base]
virtual_labs: [{{name: bench, open: true}}]
datapool: {{quota: 100 GiB, per_host: 16}}
catalogue:
  sources:
    - {{name: bench, kind: argo-index, url: "{url}/index.txt", files: "{url}/dac", rate: 100,
        size_limit: 8 GiB}}
"""
_HEAD = """# Title : Profile directory file of the Argo Global Data Assembly Center
# Format version : 2.0
# Date of update : 20260101000000
file,date,latitude,longitude,ocean,profiler_type,institution,date_update
"""
_LINE = "{},20200101000000,10.000,-20.000,A,846,AO,20200102000000\n"
_LOOK = 0.005  # seconds between two looks at an order that is nearly ready
_SLOW = 0.1  # and at one that takes long: the service lets a person ask 20 times a second
_REST = 2.0  # after which it lets them ask often again


@dataclass
class Catalogue:
    """Files of the source, laid out as a GDAC, with the items that they are."""

    source: Path
    items: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, number: int, files: list[Path]) -> None:
        """`files` as the profiles of float `number`; hard links, so that nothing is copied."""
        folder = self.source / "dac" / "bench" / str(number) / "profiles"
        folder.mkdir(parents=True)
        self.items[name] = []
        with (self.source / "index.txt").open("a") as index:
            if index.tell() == 0:
                index.write(_HEAD)
            for cycle, path in enumerate(files, 1):
                target = folder / f"R{number}_{cycle:05}.nc"
                target.hardlink_to(path)
                index.write(_LINE.format(target.relative_to(self.source / "dac")))
                self.items[name].append(f"{number}_{cycle:05}")


class Orders:
    """One person's orders in a running VRE."""

    def __init__(self, vre: Vre, person: Person, items: dict[str, list[str]]) -> None:
        self.vre, self.items = vre, items
        scope = "access:services!service=datapool"
        answer = person.post(
            f"/hub/api/users/{person.name}/tokens", json={"scopes": [scope], "expires_in": 86400}
        )
        assert answer.is_success, answer.text
        self._client = httpx.Client(
            base_url=f"{vre.url}{DATAPOOL_PATH}/api",
            headers={"Authorization": f"token {answer.json()['token']}"},
            timeout=120,
            trust_env=False,
        )

    def order(self, name: str, quick: bool) -> tuple[float, dict[str, Any]]:
        """Seconds from the request to a ready order, and the order."""
        wanted = [{"collection": "bench.profiles", "item": item} for item in self.items[name]]
        began = time.monotonic()
        found = self._ask("POST", "/orders", {"items": wanted})
        while found["state"] != "ready":
            assert found["state"] in ("queued", "fetching", "verifying"), found
            time.sleep(_LOOK if quick else _SLOW)
            found = self._ask("GET", f"/orders/{found['number']}")
        return time.monotonic() - began, found

    def again(self, name: str, rounds: int) -> list[float]:
        """Seconds of orders of what is in the pool already."""
        found = []
        for _ in range(rounds):
            time.sleep(_REST)
            seconds, order = self.order(name, quick=True)
            assert order["files"]["cached"] == len(self.items[name]), order
            found.append(seconds)
        return found

    def check(self, name: str, sums: list[str]) -> None:
        """The files of the newest order have the source's checksums."""
        newest = self._ask("GET", "/orders?limit=1")["orders"][0]["number"]
        found: list[str] = []
        offset: int | None = 0
        while offset is not None:
            page = self._ask("GET", f"/orders/{newest}/files?limit=1000&offset={offset}")
            found += [file["checksum"] for file in page["files"]]
            offset = page["next"]
        assert sorted(found) == sorted(sums), f"{name}: another content than the source has"

    def memory(self) -> dict[str, int]:
        """The largest resident sets of the processes so far, in bytes."""
        found = {}
        for process in ("downloader", "datapool"):
            text = Path(f"/proc/{self.vre.pid(process)}/status").read_text()
            peak = re.search(r"VmHWM:\s*(\d+) kB", text)
            assert peak, process
            found[process] = int(peak[1]) * 1024
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def pool(folder: Path, url: str, catalogue: Catalogue) -> Iterator[Orders]:
    """A VRE in `folder` whose one source is the catalogue at `url`."""
    vre = Vre(folder / "vre", _SETTINGS.format(url=url))
    try:
        vre.up("--backend", "docker")
        done = vre.run("harvest", "bench")
        assert done.returncode == 0, done.stdout + done.stderr
        with Person(vre, "ada") as person:
            yield Orders(vre, person, catalogue.items)
    finally:
        vre.down()
