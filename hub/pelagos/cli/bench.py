"""`./pelagos bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from pelagos.cli.console import Progress
from pelagos.ops import testing


def bench(
    name: Annotated[str, typer.Argument(help="Benchmark: " + ", ".join(testing.benchmarks()))],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGS]", help="For the benchmark.")
    ] = None,
) -> None:
    """Measure speed against floors and peers in the same run."""
    raise typer.Exit(testing.bench(name, arguments or [], Progress()))
