"""The cases of the contract test of all connectors: one module per connector, found by itself.

A module holds `CASES`, a list of `Case`: which settings, and which recordings are replayed from
which paths of a loopback server. What is expected is counted, so that no record is lost unseen.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from loopback import Loopback, Route
from pelagos.settings.sources import Source

Routes = dict[str, Route]


@dataclass(frozen=True)
class Case:
    """`routes` may skip (shared_data does) and may use the server's own address in answers.

    `collections`, `granules`, `rejected`: how many are expected, granules over all collections.
    `conditional`: the protocol has validators, so a second run finds that nothing has changed.
    `remote`: it asks a server at all; the tests of bad answers are for those only. `single`: one
    answer is all there is.
    """

    name: str
    source: Callable[[str], Source]
    routes: Callable[[Loopback], Routes]
    collections: int
    granules: int
    rejected: int = 0
    conditional: bool = False
    remote: bool = True
    single: bool = False


def all_cases() -> list[Case]:
    """Those of all modules here."""
    return [
        case
        for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
        for case in importlib.import_module(f"{__name__}.{module.name}").CASES
    ]
