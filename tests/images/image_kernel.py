"""A notebook's kernel through the server's REST API and a real websocket, as a browser has it."""

from __future__ import annotations

import json
import time
import uuid
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from image_server import TOKEN, Server
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

PROTOCOL = "v1.kernel.websocket.jupyter.org"


class Kernel:
    """A kernel of a server. Use as an asynchronous context manager; it is shut down at the end."""

    def __init__(self, server: Server, name: str = "python3", protocol: str = PROTOCOL) -> None:
        self._server = server
        self._name = name
        self._protocol = protocol
        self._session = uuid.uuid4().hex
        self._socket: WebSocketClientConnection

    async def __aenter__(self) -> Self:
        with self._server.http() as http:
            made = http.post("api/kernels", json={"name": self._name})
            made.raise_for_status()
            self.id: str = made.json()["id"]
        address = f"ws://{self._server.address}api/kernels/{self.id}/channels"
        request = HTTPRequest(
            f"{address}?session_id={self._session}",
            headers={"Authorization": f"token {TOKEN}"},
            request_timeout=30,
        )
        protocols = [self._protocol] if self._protocol else None
        self._socket = await websocket_connect(request, subprotocols=protocols)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        # until the other side has closed too
        while await self._socket.read_message() is not None:
            pass
        with self._server.http() as http:
            http.delete(f"api/kernels/{self.id}")

    async def send(self, code: str) -> str:
        """Ask for the execution of a cell; identifier of the request."""
        identifier = uuid.uuid4().hex
        header = {
            "msg_id": identifier,
            "msg_type": "execute_request",
            "session": self._session,
            "username": "ada",
            "version": "5.3",
            "date": "2026-01-01T00:00:00Z",
        }
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        if self._protocol == PROTOCOL:
            # layout of the protocol: count of offsets, offsets, then channel, header, parent,
            # metadata, content; each offset 8 bytes, little endian
            parts = [b"shell", *(json.dumps(p).encode() for p in (header, {}, {}, content))]
            offsets = [8 * (len(parts) + 2)]
            for part in parts:
                offsets.append(offsets[-1] + len(part))
            numbers = [len(offsets), *offsets]
            message = b"".join(n.to_bytes(8, "little") for n in numbers) + b"".join(parts)
            await self._socket.write_message(message, binary=True)
        else:
            await self._socket.write_message(
                json.dumps(
                    {
                        "channel": "shell",
                        "header": header,
                        "parent_header": {},
                        "metadata": {},
                        "content": content,
                    }
                )
            )
        return identifier

    async def receive(self) -> dict[str, Any]:
        """The next message: channel, header, parent_header, content. Raises EOFError."""
        raw = await self._socket.read_message()
        if raw is None:
            raise EOFError("the server closed the websocket")
        if isinstance(raw, str):
            message: dict[str, Any] = json.loads(raw)
            return message
        count = int.from_bytes(raw[:8], "little")
        offsets = [int.from_bytes(raw[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
        parts = [raw[begin:end] for begin, end in pairwise(offsets)]
        header, parent, _, content = (json.loads(part) for part in parts[1:5])
        return {
            "channel": parts[0].decode(),
            "header": header,
            "parent_header": parent,
            "content": content,
        }

    async def run(self, code: str, seconds: float = 60) -> str:
        """What a cell prints. Raises AssertionError if it fails, TimeoutError."""
        request = await self.send(code)
        text = ""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = await self.receive()
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            match message["header"]["msg_type"]:
                case "stream":
                    text += content["text"]
                case "execute_result":
                    text += content["data"]["text/plain"]
                case "error":
                    raise AssertionError(text + "\n".join(content["traceback"]))
                case "status" if content["execution_state"] == "idle":
                    return text
        raise TimeoutError(text)
