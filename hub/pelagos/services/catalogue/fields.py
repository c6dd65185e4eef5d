"""Which members of a document an answer has: the Fields extension of the STAC API (1.0)."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

# what is given if only members to include are named, and always: the answer stays usable
ITEM = frozenset({"type", "stac_version", "id", "collection"})
COLLECTION = frozenset({"type", "stac_version", "id"})


def choose(
    document: Document, include: frozenset[str], exclude: frozenset[str], default: frozenset[str]
) -> Document:
    """`document` with the members `include` and `default`, without those of `exclude`.

    A name such as `properties.datetime` is a member of a member. What is in both is included;
    with neither, the document stays as it is.
    """
    if not include and not exclude:
        return document
    if include:
        found: Document = {}
        whole = {name for name in include if name in document} | (default - exclude)
        for name in document:
            if name in whole:
                found[name] = document[name]
        for name in include - whole:
            _copy(document, found, name)
    else:
        found = dict(document)
    for name in exclude - include:
        kept = [one for one in include if one.startswith(f"{name}.")]
        if name in found and not kept:
            del found[name]
        elif "." in name and name not in found:
            _remove(found, name)
    return found


def _copy(source: Document, target: Document, name: str) -> None:
    """Copy the member of a member, if it is there."""
    head, dot, rest = name.partition(".")
    below = source.get(head)
    if not dot or not isinstance(below, dict):
        return
    if rest in below:
        inside = dict(target.get(head) or {})
        inside[rest] = below[rest]
        target[head] = inside
    elif "." in rest:
        inside = dict(target.get(head) or {})
        _copy(below, inside, rest)
        if inside:
            target[head] = inside


def _remove(target: Document, name: str) -> None:
    """Remove the member of a member; what is above it is copied, not changed."""
    head, _, rest = name.partition(".")
    below = target.get(head)
    if not isinstance(below, dict):
        return
    inside = dict(below)
    if rest in inside:
        del inside[rest]
    elif "." in rest:
        _remove(inside, rest)
    target[head] = inside
