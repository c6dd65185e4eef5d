"""`./pelagos doctor`."""

from __future__ import annotations

import typer

from pelagos.cli.console import JsonOption, SettingsOption, StateOption, out, print_json, state_of
from pelagos.ops import doctor as ops
from pelagos.ops.findings import Level

_MARKS = {
    Level.OK: "[green]ok[/]     ",
    Level.WARNING: "[yellow]warning[/]",
    Level.ERROR: "[red]ERROR[/]  ",
}


def doctor(
    state: StateOption = None, settings: SettingsOption = None, json: JsonOption = False
) -> None:
    """Say what is wrong with this machine or VRE and how to mend it. Exit code 1 on an error."""
    findings = list(ops.examine(ops.patient(state_of(state), settings)))
    if json:
        print_json(ops.as_dict(findings))
    else:
        for finding in findings:
            out.print(f"{_MARKS[finding.level]} {finding.name}: ", end="")
            out.print(finding.detail, markup=False)
            if finding.mend:
                out.print(f"          mend: {finding.mend}", markup=False)
    if any(finding.level is Level.ERROR for finding in findings):
        raise typer.Exit(1)
