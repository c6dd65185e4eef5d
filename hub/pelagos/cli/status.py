"""`./pelagos status`."""

from __future__ import annotations

import typer
from rich.markup import escape
from rich.table import Table

from pelagos.cli.console import JsonOption, StateOption, out, print_json, state_of
from pelagos.ops.status import status as ops_status
from pelagos.ops.storage import StorageStatus
from pelagos.units import format_bytes, format_seconds


def status(state: StateOption = None, json: JsonOption = False) -> None:
    """Show what runs. Exit code 3 if the VRE does not run or its hub does not answer."""
    found = ops_status(state_of(state))
    if json:
        print_json(found.as_dict())
    else:
        says = "runs at" if found.hub else "starts at" if found.running else "does not run; was at"
        out.print(f"Pelagos {says} {found.url}")
        out.print(f"backend {found.backend}, settings {found.settings}, state {found.state}")
        if found.processes:
            table = Table("process", "state", "pid", "for", box=None)
            for one in found.processes:
                table.add_row(one.name, one.state, str(one.pid), format_seconds(one.seconds))
            out.print(table)
        if found.servers:
            table = Table("person", "server", "virtual lab", "image", "size", "", box=None)
            for server in found.servers:
                table.add_row(
                    server.user,
                    server.name,
                    server.virtual_lab,
                    server.image,
                    server.size,
                    "ready" if server.ready else "pending",
                )
            out.print(table)
        elif found.hub:
            out.print("no servers")
        if found.storage:
            _print_storage(found.storage)
        if found.catalogue:
            out.print(found.catalogue.line)
        if found.datapool:
            out.print(found.datapool.line)
        elif found.datapool_problem:
            out.print(f"data pool: {found.datapool_problem}", markup=False)
        if found.orphans:
            out.print(f"{len(found.orphans)} servers unknown to the hub were stopped: see doctor")
    if not found.hub:
        raise typer.Exit(3)


def _print_storage(storage: StorageStatus) -> None:
    if storage.workspaces:
        table = Table("workspace", "state", "uploads waiting", "refused", "used", box=None)
        for one in storage.workspaces:
            waiting = f"{one.pending} ({format_bytes(one.pending_bytes)})" if one.pending else "0"
            state = f"{one.state}: {one.reason}" if one.reason else one.state
            table.add_row(
                one.user, escape(state), waiting, str(len(one.failed)), _of(one.used, one.total)
            )
        out.print(table)
    if storage.areas:
        table = Table("dataspace", "of", "used", "quota", box=None)
        for area in storage.areas:
            table.add_row(
                area.kind,
                escape(area.owner),
                _of(area.used, area.quota),
                "enforced" if area.enforced else "not enforced",
            )
        out.print(table)


def _of(used: int | None, total: int | None) -> str:
    known = [format_bytes(size) for size in (used, total) if size is not None]
    return " of ".join(known) or "unknown"
