# ruff: noqa: PT028 - a command, not a test
"""`./pelagos test`."""

from __future__ import annotations

from typing import Annotated

import typer

from pelagos.cli.console import Progress
from pelagos.ops import testing


def test(
    fast: Annotated[
        bool, typer.Option("--fast", help="Only what needs no container engine and no browser.")
    ] = False,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PYTEST ARGS]", help="For pytest.")
    ] = None,
) -> None:
    """Run the tests, installing what they need on Debian as root."""
    raise typer.Exit(testing.run(fast=fast, arguments=arguments or [], reporter=Progress()))
