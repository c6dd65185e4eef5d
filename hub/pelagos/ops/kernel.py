"""Runs code in a kernel of a person's server, through the hub's proxy and the real protocol.

Jupyter's REST API for kernels, and its messaging protocol 5.3 over the server's websocket.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import aiohttp

from pelagos.errors import PelagosError


class CellError(PelagosError):
    """A cell raised; the text holds its traceback without colours."""


@dataclass
class CellResult:
    """What a cell printed and returned, as text."""

    text: str = ""
    errors: list[str] = field(default_factory=list)


class Kernel:
    """One kernel of one server. Use as an async context manager; it is shut down at the end."""

    def __init__(self, base_url: str, token: str, name: str | None = None) -> None:
        """`base_url`: the server's, such as http://localhost:8000/user/ada/."""
        self._base = base_url
        self._headers = {"Authorization": f"token {token}"}
        self._name = name
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._id = ""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=60)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        try:
            body = {"name": self._name} if self._name else {}
            async with self._session.post(f"{self._base}api/kernels", json=body) as response:
                if response.status != 201:
                    raise PelagosError(f"The server starts no kernel: HTTP {response.status}.")
                self._id = (await response.json())["id"]
            self._socket = await self._session.ws_connect(
                f"{self._base}api/kernels/{self._id}/channels",
                timeout=aiohttp.ClientWSTimeout(ws_close=5),
                max_msg_size=64 * 2**20,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            await self._session.close()
            raise PelagosError(f"The server does not answer: {error!r}.") from error
        except PelagosError:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._session is not None  # noqa: S101 - for the type checker
        try:
            if self._socket is not None:
                await self._socket.close()
            async with self._session.delete(f"{self._base}api/kernels/{self._id}"):
                pass
        except (aiohttp.ClientError, TimeoutError):
            pass  # the server is gone, and the kernel with it
        finally:
            await self._session.close()

    async def run(self, code: str, seconds: float = 120) -> CellResult:
        """Run a cell to its end. Raises CellError if it raises, PelagosError if it takes longer."""
        assert self._socket is not None  # noqa: S101 - for the type checker
        request = _message(code)
        result = CellResult()
        try:
            async with asyncio.timeout(seconds):
                await self._socket.send_json(request)
                ended = False
                while not ended:
                    message = await self._socket.receive_json()
                    # the end of a kernel is told by its server, as an answer to nobody
                    if message["parent_header"].get("msg_id") == request["header"]["msg_id"] or (
                        _died(message)
                    ):
                        ended = _take(message, result)
        except TimeoutError as error:
            raise PelagosError(f"A cell did not end within {seconds:.0f} s.") from error
        except (aiohttp.ClientError, TypeError) as error:
            raise PelagosError("The connection to the kernel was lost.") from error
        if result.errors:
            raise CellError("\n".join(result.errors))
        return result


def _message(code: str) -> dict[str, Any]:
    return {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "pelagos",
            "session": uuid.uuid4().hex,
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
        "channel": "shell",
        "buffers": [],
    }


def _died(message: dict[str, Any]) -> bool:
    states = ("restarting", "autorestarting", "dead")
    return (
        message["header"]["msg_type"] == "status"
        and message["content"]["execution_state"] in states
    )


def _take(message: dict[str, Any], result: CellResult) -> bool:
    """Add a message to the result; whether it was the last one of the cell."""
    content, kind = message["content"], message["header"]["msg_type"]
    if kind == "stream":
        result.text += content["text"]
    elif kind in ("execute_result", "display_data"):
        result.text += str(content["data"].get("text/plain", "")) + "\n"
    elif kind == "error":
        result.errors.append(f"{content['ename']}: {content['evalue']}")
    elif _died(message):
        result.errors.append(f"The kernel died. {result.text}".strip())
        return True
    return bool(kind == "status" and content["execution_state"] == "idle")
