"""Which folder below `orders` is whose.

Numbers of orders begin at 1 again with a database that was lost, is older or is another one. What
an order before left there is not touched: a folder says in its `query.json` whose it is, and the
new order takes another name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pelagos.errors import StorageError

ORDERS = "orders"
QUERY = "query.json"
HEAD = 65_536  # bytes of `query.json` that tell
_MANY = 100  # of the same number and day

_STRING = r'"(?:[^"\\]|\\.)*"'
_BEGINS = re.compile(
    rf'\s*\{{\s*"format":\s*\d+,\s*"number":\s*(\d+),\s*"site":\s*{_STRING},'
    rf'\s*"owner":\s*{_STRING},\s*"created":\s*"(\d{{4}}-\d\d-\d\dT[0-9:.]+Z)"'
)
_FOLDER = re.compile(rf"{ORDERS}/(\d+)(?:-\d{{4}}-\d\d-\d\d(?:-\d+)?)?")


def whose(query: str) -> str:
    """When the order was made whose `query.json` begins so, with its number; empty if unknown."""
    found = _BEGINS.match(query)
    return f"{found[2]} {found[1]}" if found else ""


def is_folder_of(number: int, folder: str) -> bool:
    """Whether `chosen` may have given `folder`, below the target, to an order."""
    found = _FOLDER.fullmatch(folder)
    return found is not None and int(found[1]) == number


def chosen(number: int, mine: str, look: Callable[[str], str]) -> str:
    """The name of an order's folder below `orders`: `7`, or `7-2026-03-01` if that is another's.

    `mine`: of `whose`, for the order. `look`: the same for what is at a name; empty if nothing is
    there, or nobody's. Its own folder, if it has one, stays its own: the second name is looked at
    even if the first has become free meanwhile. Raises StorageError.
    """
    free = ""
    for position, name in enumerate(_names(number, mine)):
        found = look(name)
        if found and found == mine:
            return name
        if not free and (not found or not mine):
            free = name
        if free and position:
            return free
    if free:
        return free
    raise StorageError(f"There are too many folders for order {number} in {ORDERS}.")


def _names(number: int, mine: str) -> Iterator[str]:
    yield str(number)
    if mine:
        day = mine[:10]
        yield f"{number}-{day}"
        yield from (f"{number}-{day}-{count}" for count in range(2, _MANY))
