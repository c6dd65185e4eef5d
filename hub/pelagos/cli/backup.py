"""`./pelagos backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pelagos.cli.console import JsonOption, Progress, StateOption, err, out, print_json, state_of
from pelagos.ops import backup as ops

PasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="File with the backups' password. Default: secrets/backup-password, made if missing.",
    ),
]


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the backups.")],
    state: StateOption = None,
    password_file: PasswordOption = None,
    wait: Annotated[
        float,
        typer.Option(min=0, metavar="S", help="Wait this many seconds for uploads to arrive."),
    ] = ops.WAIT_SECONDS,
    keep: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Forget all but the newest N. Default: keep all."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Back up settings, accounts and workspaces, whether the VRE runs or not."""
    result = ops.backup(
        state_of(state),
        folder,
        given_password=password_file,
        wait=wait,
        keep=keep,
        reporter=Progress(),
    )
    if json:
        print_json({"ok": not result.unread, **vars(result)})
    else:
        _print(result)
    if result.unread:
        raise typer.Exit(1)


def _print(result: ops.Result) -> None:
    out.print(
        f"Backup {result.snapshot}: {result.files} files, {result.size / 2**20:.1f} MiB, of which "
        f"{result.added / 2**20:.1f} MiB are new, in {result.seconds:.0f} s."
    )
    if result.forgotten:
        out.print(f"Forgotten: {result.forgotten} older backups.")
    out.print(f"Not in it: {'; '.join(result.left_out)}.")
    if result.under_way:
        people = ", ".join(f"{user} ({count})" for user, count in result.under_way.items())
        err.print(
            f"[yellow]note:[/] files on their way to the workspaces of {people} had not arrived "
            "and are not in it."
        )
    for path, reason in list(result.unread.items())[:20]:
        err.print(f"[red]not in it:[/] {path}: {reason}")
    if len(result.unread) > 20:
        err.print(f"[red]not in it:[/] {len(result.unread) - 20} more")
