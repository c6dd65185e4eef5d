"""What people do with their orders, whether by the API or on the page."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from pelagos_client.documents import citations
from sqlalchemy import Connection

from pelagos.datapool import orders, orders_shown, space
from pelagos.datapool.model import AGAIN, OrderState, Target
from pelagos.datapool.orders import Bounds
from pelagos.datapool.orders_model import NewOrder
from pelagos.datapool.orders_shown import OrderRow, Viewer
from pelagos.datapool.space import Demand, Limits
from pelagos.datapool.waking import wake
from pelagos.errors import RefusedError
from pelagos.services.catalogue.turns import Turns
from pelagos.services.datapool import models, shaping
from pelagos.services.datapool.resolving import Resolved, Resolver, criteria_of
from pelagos.services.datapool.store import Store
from pelagos.services.identity import Caller
from pelagos.services.workspace.agent import Agent, AgentRefusal
from pelagos.settings import Settings
from pelagos.units import format_bytes
from pelagos.virtual_labs import managers_group_of, named_groups

T = TypeVar("T")

_SOON_SECONDS = 1.0  # that an order may wait for a downloader that has nothing to fetch
_LOOK_SECONDS = 0.02
# of one person at a time, and how many more wait: no more than `Paces` lets through at once
_READS, _READS_WAIT = 2, 100
_BASKETS, _BASKETS_WAIT = 1, 20  # thousands of documents in memory each


class Declined(Exception):
    """It was not done, and this is the answer."""

    def __init__(self, status: int, problem: models.Problem) -> None:
        super().__init__(problem.reason)
        self.status, self.problem = status, problem


class Desk:
    """Orders of people. `folder` is the data pool's in the state folder, `pool` where files are."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        resolver: Resolver,
        agent: Agent,
        folder: Path,
        pool: Path,
    ) -> None:
        self._settings, self._store, self._resolver = settings, store, resolver
        self._agent, self._folder, self._pool = agent, folder, pool
        self._turns = Turns(_READS, _READS_WAIT)
        self._baskets = Turns(_BASKETS, _BASKETS_WAIT)
        self._bounds = Bounds(settings.datapool.live_orders, settings.datapool.order_files)

    def viewer(self, caller: Caller) -> Viewer:
        """Whose orders a caller sees: their own, and those of virtual labs that say so."""
        groups = caller.groups | named_groups(self._settings, caller.name)
        managed = (
            lab.name
            for lab in self._settings.virtual_labs
            if lab.managers_see_orders and managers_group_of(lab) in groups
        )
        return Viewer(caller.name, frozenset(managed))

    async def estimate(self, caller: Caller, wanted: models.WantedOrder) -> models.Estimate:
        """What an order would be, without making it."""
        async with self._baskets.of(caller.name):
            return await self._estimate(caller, wanted)

    async def _estimate(self, caller: Caller, wanted: models.WantedOrder) -> models.Estimate:
        found = await self._resolved(caller, wanted)
        needed = found.files
        limits = await self._limits()

        def question(connection: Connection) -> tuple[Demand, int]:
            known = space.lookup(connection, [file.identity for file in needed])
            return space.demand(needed, known), space.room(connection, known.values(), limits)

        demand, free = await self._store.read(question)
        reason = ""
        try:
            self._check_count(len(needed))
            space.check(demand, free, limits)
            if wanted.to is Target.WORKSPACE:
                left = await self._workspace_left(caller)
                free = free if left is None else min(free, left)
                _check_workspace(demand, left)
        except RefusedError as error:
            reason = error.sentence
        return models.Estimate(
            files=demand.files,
            bytes=models.Sizes(known=demand.known, unknown=demand.unknown),
            cached=demand.cached,
            free=free,
            fits=not reason,
            reason=reason,
            accept=shaping.terms(found.terms.values()),
            refused=shaping.refusals(found.refused),
        )

    async def create(self, caller: Caller, wanted: models.WantedOrder) -> tuple[models.Order, bool]:
        """Make an order; whether it is new. Raises Declined and RefusedError."""
        key = wanted.key
        if key is not None:
            same = await self._read(caller, lambda c: orders.by_key(c, caller.name, key))
            if same is not None:
                return await self.show(caller, same) or _gone(), False
        async with self._baskets.of(caller.name):
            number, is_new = await self._create(caller, wanted)
        self._wake()
        return await self._soon(caller, number), is_new

    async def _create(self, caller: Caller, wanted: models.WantedOrder) -> tuple[int, bool]:
        found = await self._resolved(caller, wanted)
        _check_refused(found)
        _check_terms(found, wanted)
        self._check_count(len(found.files))
        if wanted.to is Target.WORKSPACE:
            needed = space.demand(found.files, {})
            _check_workspace(needed, await self._workspace_left(caller))
        new = NewOrder(
            caller.name,
            wanted.to,
            wanted.virtual_lab,
            wanted.title,
            criteria_of(wanted.criteria).to_json(),
            wanted.query,
            tuple(sorted(set(wanted.accept) & set(found.terms))),
            wanted.key,
        )
        limits = await self._limits()
        return await self._store.write(
            lambda c: orders.create(c, new, found.items, self._bounds, limits)
        )

    async def page(
        self,
        caller: Caller,
        states: Collection[OrderState],
        virtual_lab: str,
        before: int | None,
        limit: int,
    ) -> models.OrderList:
        """Orders, the newest first."""
        viewer = self.viewer(caller)
        rows, more = await self._read(
            caller, lambda c: orders_shown.page(c, viewer, states, virtual_lab, before, limit)
        )
        shown = [shaping.order(row, caller.name) for row in rows]
        return models.OrderList(orders=shown, before=shown[-1].number if more else None)

    async def show(self, caller: Caller, number: int) -> models.Order | None:
        """One order; None if there is none that they may see."""
        viewer = self.viewer(caller)
        row = await self._read(caller, lambda c: orders_shown.order(c, viewer, number))
        return shaping.order(row, caller.name) if row is not None else None

    async def files(
        self, caller: Caller, number: int, offset: int, limit: int
    ) -> models.OrderFiles | None:
        """A page of an order's files; None if there is no such order."""

        def question(connection: Connection) -> models.OrderFiles:
            rows, more = orders_shown.files_page(connection, number, offset, limit)
            return models.OrderFiles(
                files=[shaping.file(row) for row in rows], next=offset + limit if more else None
            )

        return await self._read(caller, self._visible(caller, number, question))

    async def citations(self, caller: Caller, number: int) -> list[models.CitationModel] | None:
        """How an order's data want to be cited; None if there is no such order."""

        def question(connection: Connection) -> list[models.CitationModel]:
            items, collections = orders_shown.documents(connection, number)
            return [models.CitationModel(**vars(one)) for one in citations(items, collections)]

        return await self._read(caller, self._visible(caller, number, question))

    async def cancel(self, caller: Caller, number: int) -> models.Order | None:
        """Cancel an order of the caller's own; None if there is none."""
        return await self._change(caller, number, lambda c: orders.cancel(c, number, time.time()))

    async def retry(self, caller: Caller, number: int) -> models.Order | None:
        """Try an order of the caller's own again; None if there is none."""
        mine = Viewer(caller.name)
        row = await self._read(caller, lambda c: orders_shown.order(c, mine, number))
        if row is not None and row.target == Target.WORKSPACE and row.state in AGAIN:
            needed = Demand(row.files, row.bytes_known, row.sizes_unknown, 0, 0, 0)
            _check_workspace(needed, await self._workspace_left(caller))
        limits = await self._limits()
        return await self._change(
            caller, number, lambda c: orders.retry(c, number, self._bounds, limits)
        )

    async def delete(self, caller: Caller, number: int) -> bool:
        """Delete an order of the caller's own, also one under way; whether there was one."""
        mine = Viewer(caller.name)

        def change(connection: Connection) -> bool:
            if orders_shown.order(connection, mine, number) is None:
                return False
            orders.remove(connection, number)
            return True

        found = await self._store.write(change)
        self._wake()
        return found

    async def _change(
        self, caller: Caller, number: int, change: Callable[[Connection], None]
    ) -> models.Order | None:
        mine = Viewer(caller.name)

        def work(connection: Connection) -> OrderRow | None:
            if orders_shown.order(connection, mine, number) is None:
                return None
            change(connection)
            return orders_shown.order(connection, mine, number)

        row = await self._store.write(work)
        self._wake()
        return shaping.order(row, caller.name) if row is not None else None

    async def _read(self, caller: Caller, question: Callable[[Connection], T]) -> T:
        """The store's few threads are everybody's: of one person not all at once."""
        async with self._turns.of(caller.name):
            return await self._store.read(question)

    def _visible(
        self, caller: Caller, number: int, question: Callable[[Connection], T]
    ) -> Callable[[Connection], T | None]:
        viewer = self.viewer(caller)

        def ask(connection: Connection) -> T | None:
            if orders_shown.order(connection, viewer, number) is None:
                return None
            return question(connection)

        return ask

    async def _resolved(self, caller: Caller, wanted: models.WantedOrder) -> Resolved:
        if wanted.virtual_lab:
            await self._resolver.check_virtual_lab(caller, wanted.virtual_lab)
        self._check_count(len(wanted.items))
        criteria = criteria_of(wanted.criteria)
        return await self._resolver.resolve(caller, wanted.items, criteria)

    def _check_count(self, count: int) -> None:
        if count > self._bounds.order_files:
            raise RefusedError(
                f"The order has {count:,} files, and one order may have "
                f"{self._bounds.order_files:,}.",
                "Make several orders of it.",
            )

    async def _limits(self) -> Limits:
        disk = await asyncio.to_thread(_free, self._pool)
        return Limits(self._settings.datapool.quota, disk, time.time())

    async def _workspace_left(self, caller: Caller) -> int | None:
        """Bytes that a person's workspace can still take beside their other orders; None if its
        server does not say. Raises AwayError, RefusedError."""
        try:
            status = (await self._agent.status(caller.name)).workspace
        except AgentRefusal as error:
            raise RefusedError(str(error), error.mend) from error
        if status.used is None or not status.total:
            return None
        coming = await self._store.read(lambda c: orders_shown.bytes_to_workspace(c, caller.name))
        return max(0, status.total - status.used - status.pending_bytes - coming)

    async def _soon(self, caller: Caller, number: int) -> models.Order:
        """The order; if all its files are there, when it is ready, but after a second at most."""
        until = time.monotonic() + _SOON_SECONDS
        while True:
            order = await self.show(caller, number) or _gone()
            has_all = order.files.cached == order.files.total
            if order.state.over or not has_all or time.monotonic() > until:
                return order
            await asyncio.sleep(_LOOK_SECONDS)

    def _wake(self) -> None:
        wake(self._folder)


def _check_refused(found: Resolved) -> None:
    if not found.refused:
        return
    count = len(found.refused)
    reason = (
        f"{found.refused[0].item[:100]} can't be ordered: {found.refused[0].reason}"
        if count == 1
        else f"{count:,} items can't be ordered. The first: {found.refused[0].reason}"
    )
    raise Declined(
        400,
        models.Problem(
            reason=reason,
            mend="Nothing was ordered: leave these out, and order the others.",
            refused=shaping.refusals(found.refused),
            refused_count=count,
        ),
    )


def _check_terms(found: Resolved, wanted: models.WantedOrder) -> None:
    missing = [one for key, one in found.terms.items() if key not in wanted.accept]
    if missing:
        raise Declined(
            409,
            models.Problem(
                reason="Some of these data have terms that have to be accepted first.",
                mend="Nothing was ordered: read them, and order again with their keys in `accept`.",
                accept=shaping.terms(missing),
            ),
        )


def _check_workspace(needed: Demand, left: int | None) -> None:
    if left is None:
        return
    if needed.known > left or (needed.unknown and left <= 0):
        raise RefusedError(
            f"Your workspace has no space for this order: it needs {format_bytes(needed.known)}, "
            f"and {format_bytes(left)} are left.",
            "Make room there, or order it into the dataspace.",
        )


def _gone() -> models.Order:
    raise Declined(404, models.Problem(reason="The order was deleted meanwhile."))


def _free(pool: Path) -> int:
    """Free bytes of the disk that the pool is on; the folder may not be there yet."""
    for folder in (pool, *pool.parents):
        try:
            return shutil.disk_usage(folder).free
        except FileNotFoundError:
            continue
    return 0
