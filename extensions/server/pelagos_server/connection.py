"""A kernel's websocket that tells a person, in the cell, that memory ran out.

Jupyter Server sends only the status "restarting" when a kernel dies, whatever killed it.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from pelagos_server.memory import MemoryGroup, readable

PROTOCOL = "v1.kernel.websocket.jupyter.org"
_MESSAGE = """
This kernel was stopped because the server ran out of memory{limit}.
Its variables are lost; files that were saved are safe. To go on:
  - shut down other notebooks and terminals that you don't need: they share the memory;
  - work on smaller pieces: xarray.open_dataset(..., chunks={{}}) with dask, or a part of the \
region or period;
  - or stop the server and start it with a larger size (File > Hub Control Panel).
"""


def explanation(limit: int | None) -> str:
    """What a person reads; `limit` is the server's memory in bytes, None if unknown."""
    text = f" (it may use {readable(limit)} in all)" if limit else ""
    return _MESSAGE.format(limit=text)


# jupyter_server annotates none of the functions that are called below: hence the
# `no-untyped-call` beside each call.
class PelagosConnection(ZMQChannelsWebsocketConnection):
    """Jupyter Server's own connection, plus a message when a kernel dies for want of memory."""

    # Headers of the execute_requests that this browser sent and the kernel has not ended, oldest
    # first: the first is what it works on. Its own word ("busy") does not suffice: a cell that
    # takes all memory at once may end the kernel before that word is out.
    _waiting: dict[str, dict[str, Any]] | None = None

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass a message on, having noted the request in it."""
        self._note_request(incoming_msg)
        super().handle_incoming_message(incoming_msg)

    def _note_request(self, message: Any) -> None:
        if self.subprotocol == PROTOCOL:
            _, parts = deserialize_msg_from_ws_v1(message)  # type: ignore[no-untyped-call]
            header = bytes(parts[0]) if parts else b""
        elif isinstance(message, bytes):
            return  # with binary buffers: no request of a notebook's
        else:
            header = message.encode()
        # every message to the kernel passes here: look at the bytes before parsing the JSON
        if b'"execute_request"' not in header:
            return
        found = self.session.unpack(header)
        # without the newer protocol the message is one JSON document
        found = found if self.subprotocol == PROTOCOL else found.get("header", {})
        if found.get("msg_type") == "execute_request" and "msg_id" in found:
            self._waiting = {**(self._waiting or {}), found["msg_id"]: found}

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass a message on, having noted which request has ended."""
        self._note(stream, outgoing_msg)
        super().handle_outgoing_message(stream, outgoing_msg)

    def _note(self, stream: Any, message: list[Any]) -> None:
        if not self._waiting:
            return
        channel = stream if isinstance(stream, str) else getattr(stream, "channel", None)
        if channel != "iopub":
            return
        # signature, header, parent header, metadata, content
        _, parts = self.session.feed_identities(message)
        # every output passes here: look at the bytes before parsing the JSON
        header: Any = parts[1] if len(parts) > 4 else b""
        if b'"status"' not in bytes(header):
            return
        parent = self.session.unpack(parts[2])
        if self.session.unpack(header).get("msg_type") != "status":
            return
        if parent.get("msg_type") != "execute_request":
            return
        if self.session.unpack(parts[4]).get("execution_state") == "idle":
            self._waiting.pop(parent.get("msg_id", ""), None)

    def on_kernel_restarted(self) -> None:
        """The kernel died and is about to be started again: say why, then that."""
        self._explain()
        super().on_kernel_restarted()  # type: ignore[no-untyped-call]

    def on_restart_failed(self) -> None:
        """The kernel died too often: say why, then that."""
        self._explain()
        super().on_restart_failed()  # type: ignore[no-untyped-call]

    def _explain(self) -> None:
        provisioner = self.kernel_manager.provisioner
        # with another provisioner configured nothing is known, and nothing is said
        if getattr(provisioner, "out_of_memory", False):
            iopub = self.channels.get("iopub")
            if iopub is not None and not iopub.closed():
                # what the cell printed before comes before; it also updates what is running
                iopub.flush()
            text = explanation(MemoryGroup().limit())
            running = next(iter((self._waiting or {}).values()), {})
            self.write_stderr(text, running)  # type: ignore[no-untyped-call]
        self._waiting = None
