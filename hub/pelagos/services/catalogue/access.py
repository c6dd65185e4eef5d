"""What a caller may see of the catalogue, by their virtual labs.

- If no virtual lab names collections (`catalogue.collections` in pelagos.yaml), everybody who gets
  in sees all.
- Else a caller sees what their virtual labs allow, all taken together. One that names none allows
  all. Every caller, also without a sign-in, is in the virtual labs that are `open`; who is in
  none sees nothing. Administrators see all.
- `virtual_lab=NAME` narrows a search to one of the caller's virtual labs, and puts the
  collections that it features first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from pelagos.catalogue.query import QueryError
from pelagos.services.identity import Caller
from pelagos.settings import Settings, VirtualLab
from pelagos.virtual_labs import named_groups, virtual_labs_of

FRESH_SECONDS = 5.0
_KEPT = 200  # sets of patterns whose collections are known


@dataclass(frozen=True)
class View:
    """Collections that a caller may see (None: all); those that come first, and the rest.

    `rest` is only known where some are `featured`.
    """

    scope: frozenset[str] | None = None
    featured: frozenset[str] = frozenset()
    rest: frozenset[str] = frozenset()


class Views:
    """Finds the view of a caller. `collections` tells the ids of all collections there are."""

    def __init__(
        self, settings: Settings, collections: Callable[[], Awaitable[frozenset[str]]]
    ) -> None:
        self._settings = settings
        self._collections = collections
        self._restricts = any(lab.catalogue.collections for lab in settings.virtual_labs)
        self._known: frozenset[str] = frozenset()
        self._until = 0.0
        self._matched: dict[tuple[str, ...], frozenset[str]] = {}

    async def of(self, caller: Caller, virtual_lab: str = "") -> View:
        """The view of a caller. Raises QueryError for a virtual lab that is none of theirs."""
        labs = self._labs_of(caller)
        if virtual_lab:
            labs = [lab for lab in labs if lab.name == virtual_lab]
            if not labs:
                raise QueryError(f"virtual_lab: {virtual_lab[:60]!r} is none of yours.")
        scope = None
        if self._restricts and (virtual_lab or not caller.admin):
            scope = await self._allowed(labs)
        if not virtual_lab or not labs[0].catalogue.featured:
            return View(scope)
        featured = await self._matching(labs[0].catalogue.featured)
        visible = self._known if scope is None else scope
        return View(scope, featured & visible, visible - featured)

    def _labs_of(self, caller: Caller) -> list[VirtualLab]:
        if caller.admin:
            return list(self._settings.virtual_labs)
        groups = set(caller.groups)
        if caller.name:
            groups |= named_groups(self._settings, caller.name)
        return virtual_labs_of(self._settings, groups)

    async def _allowed(self, labs: list[VirtualLab]) -> frozenset[str] | None:
        """What these virtual labs allow together; None is all."""
        patterns: set[str] = set()
        for lab in labs:
            if not lab.catalogue.collections:
                return None
            patterns.update(lab.catalogue.collections)
        return await self._matching(patterns)

    async def _matching(self, patterns: Iterable[str]) -> frozenset[str]:
        """Ids of collections that one of the patterns names, at most some seconds old."""
        now = time.monotonic()
        if now >= self._until:
            found = await self._collections()
            if found != self._known:
                self._known, self._matched = found, {}
            self._until = now + FRESH_SECONDS
        key = tuple(sorted(patterns))
        if key not in self._matched:
            if len(self._matched) >= _KEPT:
                self._matched.clear()
            expression = re.compile("|".join(_expression(pattern) for pattern in key) or r"(?!)")
            matched = filter(expression.fullmatch, self._known)
            self._matched[key] = frozenset(matched)
        return self._matched[key]


def _expression(pattern: str) -> str:
    """A regular expression for a pattern in which `*` is any text."""
    return ".*".join(re.escape(part) for part in pattern.split("*"))
