"""What a search found, with what was asked for: granules (items) and data sets (collections)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from pelagos_client.access import Criteria
from pelagos_client.errors import QuestionError
from pelagos_client.needed import module
from pelagos_client.progress import readable
from pelagos_client.tables import html_table, text_table

if TYPE_CHECKING:
    import pystac

SEARCH = "pelagos:search"
_FILE_BYTES = 512 * 2**20
_ASKED = "_pelagos_items"  # on an item: the Items that it comes from
Document = dict[str, Any]


class _Found:
    """Documents in order; `matched` how many there are, None where nobody counted."""

    kind = ""

    def __init__(
        self, documents: Sequence[Document], matched: int | None = None, root: Any = None
    ) -> None:
        self.documents = list(documents)
        self.matched = matched
        self._root = root
        self._made: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.documents)

    def __bool__(self) -> bool:
        return bool(self.documents)

    @property
    def ids(self) -> list[str]:
        """Their identifiers."""
        return [str(document.get("id", "")) for document in self.documents]

    def _title(self) -> str:
        count = len(self.documents)
        plural = self.kind if count == 1 else self.kind + "s"
        more = f" of {self.matched}" if self.matched is not None and self.matched > count else ""
        return f"{count}{more} {plural}"

    def _rows(self) -> tuple[Sequence[str], list[Sequence[object]]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        if not self.documents:
            return f"no {self.kind}s"
        return f"{self._title()}\n{text_table(*self._rows())}"

    def _repr_html_(self) -> str:
        return html_table(self._title(), *self._rows())


class Items(_Found, Sequence["pystac.Item"]):
    """Granules: a sequence of `pystac.Item`, in the order of the catalogue.

    `criteria` is the box, time and variables that were asked for: `order` and `open` cut with them
    where a source can cut. `query` is the whole search; `catalogue` the address it was sent to;
    `documents` the items as JSON. A slice keeps all of it.
    """

    kind = "item"

    def __init__(
        self,
        documents: Sequence[Document] = (),
        criteria: Criteria | None = None,
        query: Mapping[str, Any] | None = None,
        matched: int | None = None,
        *,
        catalogue: str = "",
        root: Any = None,
    ) -> None:
        super().__init__(documents, matched, root)
        self.criteria = criteria or Criteria()
        self.query = dict(query or {})
        self.catalogue = catalogue

    @overload
    def __getitem__(self, index: int) -> pystac.Item: ...
    @overload
    def __getitem__(self, index: slice) -> Items: ...
    def __getitem__(self, index: int | slice) -> pystac.Item | Items:
        if isinstance(index, slice):
            return Items(
                self.documents[index],
                self.criteria,
                self.query,
                self.matched,
                catalogue=self.catalogue,
                root=self._root,
            )
        position = range(len(self.documents))[index]
        if position not in self._made:
            item = module("pystac", "search").Item.from_dict(
                self.documents[position], root=self._root
            )
            setattr(item, _ASKED, self)
            self._made[position] = item
        made: pystac.Item = self._made[position]
        return made

    def to_dict(self) -> Document:
        """A GeoJSON FeatureCollection (a STAC ItemCollection) that also has the search."""
        search = {
            "criteria": self.criteria.to_json(),
            "query": self.query,
            "matched": self.matched,
            "catalogue": self.catalogue,
        }
        return {"type": "FeatureCollection", "features": self.documents, SEARCH: search}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as GeoJSON, for `Items.load` and for other programs."""
        target = Path(path)
        target.write_text(json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n")
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """What `save` wrote, any STAC ItemCollection, or one item. Raises QuestionError."""
        return cls.from_dict(read_json(Path(path)), str(path))

    @classmethod
    def from_dict(cls, document: Any, name: str = "This document") -> Self:
        """What `to_dict` made, any STAC ItemCollection, or one item. Raises QuestionError."""
        kind = document.get("type") if isinstance(document, dict) else None
        features = document.get("features") if kind == "FeatureCollection" else [document]
        if kind not in ("FeatureCollection", "Feature") or not isinstance(features, list):
            raise QuestionError(
                f"{name} is no list of items: no GeoJSON.", "Give what Items.save wrote."
            )
        for item in features:
            if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                raise QuestionError(f"{name} has an item without an identifier.", "Mend it.")
        search = document.get(SEARCH)
        try:
            search = search if isinstance(search, dict) else {}
            criteria = Criteria.from_json(search.get("criteria") or {})
            query = dict(search.get("query") or {})
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise QuestionError(f"{name} has a broken {SEARCH}.", "Remove it.") from None
        catalogue = search.get("catalogue")
        return cls(features, criteria, query, catalogue=str(catalogue or ""))

    def _rows(self) -> tuple[Sequence[str], list[Sequence[object]]]:
        rows: list[Sequence[object]] = []
        for document in self.documents:
            properties = document.get("properties") or {}
            rows.append(
                (
                    document.get("id", ""),
                    document.get("collection") or "",
                    _when(properties),
                    _where(document.get("bbox")),
                    _size(document.get("assets") or {}),
                    ", ".join(document.get("assets") or {}),
                )
            )
        return ("item", "collection", "time (UTC)", "W, S, E, N (°)", "size", "assets"), rows


class Collections(_Found, Sequence["pystac.Collection"]):
    """Data sets: a sequence of `pystac.Collection`, in the order of the catalogue."""

    kind = "collection"

    @overload
    def __getitem__(self, index: int) -> pystac.Collection: ...
    @overload
    def __getitem__(self, index: slice) -> Collections: ...
    def __getitem__(self, index: int | slice) -> pystac.Collection | Collections:
        if isinstance(index, slice):
            return Collections(self.documents[index], self.matched, self._root)
        position = range(len(self.documents))[index]
        if position not in self._made:
            document, stac = self.documents[position], module("pystac", "search")
            self._made[position] = stac.Collection.from_dict(document, root=self._root)
        made: pystac.Collection = self._made[position]
        return made

    def _rows(self) -> tuple[Sequence[str], list[Sequence[object]]]:
        rows: list[Sequence[object]] = [
            (document.get("id", ""), document.get("title") or "", document.get("license") or "")
            for document in self.documents
        ]
        return ("collection", "title", "licence"), rows


def items_of(given: Any) -> Items:
    """Items from whatever a person has: Items, an item, JSON of one, or some of them.

    Criteria are kept where all come from one search. Raises QuestionError.
    """
    if isinstance(given, Items):
        return given
    if isinstance(given, dict):
        return Items.from_dict(given)
    if isinstance(given, str | bytes) or not (_is_item(given) or isinstance(given, Iterable)):
        raise QuestionError(f"{given!r} is no item.", "Give what search() found.")
    many = [given] if _is_item(given) else list(given)
    documents = []
    for one in many:
        if _is_item(one):
            documents.append(one.to_dict(include_self_link=True, transform_hrefs=False))
        elif isinstance(one, dict) and isinstance(one.get("id"), str):
            documents.append(one)
        else:
            raise QuestionError(f"{one!r} is no item.", "Give what search() found.")
    origins: list[Any] = [getattr(one, _ASKED, None) for one in many]
    first = origins[0] if origins else None
    if not isinstance(first, Items) or not all(isinstance(one, Items) for one in origins):
        return Items(documents)
    same = all(one.catalogue == first.catalogue for one in origins)
    alike = all(one.criteria == first.criteria for one in origins)
    return Items(
        documents,
        first.criteria if alike else None,
        first.query if alike and same else None,
        catalogue=first.catalogue if same else "",
    )


def _is_item(given: Any) -> bool:
    return hasattr(given, "to_dict") and hasattr(given, "assets") and hasattr(given, "id")


def read_json(path: Path) -> Any:
    """A file of JSON. Raises QuestionError."""
    try:
        if path.stat().st_size > _FILE_BYTES:
            raise QuestionError(f"{path} is larger than {readable(_FILE_BYTES)}.", "Split it.")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise QuestionError(
            f"{path} can't be read: {error.strerror}.", "Look at its name."
        ) from error
    except ValueError as error:
        raise QuestionError(f"{path} is no JSON.", "Give what Items.save wrote.") from error


def _when(properties: Document) -> str:
    if properties.get("pelagos:time_unknown"):
        return ""
    start = _short_time(properties.get("start_datetime") or properties.get("datetime"))
    end = _short_time(properties.get("end_datetime"))
    return start if not end or end == start else f"{start} to {end}"


def _short_time(text: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return ""
    return moment.strftime("%Y-%m-%d" if moment.time() == moment.min.time() else "%Y-%m-%d %H:%M")


def _where(box: Any) -> str:
    if not isinstance(box, list) or len(box) not in (4, 6):
        return ""
    half = len(box) // 2
    flat = (box[0], box[1], box[half], box[half + 1])
    if not all(isinstance(value, int | float) for value in flat):
        return ""
    if flat[:2] == flat[2:]:
        return f"{flat[0]:.6g}, {flat[1]:.6g}"
    return ", ".join(f"{value:.6g}" for value in flat)


def _size(assets: Document) -> str:
    sizes = [asset.get("file:size") for asset in assets.values() if isinstance(asset, dict)]
    known = [size for size in sizes if isinstance(size, int)]
    if not known:
        return ""
    return ("" if len(known) == len(sizes) else "≥ ") + readable(sum(known))
