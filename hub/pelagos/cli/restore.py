"""`./pelagos restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pelagos.cli.backup import PasswordOption
from pelagos.cli.console import JsonOption, Progress, StateOption, out, print_json, state_of
from pelagos.ops import restore as ops


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the backups.")],
    state: StateOption = None,
    snapshot: Annotated[
        str, typer.Option(metavar="ID", help="Which backup. Default: the newest.")
    ] = "latest",
    password_file: PasswordOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Move aside what is there; nothing is removed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Bring a VRE back from a backup; it must not run."""
    result = ops.restore(
        state_of(state),
        folder,
        snapshot=snapshot,
        given_password=password_file,
        force=force,
        reporter=Progress(),
    )
    if json:
        print_json({"ok": True, **vars(result)})
        return
    out.print(
        f"Restored backup {result.snapshot} of {result.time:%Y-%m-%d %H:%M %Z}: "
        f"{result.files} files of the VRE in {result.state}"
    )
    if result.workspaces is not None:
        out.print(f"and {result.workspace_files} files of workspaces in {result.workspaces}.")
    for folder_aside in result.aside:
        out.print(f"What was there before is in {folder_aside}; remove it when you are sure.")
    for note in result.notes:
        out.print(f"[yellow]note:[/] {note}")
    out.print(f"Start it: ./pelagos up --state {result.state}")
