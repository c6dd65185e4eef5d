"""`./pelagos check`."""

from __future__ import annotations

from typing import Annotated

import typer

from pelagos.cli.console import JsonOption, StateOption, out, print_json, state_of
from pelagos.deployment import Deployment
from pelagos.ops import check as ops
from pelagos.ops.checking import StepResult
from pelagos.ops.hubapi import HubApi


def check(
    state: StateOption = None,
    image: Annotated[
        str | None, typer.Option(metavar="NAME", help="Image to check. Default: the first one.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prove a running VRE end to end as a temporary person. Exit code 0 only if all passed."""
    deployment = Deployment.load(state_of(state).folder)

    def told(step: StepResult) -> None:
        if not json:
            mark = "[green]ok[/]  " if step.ok else "[red]FAIL[/]"
            out.print(f"{mark} {step.seconds:7.2f} s  {step.name}: ", end="")
            out.print(step.detail, markup=False)

    with HubApi(deployment) as hub:
        result = ops.check(ops.prepare(deployment, hub, image), told)
    if json:
        print_json(result.as_dict())
    if not result.ok:
        raise typer.Exit(1)
