"""The explanation goes to the cell that runs, before the status, and only when memory ran out."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from pelagos_server.connection import PROTOCOL, PelagosConnection, explanation


class Socket:
    """A browser."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.selected_subprotocol: str | None = None

    def write_message(self, message: str, binary: bool = False) -> None:
        self.messages.append(json.loads(message))


class Iopub:
    channel = "iopub"

    def closed(self) -> bool:
        return False

    def flush(self) -> None:
        pass


class Connection(PelagosConnection):
    """One without a real kernel, handler or server."""

    def __init__(self, out_of_memory: bool) -> None:
        self.browser = Socket()
        super().__init__()
        self.session = Session(key=b"key")
        self.channels = {"iopub": Iopub()}
        self.provisioner = SimpleNamespace(out_of_memory=out_of_memory)

    # traits of the parent that a real handler and kernel would fill: hence the ignored types
    websocket_handler = property(lambda self: self.browser)  # type: ignore[assignment]
    kernel_manager = property(lambda self: SimpleNamespace(provisioner=self.provisioner))  # type: ignore[assignment]
    multi_kernel_manager = property(lambda self: SimpleNamespace(allow_tracebacks=True))  # type: ignore[assignment]
    kernel_id = "1"  # type: ignore[assignment]

    def ask(self, header: dict[str, Any]) -> None:
        """The browser sends a request; the kernel gets it."""
        self._note_request(
            json.dumps({"header": header, "channel": "shell", "content": {}}, default=str)
        )

    def hear(self, kind: str, content: dict[str, Any], parent: dict[str, Any]) -> None:
        """The kernel says something."""
        message = self.session.msg(kind, content, parent=parent)
        self.handle_outgoing_message(self.channels["iopub"], self.session.serialize(message))


def request(session: Session, kind: str = "execute_request") -> dict[str, Any]:
    header: dict[str, Any] = session.msg(kind)["header"]
    return header


@pytest.fixture
def cell() -> dict[str, Any]:
    return request(Session(key=b"key"))


def said(connection: Connection) -> list[dict[str, Any]]:
    return [m for m in connection.browser.messages if m["msg_type"] == "stream"]


@pytest.mark.parametrize("end", ["on_kernel_restarted", "on_restart_failed"])
def test_the_running_cell_is_told_before_the_status(cell: dict[str, Any], end: str) -> None:
    connection = Connection(out_of_memory=True)
    connection.ask(cell)
    connection.hear("status", {"execution_state": "busy"}, cell)
    getattr(connection, end)()
    told, status = connection.browser.messages[-2:]
    assert told["parent_header"]["msg_id"] == cell["msg_id"]
    assert "ran out of memory" in told["content"]["text"]
    assert status["content"]["execution_state"] in {"restarting", "dead"}


def test_a_cell_that_ended_the_kernel_before_it_said_busy_is_told(cell: dict[str, Any]) -> None:
    connection = Connection(out_of_memory=True)
    connection.ask(cell)
    connection.ask(request(connection.session))  # the next cell waits
    connection.on_kernel_restarted()
    assert [m["parent_header"]["msg_id"] for m in said(connection)] == [cell["msg_id"]]


def test_a_request_in_the_newer_protocol_is_noted(cell: dict[str, Any]) -> None:
    connection = Connection(out_of_memory=True)
    message = {"header": cell, "parent_header": {}, "metadata": {}, "content": {}, "buffers": []}
    connection.browser.selected_subprotocol = PROTOCOL
    connection._note_request(serialize_msg_to_ws_v1(message, "shell", connection.session.pack))
    connection.browser.selected_subprotocol = None
    connection.on_kernel_restarted()
    assert said(connection)[0]["parent_header"]["msg_id"] == cell["msg_id"]


def test_another_death_is_not_explained(cell: dict[str, Any]) -> None:
    connection = Connection(out_of_memory=False)
    connection.ask(cell)
    connection.hear("status", {"execution_state": "busy"}, cell)
    connection.on_kernel_restarted()
    assert said(connection) == []


def test_a_finished_cell_gets_nothing_more(cell: dict[str, Any]) -> None:
    connection = Connection(out_of_memory=True)
    connection.ask(cell)
    connection.hear("status", {"execution_state": "busy"}, cell)
    connection.hear("status", {"execution_state": "idle"}, cell)
    connection.on_kernel_restarted()
    assert said(connection)[0]["parent_header"] == {}


def test_a_request_that_is_no_cell_does_not_hide_the_cell(cell: dict[str, Any]) -> None:
    connection = Connection(out_of_memory=True)
    connection.ask(cell)
    connection.hear("status", {"execution_state": "busy"}, cell)
    other = request(connection.session, "kernel_info_request")
    connection.hear("status", {"execution_state": "busy"}, other)
    connection.hear("status", {"execution_state": "idle"}, other)
    connection.hear("stream", {"name": "stdout", "text": '"status"'}, cell)
    connection.on_kernel_restarted()
    assert said(connection)[-1]["parent_header"]["msg_id"] == cell["msg_id"]


def test_an_unknown_limit_is_left_out() -> None:
    assert "in all" not in explanation(None)
    assert "2 GiB in all" in explanation(2 * 2**30)
