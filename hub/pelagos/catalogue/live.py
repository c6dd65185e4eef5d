"""Searches of granules that are passed on to a live STAC API.

Protocol: STAC API 1.0, item search, with its extensions sort, query and free-text where the remote
conforms to them. What the remote can't search by is refused (QueryError), never left out; only an
order that it does not know is.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import threading
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from pelagos.catalogue.connectors.stac import LIVE, with_query
from pelagos.catalogue.connectors.stac_pages import Question, following, link_to, matched
from pelagos.catalogue.connectors.stac_records import granule_record
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.fetch_network import Patience
from pelagos.catalogue.query import TOTAL_LIMIT, Criteria, Facet, Page, QueryError, Slice
from pelagos.catalogue.records import RecordError, identify
from pelagos.catalogue.stac import granule_document
from pelagos.errors import SourceError
from pelagos.settings.sources import StacSource

logger = logging.getLogger(__name__)

SECONDS = 10.0  # that a remote may take for one page
_ANSWER_LIMIT = 16 * 2**20  # bytes
_TOKEN_LIMIT = 8_000  # characters
_TOKEN_LIFE = 24 * 3600  # seconds
_IDLE = 4  # fetchers that are kept
_PATIENCE = Patience(
    connect=5, silence=SECONDS, whole=SECONDS, stream=SECONDS, window=SECONDS, attempts=1
)


class LiveSearch:
    """Asks one live source; from any thread. Close it at the end.

    `key` (32 bytes) seals the tokens of next pages: with the same key another process, and this
    one after a restart, reads them. The default is a new one.
    """

    def __init__(self, source: StacSource, contact: str = "", key: bytes | None = None) -> None:
        self._source, self._contact = source, contact
        self._seal = Fernet(base64.urlsafe_b64encode(key) if key else Fernet.generate_key())
        self._idle: list[Fetcher] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close its connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for fetcher in idle:
            fetcher.close()

    def granules(self, collection: Mapping[str, Any], criteria: Criteria, part: Slice) -> Page:
        """Granules of one live collection (its document, as the index gives it).

        `criteria.collections` and `scope` are the caller's to check. Raises QueryError for what
        the remote can't be asked, and SourceError if it does not answer well in SECONDS.
        """
        live = live_of(collection)
        digest = _digest(collection["id"], criteria)
        if part.token:
            question, before = self._opened(part.token, digest)
        else:
            question, before = _question(live, criteria, part), 0
        document, address = self._ask(question)
        found = self._documents(document, address, collection, live)
        after = following(document, address, question)
        total = matched(document)
        seen = before + len(found)
        has_more = after is not None and after.digest != question.digest
        return Page(
            documents=found,
            total=min(total, TOTAL_LIMIT) if total is not None else min(seen, TOTAL_LIMIT),
            more=total > TOTAL_LIMIT if total is not None else has_more,
            next=self._sealed(after, digest, seen) if after and has_more else "",
        )

    def granule(self, collection: Mapping[str, Any], identifier: str) -> dict[str, Any] | None:
        """One granule by its identifier; None if the remote has none. Raises SourceError.

        A granule whose identifier at the remote is no good for an address is not found by it.
        """
        live = live_of(collection)
        fields = {"collections": live["collection"], "ids": identifier, "limit": "2"}
        document, address = self._ask(_asked(live, fields))
        found = self._documents(document, address, collection, live)
        return next((one for one in found if one["id"] == identifier), None)

    def _documents(
        self, document: Any, address: str, collection: Mapping[str, Any], live: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Items as ours; those that can't be kept, or that were not asked for, are left out."""
        features = document.get("features") if isinstance(document, dict) else None
        if not isinstance(features, list):
            raise SourceError(f"{self._source.name}: answers a search without a list of features")
        found: dict[str, dict[str, Any]] = {}
        for feature in features:
            if not isinstance(feature, dict) or feature.get("collection") != live["collection"]:
                logger.info("%s: an item of another collection", self._source.name)
                continue
            try:
                record = granule_record(feature, link_to(feature, address, "self") or address)
            except RecordError as error:
                logger.info("%s: %.80s: %s", self._source.name, feature.get("id"), error)
                continue
            one = granule_document(self._source.name, collection["id"], record)
            found.setdefault(identify(record.id), one)
        return list(found.values())

    def _ask(self, question: Question) -> tuple[Any, str]:
        with self._fetcher() as fetcher:
            return question.ask(fetcher, _ANSWER_LIMIT)

    @contextlib.contextmanager
    def _fetcher(self) -> Iterator[Fetcher]:
        """One that no other thread uses."""
        with self._lock:
            fetcher = self._idle.pop() if self._idle else None
        fetcher = fetcher or Fetcher(self._source, self._contact, patience=_PATIENCE)
        try:
            yield fetcher
        finally:
            with self._lock:
                keep = len(self._idle) < _IDLE
                if keep:
                    self._idle.append(fetcher)
            if not keep:
                fetcher.close()

    def _sealed(self, question: Question, digest: str, seen: int) -> str:
        text = json.dumps([digest, seen, question.address, question.body], separators=(",", ":"))
        token = self._seal.encrypt(zlib.compress(text.encode())).decode()
        return token if len(token) <= _TOKEN_LIMIT else ""

    def _opened(self, token: str, digest: str) -> tuple[Question, int]:
        try:
            text = zlib.decompress(self._seal.decrypt(token[: _TOKEN_LIMIT + 1], ttl=_TOKEN_LIFE))
            made_for, seen, address, body = json.loads(text)
        except (InvalidToken, ValueError, zlib.error):
            raise QueryError("token: not one of ours, or older than a day: search again") from None
        if made_for != digest:
            raise QueryError("token: it belongs to another search")
        return Question(address, body), seen


def live_of(collection: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a live collection is searched. Raises QueryError if it is none."""
    live = collection.get(LIVE)
    if not isinstance(live, dict) or not live.get("search"):
        raise QueryError(f"collections: {collection.get('id')} can't be searched at its source")
    return live


def _question(live: Mapping[str, Any], criteria: Criteria, part: Slice) -> Question:
    extensions = live["search"]["extensions"]
    fields: dict[str, Any] = {"collections": live["collection"], "limit": str(part.limit)}
    if criteria.box:
        box = criteria.box
        fields["bbox"] = ",".join(
            f"{side:.10g}" for side in (box.west, box.south, box.east, box.north)
        )
    if criteria.start or criteria.end:
        fields["datetime"] = f"{_text(criteria.start)}/{_text(criteria.end)}"
    if criteria.text.strip():
        if not {"free-text", "advanced-free-text"} & set(extensions):
            raise QueryError("q: the granules of this collection can't be searched by words")
        fields["q"] = criteria.text  # our grammar is the extension's, of its advanced class
    if criteria.geometry:
        fields["intersects"] = criteria.geometry
    if criteria.ids:
        fields["ids"] = ",".join(criteria.ids)
    filters = _filters(criteria)
    if filters:
        if "query" not in extensions:
            raise QueryError(
                f"{', '.join(filters)}: the granules of this collection can't be searched by it"
            )
        fields["query"] = filters
    if part.order and "sort" in extensions:
        fields["sortby"] = ",".join(
            ("-" if order.descending else "+") + order.field for order in part.order
        )
    return _asked(live, fields)


def _filters(criteria: Criteria) -> dict[str, Any]:
    """Facets of items in the query extension's words.

    Those of collections (infrastructure, licence, parameter) hold for all granules of one: whoever
    asks has looked at its document.
    """
    filters = {}
    for facet, field in ((Facet.PLATFORM, "platform"), (Facet.INSTRUMENT, "instruments")):
        if values := criteria.facets.get(facet):
            filters[field] = {"in": list(values)}
    return filters


def _asked(live: Mapping[str, Any], fields: Mapping[str, Any]) -> Question:
    search = live["search"]
    if "POST" in search["methods"]:
        return Question(search["href"], _body(fields, "advanced-free-text" in search["extensions"]))
    query = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in fields.items()
    }
    return Question(with_query(search["href"], **query))


def _body(fields: Mapping[str, Any], advanced: bool) -> dict[str, Any]:
    """Query fields as the body of a POST has them."""
    body: dict[str, Any] = dict(fields)
    body["limit"] = int(fields["limit"])
    for name in ("collections", "ids"):
        if name in body:
            body[name] = body[name].split(",")
    if "bbox" in body:
        body["bbox"] = [float(side) for side in body["bbox"].split(",")]
    if "q" in body and not advanced:  # a list of what a comma divides in an address
        body["q"] = [part for one in body["q"].split(",") if (part := one.strip())]
    if "sortby" in body:
        body["sortby"] = [
            {"field": one[1:], "direction": "desc" if one[0] == "-" else "asc"}
            for one in body["sortby"].split(",")
        ]
    return body


def _text(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ".."


def _digest(collection: str, criteria: Criteria) -> str:
    where_and_when = (criteria.box, criteria.geometry, criteria.start, criteria.end)
    asked = (collection, criteria.text, where_and_when, criteria.facets, criteria.ids)
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
