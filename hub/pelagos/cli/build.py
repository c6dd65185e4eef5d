"""`./pelagos build`."""

from __future__ import annotations

from typing import Annotated

import typer

from pelagos.backends.engine import connect
from pelagos.cli.console import Progress, SettingsOption, StateOption, out, state_of
from pelagos.deployment import ROOT
from pelagos.images import load_graph
from pelagos.ops import build as ops
from pelagos.ops import engine
from pelagos.ops.up import last_facts
from pelagos.settings import load_settings
from pelagos.settings.checks import image_names


def build(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Images. Default: all.")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Make the named images anew, changed or not.")
    ] = False,
    state: StateOption = None,
    settings: SettingsOption = None,
) -> None:
    """Make images ready: build those of images/images.yaml, pull community images."""
    folder = state_of(state)
    folder.prepare()
    facts = last_facts(folder)
    graph = load_graph(ROOT)
    path = settings or (facts.settings_file if facts else None)
    chosen = load_settings(path, graph.names)
    progress = Progress()
    engine.ensure(folder.logs / "dockerd.log", progress)
    with connect() as client:
        made = ops.build(
            client,
            graph,
            chosen,
            names or image_names(chosen),
            log=folder.logs / "build.log",
            reporter=progress,
            no_cache=no_cache,
        )
    for reference in made:
        out.print(f"made {reference}")
    if not made:
        out.print("Every image is there and fresh.")
