"""`./pelagos down`."""

from __future__ import annotations

from typing import Annotated

import typer

from pelagos.cli.console import Progress, StateOption, out, state_of
from pelagos.ops import down as ops


def down(
    state: StateOption = None,
    servers: Annotated[
        bool, typer.Option("--servers", help="Stop people's servers too; their files stay.")
    ] = False,
) -> None:
    """Stop the hub. People's servers go on, and are found again by the next `up`."""
    stopped = ops.down(state_of(state), servers=servers, reporter=Progress())
    if stopped:
        out.print(f"Stopped {len(stopped)} servers: {', '.join(stopped)}")
    out.print("Stopped.")
