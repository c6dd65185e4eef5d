"""Files of sources of kind `files`, for whoever finds an item of theirs."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from pelagos.catalogue.index import Reader
from pelagos.catalogue.own_files import open_file
from pelagos.catalogue.query import Criteria, Facet, Slice
from pelagos.catalogue.records import identify
from pelagos.errors import SourceError
from pelagos.services.catalogue.access import Views
from pelagos.services.catalogue.readers import Readers
from pelagos.services.web import caller
from pelagos.settings import Settings
from pelagos.settings.sources import FilesSource

_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+")
_PLAIN = "application/octet-stream"


class _Opened(FileResponse):
    """A file by its descriptor, which it closes; ranges and conditions as of any file."""

    def __init__(self, descriptor: int, **more: Any) -> None:
        self._descriptor = descriptor
        super().__init__(f"/proc/self/fd/{descriptor}", stat_result=os.fstat(descriptor), **more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)


def file_routes(settings: Settings, readers: Readers, views: Views, guards: list[Any]) -> APIRouter:
    """`/files/SOURCE/PATH`: where the assets of items lead."""
    router = APIRouter(dependencies=guards)
    sources = {
        source.name: source
        for source in settings.catalogue.sources
        if isinstance(source, FilesSource) and source.path
    }

    @router.api_route("/files/{source}/{path:path}", methods=["GET", "HEAD"])
    async def file(request: Request, source: str, path: str) -> Response:
        view = await views.of(caller(request))
        criteria = Criteria(
            ids=(identify(path),), facets={Facet.INFRASTRUCTURE: (source,)}, scope=view.scope
        )

        def question(reader: Reader) -> list[dict[str, Any]]:
            return reader.granules(criteria, Slice(limit=1)).documents

        found = await readers.ask_for(caller(request).name, question) if source in sources else []
        if not found:
            raise _missing(path)
        try:
            descriptor = await asyncio.to_thread(open_file, sources[source], path)
        except (OSError, SourceError) as error:
            raise _missing(path) from error
        return _Opened(descriptor, media_type=_type_of(found[0]), filename=path.rpartition("/")[2])

    return router


def _type_of(item: dict[str, Any]) -> str:
    kind = item.get("assets", {}).get("data", {}).get("type", "")
    return kind if _TYPE.fullmatch(kind) else _PLAIN


def _missing(path: str) -> HTTPException:
    return HTTPException(404, f"There is no file {path[:200]!r} that you may see.")
