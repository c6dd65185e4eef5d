"""From the last file to a ready order: its documents, its folder, what it had."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pelagos_client.access import Criteria
from pelagos_client.documents import DeliveredFile, OrderFacts, write
from sqlalchemy import Connection, Engine, Row, select, update

from pelagos import __version__
from pelagos.datapool import queue
from pelagos.datapool.database import next_change, reading, transaction
from pelagos.datapool.delivery import Deliver, DeliveryState, Outcome, Parcel
from pelagos.datapool.model import FileState, OrderState, Target
from pelagos.datapool.pool import COLLECTION, ITEM, Pool
from pelagos.datapool.queue import CHUNK, Live
from pelagos.datapool.tables import files, order_files, order_items, orders, records
from pelagos.errors import AwayError, PelagosError
from pelagos.services.downloader.pace import Pace
from pelagos.services.downloader.turns import Turns

logger = logging.getLogger(__name__)

_AWAY_SECONDS = 3.0


class Documents(dict[Any, Any]):
    """STAC documents by key, read from the database when they are asked for: there may be many."""

    def __init__(self, database: Engine, digests: Mapping[Any, str]) -> None:
        super().__init__(digests)
        self._database = database

    def __getitem__(self, key: Any) -> Any:
        return next(self._read([(key, super().__getitem__(key))]))[1]

    def get(self, key: Any, default: Any = None) -> Any:
        """As of any dict."""
        try:
            return self[key]
        except KeyError:
            return default

    def items(self) -> Iterator[tuple[Any, Any]]:  # type: ignore[override]
        """Key and document, a few at a time."""
        pairs = list(super().items())
        for start in range(0, len(pairs), CHUNK):
            yield from self._read(pairs[start : start + CHUNK])

    def values(self) -> Iterator[Any]:  # type: ignore[override]
        """The documents."""
        return (document for _, document in self.items())

    def _read(self, pairs: list[tuple[Any, str]]) -> Iterator[tuple[Any, Any]]:
        digests = {digest for _, digest in pairs}
        with reading(self._database) as connection:
            rows = connection.execute(
                select(records.c.digest, records.c.document).where(records.c.digest.in_(digests))
            )
            texts = {row.digest: row.document for row in rows}
        for key, digest in pairs:
            yield key, json.loads(texts[digest])


@dataclass
class _Contents:
    """An order's files: what is there, in its order, and those that are not."""

    files: list[DeliveredFile] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    fetched: float = 0.0


class Finisher:
    """Threads of its own: those of the dataspace do not wait for copies to the workspace."""

    def __init__(
        self, database: Engine, pool: Pool, deliver: Deliver, *, keep: float, site: str, pace: Pace
    ) -> None:
        self._database, self._pool, self._deliver = database, pool, deliver
        self._keep, self._site, self._pace = keep, site, pace
        self._turns = {target: Turns() for target in Target}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(target,), name=f"pelagos-finish-{target}", daemon=True
            )
            for target in Target
            for _ in range(2)
        ]
        self.back: Callable[[Live], None] = lambda order: None

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what is half done is done again."""
        self._stop.set()
        for turns in self._turns.values():
            turns.end()
        for thread in self._threads:
            thread.join(3)

    def add(self, order: Live) -> None:
        """All files of this order are in the pool. Adding it twice is no harm."""
        self._turns[order.target].add(order)

    def _run(self, target: Target) -> None:
        turns = self._turns[target]
        while (order := turns.take()) is not None:
            again = _AWAY_SECONDS
            try:
                again = self.once(order)
            finally:
                turns.done(order, again)

    def once(self, order: Live) -> float:
        """Go on with an order; after how many seconds again, 0 if there is nothing more to do."""
        try:
            try:
                return self._step(order)
            except AwayError:
                raise
            except PelagosError as error:
                self._fail(order, error.sentence)
            except Exception as error:  # an order that stays as it is for ever would be worse
                logger.exception("Order %d", order.number)
                self._fail(order, f"A fault of this program ({type(error).__name__}).")
        except AwayError as error:
            logger.warning("Order %d: %s", order.number, error)
            self._tell_why(order)
            return _AWAY_SECONDS
        return 0

    def _tell_why(self, order: Live) -> None:
        """Its owner sees that all is here, and what is waited for."""
        with suppress(AwayError), transaction(self._database) as connection:
            sequence = next_change(connection)
            if connection.execute(select(orders.c.number).where(*_still(order))).first():
                queue.add_note(connection, order.number, sequence, queue.STORAGE_AWAY)

    def _step(self, order: Live) -> float:
        """Go on with an order; after how many seconds again, 0 if it is done. Raises AwayError."""
        row, contents = self._read(order)
        if row is None:
            return 0
        if contents.lost:
            with transaction(self._database) as connection:
                lost = self._remove_lost(connection, contents.lost)
                queue.take(connection, order.number, lost, time.time())
                state = queue.settle(connection, order.number)
            if state is OrderState.VERIFYING:
                return self._pace.copying  # they have come meanwhile
            self.back(order)
            return 0
        parcel = self._parcel(order, row, contents)
        del contents  # of a large order a good part of our memory
        while not self._stop.is_set():
            outcome = self._deliver.deliver(parcel)
            if outcome.state is DeliveryState.DONE:
                return self._ready(order, outcome)
            if outcome.state is DeliveryState.FAILED:
                self._fail(order, outcome.reason)
                return 0
            if not self._copied(order, outcome.copied):
                return 0  # cancelled
            self._stop.wait(self._pace.copying)
        return 0

    def _remove_lost(self, connection: Connection, lost: list[int]) -> list[int]:
        """Of files that were lost those that still are; what is at their places is not theirs, and
        would be taken for the whole file."""
        found = []
        for start in range(0, len(lost), CHUNK):
            rows = connection.execute(
                select(files.c.id, files.c.place, files.c.size, files.c.fetched).where(
                    files.c.id.in_(lost[start : start + CHUNK]),
                    files.c.state == FileState.PRESENT.value,
                )
            )
            found += [row for row in rows if not self._pool.is_there(*row[1:])]
        for row in found:
            self._pool.remove(row.place)
        return [row.id for row in found]

    def _read(self, order: Live) -> tuple[Row[Any] | None, _Contents]:
        columns = [one for one in files.c if one.name not in ("identity", "job", "error")]
        found = _Contents()
        with reading(self._database) as connection:
            row = connection.execute(select(orders).where(*_still(order))).first()
            if row is None:
                return None, found
            rows = connection.execution_options(yield_per=CHUNK).execute(
                select(*columns, order_files.c.path, order_files.c.checksum.label("before"))
                .join(order_files, order_files.c.file == files.c.id)
                .where(order_files.c.order == order.number)
                .order_by(order_files.c.position)
            )
            for one in rows:
                if one.state == FileState.EMPTY.value:
                    continue
                there = one.state == FileState.PRESENT.value and self._pool.is_there(
                    one.place, one.size, one.fetched
                )
                if not there:
                    found.lost.append(one.id)
                    continue
                found.files.append(_delivered(one))
                found.places.append(one.place)
                found.fetched = max(found.fetched, one.fetched or 0)
        return row, found

    def _parcel(self, order: Live, row: Row[Any], contents: _Contents) -> Parcel:
        with reading(self._database) as connection:
            items = connection.execute(
                select(order_items).where(order_items.c.order == order.number)
            ).all()
        own = {(one.collection, one.item): one.item_record for one in items}
        above = {one.collection: one.collection_record for one in items if one.collection_record}
        self._describe(contents, own, above)
        # the same parcel again has to be the same: not the moment of this attempt
        ready = max(contents.fetched, row.created)
        facts = OrderFacts(
            number=order.number,
            owner=order.owner,
            title=row.title,
            created=datetime.fromtimestamp(row.created, UTC),
            ready=datetime.fromtimestamp(ready, UTC),
            criteria=Criteria.from_json(json.loads(row.criteria)),
            query=json.loads(row.query),
            files=tuple(contents.files),
            items=Documents(self._database, own),
            collections=Documents(self._database, above),
            site=self._site,
            target=order.target.value,
            expires=datetime.fromtimestamp(ready + self._keep, UTC),
            version=__version__,
            notes=tuple(note for note in json.loads(row.notes) if note not in queue.PASSING),
        )
        links = {
            one.path: place for one, place in zip(contents.files, contents.places, strict=True)
        }
        size = sum(one.size for one in contents.files)
        return Parcel(order.number, order.owner, order.target, write(facts), links, size)

    def _describe(self, contents: _Contents, own: dict[Any, str], above: dict[str, str]) -> None:
        """The items' and collections' documents into the pool, beside the files."""
        items: dict[Any, str] = {}
        collections: dict[Any, str] = {}
        for one, place in zip(contents.files, contents.places, strict=True):
            items.setdefault((one.collection, one.item), place)
            collections.setdefault(one.collection, place)
        for places, digests, name in ((items, own, ITEM), (collections, above, COLLECTION)):
            missing = {
                key: digests[key]
                for key, place in places.items()
                if key in digests and not self._pool.is_described(place, name)
            }
            for key, document in Documents(self._database, missing).items():
                try:
                    self._pool.describe(places[key], name, document)
                except OSError as error:
                    logger.warning("%s of %s is not written: %s", name, key, error.strerror)

    def _copied(self, order: Live, copied: int) -> bool:
        """Say how much was copied; whether the order is still wanted."""
        with transaction(self._database) as connection:
            sequence = next_change(connection)
            row = connection.execute(select(orders.c.bytes_copied).where(*_still(order))).first()
            if row is not None and row.bytes_copied != copied:
                queue.change(connection, order.number, sequence, bytes_copied=copied)
        return row is not None

    def _ready(self, order: Live, outcome: Outcome) -> float:
        """Say so, if all files are there now; else after how many seconds to look again."""
        now = time.time()
        with transaction(self._database) as connection:
            sequence = next_change(connection)
            row = connection.execute(select(orders.c.notes).where(*_still(order))).first()
            if row is None:
                return 0
            counted = queue.tally(connection, order.number)
            there = counted.of(FileState.PRESENT, FileState.EMPTY)
            if there < sum(counted.count.values()):
                return self._pace.copying  # somebody else has missed one meanwhile
            notes = [note for note in json.loads(row.notes) if note not in queue.PASSING]
            mine = order_files.c.order == order.number
            checksum = (
                select(files.c.checksum).where(files.c.id == order_files.c.file).scalar_subquery()
            )
            changed = connection.execute(
                update(order_files)
                .where(mine, order_files.c.checksum != "", order_files.c.checksum != checksum)
                .values(note=queue.CHANGED)
            )
            if changed.rowcount and queue.CHANGED_ORDER not in notes:
                notes.append(queue.CHANGED_ORDER)
            connection.execute(
                update(order_files)
                .where(mine, order_files.c.checksum != checksum)
                .values(checksum=checksum)
            )
            queue.change(
                connection,
                order.number,
                sequence,
                state=OrderState.READY.value,
                finished=now,
                expires=now + self._keep,
                folder=outcome.folder,
                bytes_copied=outcome.copied,
                error="",
                notes=json.dumps(notes),
            )
        return 0

    def _fail(self, order: Live, reason: str) -> None:
        """Raises AwayError: then it is tried again."""
        with transaction(self._database) as connection:
            sequence = next_change(connection)
            if connection.execute(select(orders.c.number).where(*_still(order))).first():
                queue.change(
                    connection,
                    order.number,
                    sequence,
                    state=OrderState.FAILED.value,
                    finished=time.time(),
                    error=reason,
                )


def _still(order: Live) -> tuple[Any, ...]:
    """Conditions: the order is just where we think it is."""
    return (
        orders.c.number == order.number,
        orders.c.attempt == order.attempt,
        orders.c.state == OrderState.VERIFYING.value,
    )


def _delivered(row: Any) -> DeliveredFile:
    plan = json.loads(row.plan)
    changed = bool(row.before) and row.before != row.checksum
    return DeliveredFile(
        path=row.path,
        collection=row.collection,
        item=row.item,
        asset=plan["asset"],
        size=row.size or 0,
        checksum=row.checksum,
        proof=row.proof,
        type=plan.get("type", ""),
        url=row.url,
        etag=row.etag,
        modified=row.modified,
        fetched=datetime.fromtimestamp(row.fetched, UTC) if row.fetched else None,
        is_subset=bool(plan.get("is_subset")),
        notes=(*json.loads(row.notes), *((queue.CHANGED,) if changed else ())),
    )
