"""What every command shares: options, printing, errors as one sentence with a mend."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import requests.exceptions
import typer
from docker.errors import DockerException
from rich.console import Console
from rich.markup import escape

from pelagos.deployment import State, default_state
from pelagos.errors import PelagosError

P = ParamSpec("P")
R = TypeVar("R")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="State folder. Default: /var/lib/pelagos for root, else ~/.local/state/pelagos.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file. Default: the built-in demo."),
]


def state_of(folder: Path | None) -> State:
    """The state folder that a command works on."""
    return State(folder or default_state())


def print_json(value: Any) -> None:
    """JSON on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


class Progress:
    """Prints what long work does, with the time it takes; details only on a terminal."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def step(self, message: str) -> None:
        """See Reporter."""
        self._line(f"[bold]{time.monotonic() - self._began:6.1f} s[/]  {escape(message)}")

    def detail(self, message: str) -> None:
        """See Reporter."""
        if err.is_terminal:
            err.print(f"          [dim]{escape(message[:100])}[/]", end="\r")

    def notice(self, message: str) -> None:
        """See Reporter."""
        self._line(f"[yellow]note:[/] {escape(message)}")

    def _line(self, message: str) -> None:
        if err.is_terminal:
            err.print(" " * (err.width - 1), end="\r")
        err.print(message)


def _of_the_machine(error: Exception) -> str:
    """One sentence for what the operating system or the engine refused."""
    if isinstance(error, requests.exceptions.RequestException | DockerException):
        return f"The container engine refused or went away: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or 'no file named'}"
    return str(error)


def told(command: Callable[P, R]) -> Callable[P, R]:
    """A PelagosError becomes its sentence on standard error and exit code 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except PelagosError as error:
            if kwargs.get("json"):
                print_json({"ok": False, "error": str(error), "mend": error.mend, "steps": []})
            # an error's text may hold anything, square brackets too
            err.print(f"[red]pelagos:[/] {escape(str(error))}")
            if error.mend:
                err.print(f"         {escape(error.mend)}")
            raise typer.Exit(1) from None
        except (OSError, requests.exceptions.RequestException, DockerException) as error:
            # a full disk, an engine that goes away in the middle: the machine's, not ours
            err.print(f"[red]pelagos:[/] {escape(_of_the_machine(error))}")
            err.print("         ./pelagos doctor looks at disk, engine and ports.")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return wrapped
