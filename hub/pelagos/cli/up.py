"""`./pelagos up`."""

from __future__ import annotations

import signal
import subprocess
from types import FrameType
from typing import Annotated

import typer

from pelagos.cli.console import Progress, SettingsOption, StateOption, out, state_of
from pelagos.deployment import Deployment, Facts, State
from pelagos.ops import down as stop
from pelagos.ops import groups
from pelagos.ops import up as ops
from pelagos.settings import BackendKind


def up(
    state: StateOption = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Public port. Default: 8000.")
    ] = None,
    bind: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Address to listen on. Default: all.")
    ] = None,
    settings: SettingsOption = None,
    backend: Annotated[
        BackendKind | None,
        typer.Option(help="Where servers run. Default: docker where it can be had."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once people can sign in.")
    ] = False,
) -> None:
    """Start the VRE: install and build what is missing, then print address and sign-in."""
    folder = state_of(state)
    request = ops.Request(folder.folder, settings, port, bind, backend)
    folder.prepare()
    facts = ops.already_runs(request, folder, detach=detach)
    if facts is not None:
        _print_access(facts, folder)
        return
    progress = Progress()
    with ops.locked(folder):
        deployment = ops.prepare(request, folder, progress)
        process = ops.start(deployment, foreground=not detach)
        try:
            ops.wait_isolated(deployment)
            ops.wait_ready(deployment, progress)
            for withdrawn in groups.withdraw(deployment):
                progress.notice(f"withdrawn, as the settings say: {withdrawn}")
        except BaseException:
            stop.down(folder, servers=False, reporter=progress)
            raise
    _print_access(deployment.facts, folder)
    if process is not None:
        _until_stopped(process, deployment, progress)


def _print_access(facts: Facts, state: State) -> None:
    out.print(f"\nPelagos runs at [bold]{facts.url}[/]  (backend: {facts.backend})")
    out.print("Sign in with any user name and the password")
    out.print(f"  [bold]{state.password('user-password', 3)}[/]")
    if admins := state.settings().authentication.admins:
        names = " or ".join(admins)
        out.print(f"As administrator ({names}): the password in {state.secrets}/admin-password")
    out.print("Stop it with ./pelagos down; look at it with ./pelagos status.\n")


def _until_stopped(
    process: subprocess.Popen[bytes], deployment: Deployment, progress: Progress
) -> None:
    """Stay until Ctrl-C or SIGTERM, then stop everything in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    out.print("Ctrl-C stops the hub; people's servers go on.")
    try:
        process.wait()
    except KeyboardInterrupt:
        stop.down(deployment.state, servers=False, reporter=progress)
        process.wait()
