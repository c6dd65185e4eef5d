"""A kernel's websocket that tells a person, in the cell, that memory ran out.

Jupyter Server sends only the status "restarting" when a kernel dies, whatever killed it.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from pelagos_server.memory import MemoryGroup, readable

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


class PelagosConnection(ZMQChannelsWebsocketConnection):
    """Jupyter Server's own connection, plus a message when a kernel dies for want of memory."""

    # header of the execute_request that the kernel works on, by its own word
    _running: dict[str, Any] | None = None

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass a message on, having noted which request the kernel is busy with."""
        self._note(stream, outgoing_msg)
        super().handle_outgoing_message(stream, outgoing_msg)

    def _note(self, stream: Any, message: list[Any]) -> None:
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
        state = self.session.unpack(parts[4]).get("execution_state")
        self._running = parent if state == "busy" else None

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
            self.write_stderr(text, self._running or {})  # type: ignore[no-untyped-call]
        self._running = None
