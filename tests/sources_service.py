"""The page of the sources as an application of its own, with a hub that knows every token.

A token is a person's name; that of `admin` is an administrator's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from pelagos.catalogue.harvest import RUNS_FILE
from pelagos.catalogue.harvest.records import Counts, Ending, Progress, Rejection, RunState
from pelagos.catalogue.harvest.runs import Runs
from pelagos.deployment import CATALOGUE_PATH
from pelagos.services import catalogue
from pelagos.services.application import Pages, make_application
from pelagos.services.catalogue.sources_routes import sources_routers
from pelagos.services.identity import Caller, Hub
from pelagos.services.web import Guard
from pelagos.settings.models import Site
from pelagos.settings.sources import CswSource, ErddapSource, FilesSource, Source, SourceKind

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
SOURCES: list[Source] = [
    FilesSource(name="starter", title="Starter data", kind=SourceKind.FILES, path="/x"),
    CswSource(
        name="seadatanet-products",
        title="SeaDataNet products",
        kind=SourceKind.CSW,
        url="https://csw.example.org/srv",
    ),
    ErddapSource(
        name="argo", title="Argo floats", kind=SourceKind.ERDDAP, url="https://e.example.org/erddap"
    ),
    ErddapSource(
        name="hostile", title=HOSTILE, kind=SourceKind.ERDDAP, url="https://h.example.org/erddap"
    ),
    ErddapSource(
        name="socat", title="SOCAT", kind=SourceKind.ERDDAP, url="https://s.example.org/erddap",
        schedule=0,
    ),
]  # fmt: skip


class KnowingHub(Hub):
    """A hub for which a token is its owner's name."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9/hub/api", "catalogue", "secret")

    async def who(self, token: str) -> Caller | None:
        """See Hub."""
        return Caller(token, True, token == "admin", frozenset({"access:services"}))


def make_sources_app(folder: Path) -> FastAPI:
    """The page over the catalogue's folder."""
    hub = KnowingHub()
    guard = Guard(hub, CATALOGUE_PATH, "secret")
    pages = Pages(
        Path(str(catalogue.__file__)).parent,
        Site(name="Test VRE", contact="help@vre.example.org"),
        CATALOGUE_PATH,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await hub.close()

    app = make_application("Sources", pages, (f"{CATALOGUE_PATH}/sources.json",), lifespan)
    static = APIRouter()

    @static.get("/static/{name}")
    def file(name: str) -> Response:
        return pages.static(name)

    for router in (*sources_routers(pages, guard, SOURCES, folder), static, guard.router):
        app.include_router(router, prefix=CATALOGUE_PATH)
    return app


def fill(folder: Path) -> None:
    """A run of every kind."""
    folder.mkdir(exist_ok=True)
    now = time.time()
    with Runs(folder / RUNS_FILE, now=lambda: now - 7_300) as runs:
        finished(runs, "starter", Ending(RunState.DONE), Counts(4, 6, added=6), {"a": 6}, now)
        finished(
            runs,
            "seadatanet-products",
            Ending(
                RunState.DONE, notice="The source has more than the 5,000 records that are kept."
            ),
            Counts(40, 4_960, added=13, changed=7, same=4_940, removed=3, rejected=212),
            {f"c{number}": 124 for number in range(40)},
            now,
            {"date: … is no date": 198, "box: latitude outside …: …": 14},
        )
        finished(runs, "socat", Ending(RunState.DONE), Counts(1, 10, added=10), {"a": 10}, now)
        finished(runs, "hostile", Ending(RunState.DONE), Counts(1, 2, added=2), {"a": 2}, now)
    with Runs(folder / RUNS_FILE, now=lambda: now - 130) as runs:
        finished(
            runs,
            "hostile",
            Ending(RunState.FAILED, f"The server said {HOSTILE}", "Look at its page."),
            Counts(1, 2, rejected=1),
            None,
            now + 200,
            {f"title: {HOSTILE}": 1},
            [Rejection(HOSTILE, f"title: {HOSTILE}")],
        )
    with Runs(folder / RUNS_FILE) as runs:
        number = runs.queue("argo")
        runs.start(number)
        counts = Counts(2, 1_204_500, added=1_204_500, rejected=3)
        runs.progress(number, Progress(counts, "Argo profiles of the Atlantic", {"reading": 31.0}))


def finished(
    runs: Runs,
    source: str,
    ending: Ending,
    counts: Counts,
    held: dict[str, int] | None,
    due: float,
    reasons: dict[str, int] | None = None,
    rejections: list[Rejection] | None = None,
) -> None:
    """One run that is over."""
    number = runs.queue(source)
    runs.start(number)
    run = runs.run(number)
    assert run is not None
    progress = Progress(counts, "", {"reading": 12.5, "storing": 1.5}, reasons or {})
    if reasons and rejections is None:
        rejections = [
            Rejection(f"urn:SDN:CDI:LOCAL:{one}", "date: '9999-99-99' is no date")
            for one in range(30)
        ]
    runs.finish(run, ending, progress, rejections or (), next_run=due + 79_000, held=held)
