"""The catalogue service for tests: a real server on the loopback over a small real index."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import httpx
import uvicorn
from pelagos.catalogue.index import Writer
from pelagos.catalogue.records import (
    Asset,
    Box,
    CollectionRecord,
    GranuleRecord,
    Interval,
    Link,
    Parameter,
    Provider,
)
from pelagos.deployment import CATALOGUE_PATH
from pelagos.services.catalogue.service import app_for
from pelagos.services.identity import Hub
from pelagos.settings import Settings, VirtualLab
from pelagos.settings.sources import CatalogueSettings
from support import free_port, until

SCOPE = "access:services!service=catalogue"
FLOATS, STATIONS, SECRET = "argo.floats", "emodnet.stations", "closed.secret"
FLOAT_COUNT = 60
START = datetime(2020, 1, 1, tzinfo=UTC)
TEMPERATURE = Parameter("Temperature", "sea_water_temperature", "TEMPPR01", "TEMP", "degC")
SALINITY = Parameter("Salinity", "sea_water_practical_salinity", "PSALPR01", "PSAL", "1")
TITLE = 'Floats <script>alert("x")</script> & profiles'


def settings(*virtual_labs: VirtualLab, anonymous: bool = False) -> Settings:
    """Settings with these virtual labs; if none, with one that is open."""
    return Settings(
        virtual_labs=list(virtual_labs) or [VirtualLab(name="open-sea", open=True)],
        catalogue=CatalogueSettings(anonymous=anonymous),
    )


def build(path: Path) -> None:
    """An index with three sources: floats, stations with every odd extent, and a closed one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path) as writer:
        run = writer.run("argo", "Argo GDAC")
        run.collection(floats())
        run.granules("floats", [a_float(number) for number in range(FLOAT_COUNT)])
        run.finish_collection("floats")
        run.finish()
        run = writer.run("emodnet", "EMODnet")
        run.collection(
            CollectionRecord(
                "stations",
                "Stations of the coast",
                "Salinity at fixed stations",
                licence="CC-BY-4.0",
                parameters=(SALINITY,),
                platforms=("mooring",),
                boxes=(Box(170, -20, -170, 0),),
                interval=Interval(START, None),
            )
        )
        run.granules("stations", stations())
        run.finish_collection("stations")
        run.collection(CollectionRecord("empty", "Only known, not searchable", searchable=False))
        run.finish()
        run = writer.run("closed", "Closed infrastructure")
        run.collection(CollectionRecord("secret", "Secret cruise", boxes=(Box(0, 0, 1, 1),)))
        run.granules(
            "secret",
            [
                GranuleRecord(
                    f"hidden-{number}",
                    "Hidden cast",
                    box=Box(20.2, 20.2, 20.2, 20.2),
                    start=START,
                    end=START,
                    platform="submarine",
                )
                for number in range(3)
            ],
        )
        run.finish_collection("secret")
        run.finish()


def floats() -> CollectionRecord:
    return CollectionRecord(
        "floats",
        TITLE,
        "Temperature profiles of floats",
        licence="CC-BY-4.0",
        providers=(Provider("Argo", ("producer",), "https://example.org/argo"),),
        keywords=("argo", "ocean"),
        parameters=(TEMPERATURE,),
        platforms=("float",),
        instruments=("CTD",),
        boxes=(Box(-60, -30, 60, 30),),
        interval=Interval(START, START + timedelta(hours=FLOAT_COUNT)),
        doi="10.17882/42182",
        citation="Argo (2020)",
        links=(Link("license", "https://example.org/licence", "text/html", "Licence"),),
    )


def a_float(number: int) -> GranuleRecord:
    """Points on a line from (20, 20) to the east, an hour apart."""
    at, east = START + timedelta(hours=number), 20 + number / 10
    return GranuleRecord(
        f"profile-{number:03}",
        f"Profile {number}",
        box=Box(east, 20.5, east, 20.5),
        start=at,
        end=at,
        platform=f"float-{number % 3}",
        instruments=("CTD",),
        assets=(Asset("data", f"files/{number:03}.nc", "application/x-netcdf", size=100 + number),),
    )


def stations() -> list[GranuleRecord]:
    """Every odd extent that there is."""
    end = START + timedelta(days=365)
    return [
        GranuleRecord("antimeridian", box=Box(175, -10, -175, -5), start=START, end=end),
        GranuleRecord("north-pole", box=Box(-180, 80, 180, 90), start=START, end=end),
        GranuleRecord("south-pole", box=Box(0, -90, 0, -90), start=START, end=end),
        GranuleRecord("nowhere", start=START, end=START),
        GranuleRecord("never", box=Box(100, 10, 101, 11)),
        GranuleRecord("since", box=Box(110, 10, 111, 11), start=START + timedelta(days=100)),
        GranuleRecord("before", box=Box(110, 10, 111, 11), end=START + timedelta(days=10)),
    ]


class HubStandIn:
    """Answers GET /user and GET /users as JupyterHub does: the token's owner; everybody."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        people = self.people

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").removeprefix("token ")
                found: Any = people.get(token) if self.path == "/user" else None
                wrong = 403
                if self.path.startswith("/users"):
                    name, wrong = unquote(self.path.removeprefix("/users").lstrip("/")), 404
                    there = [one for one in people.values() if name in ("?limit=1", one["name"])]
                    found = there[0] if there and not name.startswith("?") else there
                body = json.dumps(found or {"status": wrong, "message": "No"}).encode()
                self.send_response(200 if found else wrong)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def person(self, name: str, *groups: str, admin: bool = False, scope: str = SCOPE) -> str:
        """A token of a person in these groups."""
        token = f"token-of-{name}-{len(self.people)}"
        self.people[token] = {
            "kind": "user", "name": name, "admin": admin, "groups": list(groups),
            "scopes": [scope],
        }  # fmt: skip
        return token

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()


class Service:
    """The service under uvicorn. `url` is its landing page, without the final slash."""

    def __init__(self, index: Path, hub: HubStandIn, chosen: Settings, **more: Any) -> None:
        self.hub, self.port = hub, free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}{CATALOGUE_PATH}"
        app = app_for(index, chosen, Hub(hub.url, "catalogue", "secret"), "key", **more)
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self._server.started or not self._thread.is_alive(), 30, "the service")
        assert self._server.started
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)

    @contextlib.contextmanager
    def client(self, token: str = "", **more: Any) -> Iterator[httpx.Client]:
        """A program with this token."""
        headers = {"Authorization": f"token {token}"} if token else {}
        with httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=30, **more
        ) as client:
            yield client
