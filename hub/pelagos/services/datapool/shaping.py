"""Rows of the database as the API's documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pelagos_client.access import FilePlan, Protocol, Terms

from pelagos.datapool.model import FileState, OrderState, Target
from pelagos.datapool.orders_shown import FileRow, OrderRow
from pelagos.services.datapool import models
from pelagos.services.datapool.resolving import Refused

_NAMED = 20  # refusals
_NEXT = {
    OrderState.WAITING: "Nothing: the source prepares the files, and is asked again by itself.",
    OrderState.FAILED: "Try again: what is there already is not fetched anew.",
    OrderState.CANCELLED: "Try again, if you want it after all.",
    OrderState.EXPIRED: "Try again: what is gone is fetched anew.",
}


def order(row: OrderRow, viewer: str) -> models.Order:
    """An order for somebody who may see it."""
    state = OrderState(row.state)
    return models.Order(
        number=row.number,
        state=state,
        title=row.title,
        owner=row.owner,
        virtual_lab=row.virtual_lab,
        to=Target(row.target),
        created=_moment(row.created) or datetime.fromtimestamp(0, UTC),
        finished=_moment(row.finished),
        expires=_moment(row.expires),
        sequence=row.changed,
        attempt=row.attempt,
        files=models.Counts(
            total=row.files,
            ready=row.files_ready,
            failed=row.files_failed,
            waiting=row.files_waiting,
            cached=row.files_cached,
        ),
        bytes=models.Sizes(known=row.bytes_known, unknown=row.sizes_unknown, done=row.bytes_done),
        folder=row.folder,
        error=row.error,
        next_step=_next_step(row, state),
        notes=_list(row.notes),
        mine=row.owner == viewer,
    )


def _next_step(row: OrderRow, state: OrderState) -> str:
    if state is not OrderState.READY:
        return _NEXT.get(state, "")
    if not row.folder:
        return ""
    above = "~/dataspace/me" if row.target == Target.DATASPACE else "~/workspace"
    return f"Open it: its files are in {above}/{row.folder}."


def file(row: FileRow) -> models.OrderFile:
    """A file of an order."""
    plan = FilePlan.from_json(json.loads(row.plan))
    notes = [*_list(row.notes), *([row.note] if row.note else [])]
    url = row.url or ("" if plan.protocol is Protocol.LOCAL else plan.url)
    return models.OrderFile(
        path=row.path,
        pool=row.place,
        collection=row.collection,
        item=row.item,
        asset=plan.asset,
        state=FileState(row.state),
        size=row.size if row.size is not None else row.declared,
        done=row.done,
        checksum=row.checksum,
        type=plan.type,
        url=url.partition("?")[0],
        is_subset=plan.is_subset,
        error=row.error,
        notes=notes,
    )


def terms(found: Iterable[Terms]) -> list[models.TermsOfUse]:
    """What has to be accepted."""
    return [
        models.TermsOfUse(key=one.key, title=one.title, text=one.text, url=one.url) for one in found
    ]


def refusals(found: Iterable[Refused]) -> list[models.Refusal]:
    """The first of what can't be ordered."""
    return [
        models.Refusal(collection=one.collection, item=one.item, reason=one.reason)
        for one in list(found)[:_NAMED]
    ]


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _list(text: str) -> list[str]:
    found: Any = json.loads(text)
    return [str(one) for one in found]
