"""Where a granule is, as terms of the full-text index.

The Earth is cut into cells of 20, 5 and 1 degrees, each within one of the coarser. A granule is in
at most four cells, as small as they can be for that; it has the term `below` of each of them and of
all the cells around them, and the term `exact` of the cells themselves. A query's box is covered by
cells of mixed size: what can meet it has `below` of one of them, or `exact` of a cell around one
of them. So a box is one more list that FTS5 intersects, in the order of the keys, and only what is
near its edge is looked at in vain. (The same idea: covering and ancestor terms of S2 cells.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import inf, nextafter

from pelagos.catalogue.records import Box
from pelagos.catalogue.text import PRIVATE

Flat = tuple[float, float, float, float]  # x0, y0, x1, y1, within -180..180
Cell = tuple[int, int, int]  # level, column, row
Meets = Callable[[Flat], bool]

SIZES = (20, 5, 1)  # degrees
_FINEST = len(SIZES) - 1
_ITEM_CELLS = 4
_QUERY_CELLS = 20
_WIDE = 60  # coarse cells: a query that needs more is not worth it
WORLD = f"{PRIVATE}w"
_BEYOND = nextafter(180.0, inf)


def stored(box: Box) -> Flat:
    """A box as it is stored: its east is beyond 180 if it crosses the antimeridian."""
    if box.west <= box.east:
        return box.west, box.south, box.east, box.north
    return box.west, box.south, max(box.east + 360, _BEYOND), box.north


def flat(x0: float, y0: float, x1: float, y1: float) -> list[Flat]:
    """A stored box as one or two within -180..180."""
    if x1 <= 180:
        return [(x0, y0, x1, y1)]
    return [(x0, y0, 180.0, y1), (-180.0, y0, min(x1 - 360, 180.0), y1)]


def below(cell: Cell) -> str:
    """The term of what lies in a cell or in smaller ones within it."""
    return f"{PRIVATE}b{cell[0]}x{cell[1]}x{cell[2]}"


def exact(cell: Cell) -> str:
    """The term of what is kept at this very cell."""
    return f"{PRIVATE}e{cell[0]}x{cell[1]}x{cell[2]}"


def terms_of(x0: float, y0: float, x1: float, y1: float) -> str:
    """The terms of a granule with this stored box."""
    if x0 == x1 and y0 == y1:
        return _terms_of_cells(((_FINEST, _index(x0, 180, 1, 360), _index(y0, 90, 1, 180)),))
    boxes = flat(x0, y0, x1, y1)
    for level in range(_FINEST, -1, -1):
        cells = _few_cells(level, boxes)
        if cells:
            return _terms_of_cells(cells)
    return WORLD


def _few_cells(level: int, boxes: Sequence[Flat]) -> tuple[Cell, ...]:
    """The cells of a level that boxes are in; none if they are too many."""
    spans = [_span(level, box) for box in boxes]
    if sum((c1 - c0 + 1) * (r1 - r0 + 1) for c0, c1, r0, r1 in spans) > _ITEM_CELLS:
        return ()
    return tuple(cell for box in boxes for cell in _cells(level, box))


@lru_cache(maxsize=100_000)
def _terms_of_cells(cells: tuple[Cell, ...]) -> str:
    level = cells[0][0]
    terms = [exact(cell) for cell in cells] if level < _FINEST else []
    for upper in range(level + 1):
        terms += [below(around) for around in dict.fromkeys(_around(cell, upper) for cell in cells)]
    return " ".join(dict.fromkeys(terms))


def cover(boxes: Sequence[Flat], meets: Meets | None = None) -> list[str] | None:
    """Terms that all have one of which can meet a query of these boxes; None: not worth it.

    `meets` says whether a box can meet it at all, where the query is less than its boxes.
    """
    cells = list(dict.fromkeys(cell for box in boxes for cell in _cells(0, box)))
    cells = [cell for cell in cells if meets is None or meets(_box(cell))]
    if len(cells) > _WIDE:
        return None
    done: list[Cell] = []
    for level in range(_FINEST):
        finer: list[Cell] = []
        for place, cell in enumerate(cells):
            smaller = _within(cell, boxes, meets)
            if len(smaller) == (SIZES[level] // SIZES[level + 1]) ** 2:
                done.append(cell)  # it is whole
            elif len(done) + len(finer) + len(smaller) + len(cells) - place - 1 <= _QUERY_CELLS:
                finer += smaller
            else:
                done.append(cell)
        cells = finer
    done += cells
    around = dict.fromkeys(_around(cell, level) for cell in done for level in range(cell[0]))
    # what is kept at a whole cell has `below` of it; what is kept around has `exact` there
    return [*map(below, done), *map(exact, around), WORLD]


def _within(cell: Cell, boxes: Sequence[Flat], meets: Meets | None) -> list[Cell]:
    """The next smaller cells within a cell which the query meets."""
    level, column, row = cell
    factor = SIZES[level] // SIZES[level + 1]
    found: dict[Cell, None] = {}
    for box in boxes:
        c0, c1, r0, r1 = _span(level + 1, box)
        for inner_column in range(max(c0, column * factor), min(c1, (column + 1) * factor - 1) + 1):
            for inner_row in range(max(r0, row * factor), min(r1, (row + 1) * factor - 1) + 1):
                found[level + 1, inner_column, inner_row] = None
    return [one for one in found if meets is None or meets(_box(one))]


def _index(value: float, offset: int, size: int, count: int) -> int:
    return min(int((value + offset) // size), count - 1)


def _span(level: int, box: Flat) -> tuple[int, int, int, int]:
    """First and last column, first and last row of a box."""
    size = SIZES[level]
    columns, rows = 360 // size, 180 // size
    return (
        _index(box[0], 180, size, columns),
        _index(box[2], 180, size, columns),
        _index(box[1], 90, size, rows),
        _index(box[3], 90, size, rows),
    )


def _cells(level: int, box: Flat) -> Iterator[Cell]:
    c0, c1, r0, r1 = _span(level, box)
    for column in range(c0, c1 + 1):
        for row in range(r0, r1 + 1):
            yield level, column, row


def _around(cell: Cell, level: int) -> Cell:
    """The cell of a coarser level that this one is in; itself at its own."""
    factor = SIZES[level] // SIZES[cell[0]]
    return level, cell[1] // factor, cell[2] // factor


def _box(cell: Cell) -> Flat:
    size = SIZES[cell[0]]
    x0, y0 = cell[1] * size - 180.0, cell[2] * size - 90.0
    return x0, y0, x0 + size, y0 + size
