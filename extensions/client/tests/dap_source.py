"""A server that speaks as much of DAP 2.0 (OPeNDAP) as netCDF asks for, over some arrays."""

from __future__ import annotations

import contextlib
import re
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np

ARRAYS = {
    "lat": (("lat",), np.arange(-10.0, 11.0, 1.0), "degrees_north"),
    "lon": (("lon",), np.arange(0.0, 360.0, 10.0), "degrees_east"),
    "sst": (("lat", "lon"), np.arange(21 * 36, dtype=float).reshape(21, 36), "degC"),
}
_PART = re.compile(r"(\w+)((?:\[[0-9:]+\])*)")


class Dap:
    """`values`: how many numbers were sent; `asked`: what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.values = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = unquote(self.path).partition("?")
                outer.asked.append(unquote(self.path))
                body = outer.answer(path.rpartition(".")[2], query)
                self.send_response(200 if body else 404)
                self.send_header("XDODS-Server", "dods/3.2")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/dodsC/sst"

    def answer(self, kind: str, query: str) -> bytes:
        parts = {}
        for name, slices in _PART.findall(query) or [(name, "") for name in ARRAYS]:
            cut = []
            for one in re.findall(r"\[([0-9:]+)\]", slices):
                numbers = [int(number) for number in one.split(":")]
                first, last = numbers[0], numbers[-1]
                step = numbers[1] if len(numbers) == 3 else 1
                cut.append(slice(first, last + 1, step))
            parts[name] = ARRAYS[name][1][tuple(cut)]
        dds = "Dataset {\n"
        for name, values in parts.items():
            sizes = zip(ARRAYS[name][0], values.shape, strict=True)
            dds += f"  Float64 {name}{''.join(f'[{dim} = {size}]' for dim, size in sizes)};\n"
        dds += "} sst;\n"
        if kind == "dds":
            return dds.encode()
        if kind == "das":
            inner = "".join(
                f'  {name} {{ String units "{units}"; }}\n'
                for name, (_, _, units) in ARRAYS.items()
            )
            return f"Attributes {{\n{inner}}}\n".encode()
        if kind == "dods":
            self.values += sum(values.size for values in parts.values())
            data = b"".join(
                struct.pack(">II", values.size, values.size) + values.astype(">f8").tobytes()
                for values in parts.values()
            )
            return dds.encode() + b"Data:\n" + data
        return b""

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def serve_dap() -> Iterator[Dap]:
    server = Dap()
    try:
        yield server
    finally:
        server.stop()
