"""`jupyterhub-singleuser`, started with fewer imports.

JupyterHub 6.1's single-user server imports a good part of the hub: the request handlers for the
name of one class (`jupyterhub.log` wants HealthCheckHandler, to log health checks quietly), and
SQLAlchemy, the object-relational mapping and the migrations for functions that only a hub with its
database calls. They are nearly half of the CPU time of a start.

So these modules have a stand-in while `jupyterhub.singleuser` is imported, and none after:
whatever imports them later gets the real ones, and a stand-in that somebody kept passes on to the
real module what is asked of it. If a future JupyterHub needs more of them, its import fails here
and is repeated without stand-ins, which is only slower; tests/images notices.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any


class _Unused:
    """A handler class that is compared with and never instantiated here."""


class _UnusedError(Exception):
    """An exception of a database that is not here."""


# what `from module import name` asks for while the single-user server is imported
_HUB: dict[str, dict[str, Any]] = {
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": _Unused},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": _UnusedError},
}


class StandIn(ModuleType):
    """A module that is there by name, and becomes the real one when something is asked of it."""

    def __getattr__(self, name: str) -> Any:
        """Ask the real module, unless this one still has its place."""
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(f"{self.__name__}.{name} is not here yet")
        return getattr(importlib.import_module(self.__name__), name)


# for a handler of lists of blocked extensions, which are not used here
_LAB: dict[str, dict[str, Any]] = {"requests": {}}


@contextmanager
def stand_ins(wanted: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Replace modules by stand-ins with these attributes, until the end."""
    made = {}
    for name, attributes in wanted.items():
        if name not in sys.modules:
            made[name] = sys.modules[name] = module = StandIn(name)
            module.__path__ = []
            module.__dict__.update(attributes)
    try:
        yield
    finally:
        for name, module in made.items():
            if sys.modules.get(name) is not module:
                continue
            del sys.modules[name]
            # `from package import module` also looks at the package's attribute
            package, _, child = name.rpartition(".")
            parent = sys.modules.get(package)
            if parent is not None and parent.__dict__.get(child) is module:
                delattr(parent, child)


def load() -> Callable[[], Any]:
    """The main function of `jupyterhub-singleuser`, with JupyterLab imported too."""
    package = _import("jupyterhub.singleuser", _HUB)
    # a server without JupyterLab is for the server to judge
    with suppress(ImportError):
        _import("jupyterlab.labapp", _LAB)
    function: Callable[[], Any] = package.main
    return function


def _import(name: str, wanted: dict[str, dict[str, Any]]) -> ModuleType:
    """Import a module with stand-ins, or as it is if they do not suffice. Raises ImportError."""
    before = set(sys.modules)
    try:
        with stand_ins(wanted):
            return importlib.import_module(name)
    except (ImportError, AttributeError):
        root = name.partition(".")[0]
        for new in set(sys.modules) - before:
            if new.partition(".")[0] == root:
                del sys.modules[new]
        return importlib.import_module(name)


def main() -> None:
    """Run a single-user server with the command line and environment of this process."""
    # what is imported stays: looking for garbage in it is work for nothing, now and later
    gc.disable()
    run = load()
    gc.freeze()
    gc.enable()
    sys.exit(run())


if __name__ == "__main__":
    main()
