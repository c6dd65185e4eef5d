"""Stand-ins for parts of a VRE, on real sockets."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from support import until


def storage_of_nobody() -> dict[str, Any]:
    """What the agent says of a person who has nothing yet."""
    return {
        "workspace": {
            "state": "absent", "reason": "", "pending": 0, "pending_bytes": 0, "failed": [],
            "used": None, "total": None,
        },
        "dataspace": {"areas": []},
    }  # fmt: skip


class PeopleAgent:
    """The node agent's socket of people: answers what `people` says, notes what it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.people: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), uds=str(path), log_level="warning", lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self._server.started, 20, "the stand-in agent")
        self.path.chmod(0o666)  # the service may run as an account of its own
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self.path.unlink(missing_ok=True)

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/people/{user}")
        def status(user: str) -> dict[str, Any]:
            self.asked.append(("status", user, None))
            return self.people.get(user, storage_of_nobody())

        @app.post("/people/{user}/retry")
        def retry(user: str) -> dict[str, Any]:
            self.asked.append(("retry", user, None))
            return self.people.get(user, storage_of_nobody())

        @app.api_route("/people/{user}/pins", methods=["PUT", "DELETE"])
        async def pins(user: str, request: Request) -> Response:
            body = await request.json()
            self.asked.append((f"{request.method} pin", user, body))
            if body["path"] == "gone.nc":
                return JSONResponse({"reason": "There is no gone.nc in your area."}, 404)
            return JSONResponse({})

        @app.get("/metrics")
        def metrics() -> Response:
            return PlainTextResponse("pelagos_mounts 1\n")

        return app
