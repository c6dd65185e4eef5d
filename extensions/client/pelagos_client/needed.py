"""Packages that only some functions need: loaded late, with a sentence if they are not there."""

from __future__ import annotations

import importlib
from typing import Any

from pelagos_client.errors import MissingPackageError


def module(name: str, extra: str) -> Any:
    """The module `name`, which the extra `extra` installs. Raises MissingPackageError."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise  # it is there, and lacks something else
        raise MissingPackageError(
            f"The package {package} is not installed, which this needs.",
            f'Install it: pip install "pelagos-client[{extra}]".',
        ) from None
