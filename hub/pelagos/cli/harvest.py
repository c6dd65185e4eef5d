"""`./pelagos harvest`."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pelagos.catalogue.harvest.records import Rejection, Run, RunState
from pelagos.catalogue.harvest.tally import kind_of
from pelagos.cli.console import (
    JsonOption,
    SettingsOption,
    StateOption,
    err,
    out,
    print_json,
    state_of,
)
from pelagos.ops import harvest as ops

_COLOURS = {
    RunState.DONE: "green",
    RunState.UNCHANGED: "green",
    RunState.FAILED: "red",
    RunState.INTERRUPTED: "yellow",
}
_REASONS = 10  # of rejections, of each source


def harvest(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Name of the source. Default: all.")
    ] = "",
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss", help="Remove records even if the source has lost nearly all of them."
        ),
    ] = False,
    state: StateOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Bring what the sources have into the catalogue. Exit code 1 if one of them failed."""
    # what goes wrong is told below, once and by its source: not as lines of a log too
    logging.getLogger().addHandler(logging.NullHandler())
    wanted = ops.Wanted(state_of(state), settings, source, accept_loss)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _Follower() as follower:
            outcomes = ops.harvest(wanted, follower)
    finally:
        signal.signal(signal.SIGTERM, before)
    if json:
        print_json({"ok": all(one.ok for one in outcomes), "runs": [o.as_dict() for o in outcomes]})
    else:
        _print(outcomes)
    for one in outcomes:
        if not one.ok:
            err.print(f"[red]{one.source.name}:[/] {escape(one.run.error)}")
            if one.run.mend:
                err.print(f"         {escape(one.run.mend)}")
    if not all(one.ok for one in outcomes):
        raise typer.Exit(1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Follower:
    """Shows runs while they are under way: a live table on a terminal, else a line per change."""

    def __init__(self) -> None:
        self._live = Live(console=err, transient=True, auto_refresh=False)
        self._told: dict[int, RunState] = {}

    def __enter__(self) -> _Follower:
        if err.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, runs: Sequence[Run]) -> None:
        if err.is_terminal:
            self._live.update(_progress(runs), refresh=True)
            return
        for run in runs:
            if self._told.get(run.id) is not run.state:
                self._told[run.id] = run.state
                err.print(f"{run.source}: {run.state.value}")


def _progress(runs: Sequence[Run]) -> Table:
    table = Table("source", "", "collections", "granules", "per second", "rejected", box=None)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for run in runs:
        counts, began = run.progress.counts, run.started
        seconds = (run.finished or time.time()) - began if began else 0
        table.add_row(
            run.source,
            _state(run),
            f"{counts.collections:,}",
            f"{counts.found:,}",
            f"{counts.found / seconds:,.0f}" if seconds > 0 else "",
            f"{counts.rejected:,}",
            escape(run.progress.current[:40]),
        )
    return table


def _state(run: Run) -> str:
    colour = _COLOURS.get(run.state)
    return f"[{colour}]{run.state.value}[/]" if colour else run.state.value


def _print(outcomes: list[ops.Outcome]) -> None:
    table = Table(box=None)
    for name in ("source", ""):
        table.add_column(name, no_wrap=True)
    for name in ("collections", "found", "stored", "new", "removed", "rejected", "seconds"):
        table.add_column(name, justify="right", min_width=len(name))
    for one in outcomes:
        counts = one.run.progress.counts
        numbers = (
            counts.collections, counts.found, counts.stored, counts.added, counts.removed,
            counts.rejected,
        )  # fmt: skip
        table.add_row(
            one.source.name, _state(one.run), *(f"{n:,}" for n in numbers),
            f"{one.run.duration:.1f}",
        )  # fmt: skip
    out.print(table)
    for one in outcomes:
        if one.run.notice:
            out.print(f"[yellow]{one.source.name}:[/] {escape(one.run.notice)}")
        _print_rejections(one)


def _print_rejections(one: ops.Outcome) -> None:
    first: dict[str, Rejection] = {}
    for rejection in one.rejections:
        first.setdefault(kind_of(rejection.reason), rejection)
    reasons = sorted(one.run.progress.reasons.items(), key=lambda found: -found[1])
    for reason, count in reasons[:_REASONS]:
        told, example = reason, first.get(reason)
        if example:
            told = f"{example.which}: {example.reason}"
        such = ", such as" if example and count > 1 else ":"
        text = f"{one.source.name}: {count:,} rejected{such} {told}"
        out.print(escape(text))
    if len(reasons) > _REASONS:
        out.print(f"{one.source.name}: {len(reasons) - _REASONS} more reasons, on the page")
