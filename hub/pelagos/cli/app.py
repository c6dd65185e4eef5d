"""The commands of `./pelagos`."""

from __future__ import annotations

import typer

from pelagos.cli import (
    backup,
    bench,
    build,
    check,
    doctor,
    down,
    harvest,
    restore,
    status,
    test,
    up,
)
from pelagos.cli.console import told

app = typer.Typer(
    help="Pelagos: a virtual research environment for the ocean sciences.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    up.up,
    down.down,
    status.status,
    check.check,
    doctor.doctor,
    build.build,
    harvest.harvest,
    backup.backup,
    restore.restore,
    test.test,
    bench.bench,
):
    app.command()(told(_command))


def main() -> None:
    """Run the command line."""
    app(prog_name="pelagos")
