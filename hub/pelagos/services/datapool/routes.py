"""Routes of the data pool's service for programs."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from pelagos.datapool.model import OrderState
from pelagos.deployment import DATAPOOL_PATH
from pelagos.services.datapool import models
from pelagos.services.datapool.desk import Desk
from pelagos.services.pace import Pace
from pelagos.services.web import Guard, caller

T = TypeVar("T")

API = f"{DATAPOOL_PATH}/api"
# what may go wrong, for the description
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": models.Problem, "description": text}
    for status, text in {
        400: "The request can't be understood, or items of it can't be ordered.",
        401: "There is no token.",
        403: "The token does not open this service.",
        404: "There is no such order that you may see.",
        409: "It can't be done now: what is in the way, and what to do.",
        429: "You ask too often.",
        503: "Something that the service needs does not answer; try again later.",
    }.items()
}
_CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": models.Order, "description": "It was made before, with the same key."},
    **PROBLEMS,
}
Number = Annotated[int, Path(ge=1, lt=2**31, description="The order's number.")]


class Paces:
    """How often one person may ask, by page and by program together."""

    def __init__(self) -> None:
        # a program may follow some orders at once
        self.read = Pace(rate=20, burst=100)
        self.change = Pace(rate=5, burst=50)
        # each reads the catalogue, for up to thousands of items
        self.order = Pace(rate=2, burst=20)


def api_routes(guard: Guard, desk: Desk, paces: Paces) -> APIRouter:
    """What programs call; always for the token's own person."""
    router = APIRouter(
        prefix="/api", dependencies=[Depends(guard.program)], responses=PROBLEMS, tags=["orders"]
    )
    read = [Depends(paces.read.limited)]
    change = [Depends(paces.change.limited)]

    @router.post(
        "/orders", status_code=201, responses=_CREATED, dependencies=[Depends(paces.order.limited)]
    )
    async def create(request: Request, wanted: models.WantedOrder) -> models.Order:
        """Make an order. Nothing is kept of one that is refused."""
        order, is_new = await desk.create(caller(request), wanted)
        # FastAPI would check the answer again
        return JSONResponse(  # type: ignore[return-value]
            order.model_dump(mode="json"),
            201 if is_new else 200,
            {"Location": f"{API}/orders/{order.number}"},
        )

    @router.post("/estimate", dependencies=[Depends(paces.order.limited)])
    async def estimate(request: Request, wanted: models.WantedOrder) -> models.Estimate:
        """What an order would be, without making it."""
        return await desk.estimate(caller(request), wanted)

    @router.get("/orders", dependencies=read)
    async def listed(
        request: Request,
        state: Annotated[list[OrderState] | None, Query(max_length=8)] = None,
        virtual_lab: Annotated[str, Query(max_length=40, pattern="^[a-z0-9-]*$")] = "",
        before: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> models.OrderList:
        """Your orders, the newest first; of a virtual lab, all that you may see."""
        return await desk.page(caller(request), state or (), virtual_lab, before, limit)

    @router.get("/orders/{number}", dependencies=read)
    async def show(request: Request, number: Number) -> models.Order:
        """One order."""
        return found(await desk.show(caller(request), number), number)

    @router.get("/orders/{number}/files", dependencies=read)
    async def files(
        request: Request,
        number: Number,
        offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> models.OrderFiles:
        """An order's files, page by page."""
        return found(await desk.files(caller(request), number, offset, limit), number)

    @router.get("/orders/{number}/citations", dependencies=read)
    async def citations(request: Request, number: Number) -> list[models.CitationModel]:
        """How the data sets of an order want to be cited."""
        return found(await desk.citations(caller(request), number), number)

    @router.post("/orders/{number}/cancel", dependencies=change)
    async def cancel(request: Request, number: Number) -> models.Order:
        """Cancel an order that is under way; one that is cancelled stays so."""
        return found(await desk.cancel(caller(request), number), number)

    @router.post("/orders/{number}/retry", dependencies=change)
    async def retry(request: Request, number: Number) -> models.Order:
        """Get again what a failed, cancelled or expired order lacks."""
        return found(await desk.retry(caller(request), number), number)

    @router.delete(
        "/orders/{number}", status_code=204, response_class=Response, dependencies=change
    )
    async def delete(request: Request, number: Number) -> None:
        """Forget an order; one that is under way is cancelled so."""
        found(await desk.delete(caller(request), number) or None, number)

    return router


def found(value: T | None, number: int) -> T:
    """`value`, if there is one. Raises HTTPException."""
    if value is None:
        raise HTTPException(404, f"There is no order {number} that you may see.")
    return value
