"""An OPeNDAP server on loopback over real NetCDF files: DAP 2.0's DDS, DAS and DODS.

    server = Dap({"sst": path}).start(); f"{server.url}/sst"; server.stop()

Written by ESE-RFC-004; netCDF's own client reads it (`test_access_opendap`). Variables with axes of
their own are grids, as THREDDS has them. Only steps of 1 are understood.
"""

from __future__ import annotations

import re
import struct
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from loopback import Asked, Loopback, Reply

_TYPES = {
    "i1": "Byte",
    "u1": "Byte",
    "i2": "Int16",
    "i4": "Int32",
    "f4": "Float32",
    "f8": "Float64",
}
_SENT = {"Byte": "u1", "Int16": ">i4", "Int32": ">i4", "Float32": ">f4", "Float64": ">f8"}
_PART = re.compile(r"([A-Za-z_][\w.]*)((?:\[\d+(?::1)?(?::\d+)?\])*)")
_SPAN = re.compile(r"\[(\d+)(?::1(?=:))?(?::(\d+))?\]")


class Dap:
    """See the module. `cut`: how many bytes less the next answers of values have."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files, self.cut = files, [0]
        self.asked: list[str] = []  # of values
        self._lock = threading.Lock()
        self.server = Loopback({}, self._answer)
        self.url = f"{self.server.url}/thredds/dodsC"

    def stop(self) -> None:
        self.server.stop()

    def _answer(self, asked: Asked) -> Reply:
        name, _, ending = asked.path.rpartition("/")[2].rpartition(".")
        query = urllib.parse.unquote(asked.handler.path.partition("?")[2])
        if name not in self.files:
            return Reply('Error { code = 404; message = "no such file"; };', "text/plain", 404)
        with self._lock, netCDF4.Dataset(self.files[name]) as file:
            file.set_auto_maskandscale(False)
            if ending == "dds":
                return Reply(_dds(file, name, query), "text/plain")
            if ending == "das":
                return Reply(_das(file), "text/plain")
            if ending == "dods":
                self.asked.append(query)
                body = _dods(file, name, query)
                cut = self.cut.pop(0) if len(self.cut) > 1 else self.cut[0]
                return Reply(body[: len(body) - cut], "application/octet-stream")
        return Reply(b"", status=400)


def _is_grid(file: Any, variable: Any) -> bool:
    return len(variable.dimensions) > 1 and all(
        one in file.variables for one in variable.dimensions
    )


def _declared(variable: Any, spans: list[tuple[int, int]] | None = None) -> str:
    sizes = variable.shape if spans is None else [last - first + 1 for first, last in spans]
    dimensions = "".join(f"[{d} = {n}]" for d, n in zip(variable.dimensions, sizes, strict=True))
    return f"{_TYPES[variable.dtype.str[1:]]} {variable.name}{dimensions};"


def _dds(file: Any, name: str, query: str) -> str:
    if query:
        return _cut(file, name, query)[0]
    lines = []
    for variable in file.variables.values():
        if variable.dtype == "S1":
            continue
        if _is_grid(file, variable):
            maps = "\n".join(_declared(file.variables[one]) for one in variable.dimensions)
            lines.append(
                f"Grid {{\n ARRAY:\n{_declared(variable)}\n MAPS:\n{maps}\n}} {variable.name};"
            )
        else:
            lines.append(_declared(variable))
    return "Dataset {\n" + "\n".join(lines) + f"\n}} {name};\n"


def _das(file: Any) -> str:
    def one(owner: Any) -> str:
        lines = []
        for key in owner.ncattrs():
            value = owner.getncattr(key)
            if isinstance(value, str):
                text = value.replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'String {key} "{text}";')
            else:
                values = np.atleast_1d(value)
                kind = _TYPES[values.dtype.str[1:]]
                lines.append(f"{kind} {key} {', '.join(repr(n.item()) for n in values)};")
        return "\n".join(lines)

    parts = [f"{v.name} {{\n{one(v)}\n}}" for v in file.variables.values() if v.dtype != "S1"]
    return "Attributes {\n" + "\n".join([*parts, f"NC_GLOBAL {{\n{one(file)}\n}}"]) + "\n}\n"


def _cut(file: Any, name: str, query: str) -> tuple[str, list[tuple[Any, list[tuple[int, int]]]]]:
    lines, found = [], []
    for text in query.split(","):
        match = _PART.fullmatch(text)
        assert match, query
        owner, _, inner = match[1].rpartition(".")
        variable = file.variables[inner]
        spans = [(int(a), int(b or a)) for a, b in _SPAN.findall(match[2])]
        spans = spans or [(0, size - 1) for size in variable.shape]
        assert len(spans) == variable.ndim, query
        assert all(0 <= a <= b < n for (a, b), n in zip(spans, variable.shape, strict=True)), query
        inside = _declared(variable, spans)
        lines.append(f"Structure {{\n{inside}\n}} {owner};" if owner else inside)
        found.append((variable, spans))
    return "Dataset {\n" + "\n".join(lines) + f"\n}} {name};\n", found


def _dods(file: Any, name: str, query: str) -> bytes:
    head, found = _cut(file, name, query)
    out = bytearray(head.encode() + b"\nData:\n")
    for variable, spans in found:
        values = variable[tuple(slice(first, last + 1) for first, last in spans)]
        kind = _TYPES[variable.dtype.str[1:]]
        data = np.asarray(values).astype(_SENT[kind]).tobytes()
        if not spans:
            out += data.rjust(4, b"\0")
            continue
        out += struct.pack(">II", values.size, values.size) + data
        out += bytes(-len(data) % 4)
    return bytes(out)
