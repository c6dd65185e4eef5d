"""The same queries over HTTP: the service as the product runs it, in its processes, with a token.

One client asks all queries for the table; then 1, 2 and 8 clients, each a process of its own, ask
for some seconds each. Clients and service share this machine's cores.
"""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from catalogue_service import HubStandIn
from pelagos.catalogue.query import TOTAL_LIMIT, Criteria, Page
from pelagos.deployment import CATALOGUE_PATH
from pelagos.services.catalogue.service import PROCESSES, app_for
from pelagos.services.identity import Hub
from pelagos.services.serving import serve
from pelagos.settings import Settings
from support import free_port, until

from catalogue.measure import LIMIT, ask
from catalogue.truth import Answer, Corpus, Query

_SPAWN = multiprocessing.get_context("spawn")
_SECONDS = 10.0  # that clients ask, of each number of them


def compare(
    path: Path, corpus: Corpus, asked: Sequence[Query], answers: Sequence[Answer], rounds: int
) -> list[str]:
    """Print the rows of HTTP; what was wrong."""
    with HubStandIn() as hub, _service(path, hub) as port:
        token = hub.person("ada", "ocean")
        client = _Client(port, token)
        try:
            client.ask("/search?limit=1")  # the first request of a token asks the hub
            faults = ask("http", client.page, corpus, asked, answers, rounds)
        finally:
            client.close()
        paths = [_path(query.criteria) for query in asked]
        one = 0.0
        for clients in (1, 2, 8):
            rate, p50 = _together(port, token, paths, clients)
            one = one or rate
            print(
                f"http, {clients} at once    {rate:8.0f} searches/s ({rate / one:.2f} of one "
                f"client's), p50 {p50 * 1000:.2f} ms"
            )
    return faults


class _Client:
    """One connection that stays open; http.client costs less than what it measures."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"token {token}"}

    def ask(self, path: str) -> bytes:
        self._connection.request("GET", f"{CATALOGUE_PATH}{path}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body[:300]
        return body

    def page(self, query: Query) -> Page:
        found = orjson.loads(self.ask(_path(query.criteria)))
        total = found.get("numberMatched")
        more = total is None
        return Page(found["features"], TOTAL_LIMIT if more else total, more=more)

    def close(self) -> None:
        self._connection.close()


def _path(criteria: Criteria) -> str:
    fields: dict[str, Any] = {"limit": LIMIT}
    if criteria.text:
        fields["q"] = criteria.text
    if box := criteria.box:
        fields["bbox"] = f"{box.west},{box.south},{box.east},{box.north}"
    if criteria.start or criteria.end:
        fields["datetime"] = "/".join(
            moment.isoformat().replace("+00:00", "Z") if moment else ".."
            for moment in (criteria.start, criteria.end)
        )
    if criteria.collections:
        fields["collections"] = ",".join(criteria.collections)
    return f"/search?{urlencode(fields)}"


@contextlib.contextmanager
def _service(path: Path, hub: HubStandIn) -> Iterator[int]:
    port = free_port()
    process = _SPAWN.Process(target=_serve, args=(path, hub.url, port))
    process.start()
    try:
        until(lambda: _answers(port) or not process.is_alive(), 60, "the service")
        yield port
    finally:
        process.terminate()
        process.join(30)


def _serve(path: Path, hub: str, port: int) -> None:
    app = app_for(path, Settings(), Hub(hub, "catalogue", "secret"), "key")
    serve(app, "127.0.0.1", port, min(os.cpu_count() or 1, PROCESSES))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"{CATALOGUE_PATH}/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _together(port: int, token: str, paths: list[str], clients: int) -> tuple[float, float]:
    """Searches per second of all clients together, and the p50 of one search in seconds."""
    barrier, results = _SPAWN.Barrier(clients), _SPAWN.Queue()
    processes = [
        _SPAWN.Process(target=_one_of, args=(port, token, paths, number, barrier, results))
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    times = [spent for _ in processes for spent in results.get(timeout=120)]
    for process in processes:
        process.join(30)
    return len(times) / _SECONDS, statistics.median(times)


def _one_of(
    port: int, token: str, paths: list[str], number: int, barrier: Barrier, results: Any
) -> None:
    client = _Client(port, token)
    client.ask("/search?limit=1")
    # each begins elsewhere in the list: not all ask the same at the same time
    at = number * len(paths) // 8
    times = []
    barrier.wait(60)
    end = time.perf_counter() + _SECONDS
    while (began := time.perf_counter()) < end:
        client.ask(paths[at % len(paths)])
        times.append(time.perf_counter() - began)
        at += 1
    client.close()
    results.put(times)
