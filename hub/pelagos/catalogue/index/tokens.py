"""Tokens of pages: where in an order one goes on, as text that clients hand back."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import orjson

from pelagos.catalogue.query import QueryError

_LIMIT = 2_000  # characters
_WRONG = "token: not one of this catalogue; begin again at the first page"
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """After (or before, going back) the record with this key."""

    key: Key
    back: bool = False


def write(order: str, place: Place) -> str:
    """A token. `order` says by what results are sorted."""
    content = orjson.dumps([order, place.back, *place.key])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read(token: str, order: str, kinds: tuple[type, ...]) -> Place | None:
    """What it stands for; None if it is empty. Raises QueryError for another's or a damaged one."""
    if not token:
        return None
    if len(token) > _LIMIT or not token.isascii():
        raise QueryError(_WRONG)
    try:
        content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as error:
        raise QueryError(_WRONG) from error
    if not isinstance(content, list) or len(content) != 2 + len(kinds):
        raise QueryError(_WRONG)
    if content[0] != order:
        raise QueryError("token: it belongs to another order; begin again at the first page")
    back, *key = content[1:]
    fits = all(type(part) is kind for part, kind in zip(key, kinds, strict=True))
    if type(back) is not bool or not fits:
        raise QueryError(_WRONG)
    if any(isinstance(part, int) and abs(part) > 2**62 for part in key):
        raise QueryError(_WRONG)
    return Place(tuple(key), back)
