"""A FastAPI application as every service of the hub has it: headers, error pages, templates."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import jinja2
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pelagos.deployment import TEMPLATES
from pelagos.errors import AwayError, PelagosError
from pelagos.settings.models import Site

logger = logging.getLogger(__name__)

BODY_BYTES = 64 * 1024
_HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FIXED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_FIXED_NAMES = {name for name, _ in _FIXED}
_WENT_WRONG = "Something went wrong here. An administrator finds it in the log; try again."
_STATIC_TYPES = {".css": "text/css", ".js": "text/javascript"}


# what a request that went wrong gets: its status, and a sentence for a person
Answer = Callable[[Request, int, str], Response]


class Pages:
    """Templates of a service over those that all share; everything is escaped."""

    def __init__(self, folder: Path, site: Site, prefix: str) -> None:
        """`folder` holds the service's own `templates`, and `static` if it has any."""
        folders = (folder / "static", _HERE / "static")
        self._static = [one for one in folders if one.is_dir()]
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([folder / "templates", _HERE / "templates", TEMPLATES]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(site=site, prefix=prefix)

    @property
    def filters(self) -> dict[str, Callable[..., Any]]:
        """Functions that templates may use after `|`."""
        return self._environment.filters

    def render(self, name: str, values: dict[str, Any], status: int = 200) -> HTMLResponse:
        """A page."""
        return HTMLResponse(self._environment.get_template(name).render(values), status)

    def static(self, name: str) -> Response:
        """A style sheet or script of this service, or one that all share."""
        for folder in self._static:
            # compared with what is there: no name is ever made into a path
            for path in folder.iterdir():
                if path.name == name:
                    return Response(path.read_bytes(), media_type=_STATIC_TYPES[path.suffix])
        raise HTTPException(404, "There is no such file.")


def make_application(
    title: str,
    pages: Pages,
    programs: tuple[str, ...],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    answer: Answer | None = None,
    body_bytes: int = BODY_BYTES,
) -> FastAPI:
    """An application without routes; `lifespan` closes what they use.

    Errors are pages; below the paths `programs` they are JSON: `{"reason": sentence}`. A service
    whose errors look otherwise gives its own `answer`. Bodies longer than `body_bytes` are
    refused. Paths of FastAPI's own documentation are off, since nothing guards them.
    """

    app = FastAPI(
        title=title,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    def usual(request: Request, status: int, sentence: str) -> Response:
        if request.url.path.startswith(programs):
            return JSONResponse({"reason": sentence}, status)
        return pages.render("error.html", {"sentence": sentence}, status)

    answer = answer or usual
    add_errors(app, answer)
    app.add_middleware(_EveryAnswer, answer=answer, body_bytes=body_bytes)
    return app


def open_routes() -> APIRouter:
    """What anybody may see."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    return router


def add_errors(app: FastAPI, answer: Answer) -> None:
    """What goes wrong, as answers; again where a library set its own meanwhile."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        sentence = error.detail
        if error.status_code == 404 and sentence == "Not Found":
            sentence = "There is no such page. Check the address."
        if 300 <= error.status_code < 400:
            response = Response(status_code=error.status_code)
        else:
            response = answer(request, error.status_code, sentence)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        # of the message only where and why: what was sent may be secret
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'][1:])}: {problem['msg']}"
            for problem in error.errors()
        ]
        return answer(request, 400, f"The request can't be understood. {'; '.join(problems)}.")

    @app.exception_handler(AwayError)
    async def away(request: Request, error: AwayError) -> Response:
        response = answer(request, 503, error.sentence)
        response.headers["Retry-After"] = "10"
        return response

    @app.exception_handler(PelagosError)
    async def failed(request: Request, error: PelagosError) -> Response:
        # its text may name files of this machine
        logger.error("%s %s: %s", request.method, request.url.path, error.sentence)
        return answer(request, 500, _WENT_WRONG)


class _EveryAnswer:
    """What every answer carries; requests that are too long are not read.

    Plain ASGI: BaseHTTPMiddleware starts a task and a stream for each request.
    """

    def __init__(self, app: ASGIApp, answer: Answer, body_bytes: int) -> None:
        self._app, self._answer, self._body_bytes = app, answer, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = (pair for pair in message["headers"] if pair[0] not in _FIXED_NAMES)
                message["headers"] = [*own, *_FIXED]
            await send(message)

        try:
            await (self._refusal(scope) or self._app)(scope, receive, with_headers)
        except Exception:  # whatever it is: a person gets a sentence, the log the rest
            request = Request(scope)
            logger.exception("%s %s failed", request.method, request.url.path)
            if begun:
                raise  # too late for another answer
            await self._answer(request, 500, _WENT_WRONG)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request whose body is not read; None for others."""
        length = b"0"
        for name, value in scope["headers"]:
            if name == b"transfer-encoding":
                length = b""
                break
            if name == b"content-length":
                length = value
        if not length.isdigit():
            return self._answer(Request(scope), 411, "The request must say how long it is.")
        if len(length) > 18 or int(length) > self._body_bytes:
            return self._answer(Request(scope), 413, "The request is too long.")
        return None
