"""An ERDDAP-like server on loopback that evaluates constraints on real NetCDF files.

    server = Erddap({"ArgoFloats": shared_data(TABLE)}, {"GEBCO_2020": shared_data(GRID)})
    server.start(); server.url  # …/erddap; server.stop()

By ERDDAP's documentation of tabledap and griddap, and strict: what real ones tolerate in a query,
this one refuses with 400, so that a wrongly formed constraint can't pass. Answers have no length
and no version, as real ones. `requests` are the paths that were asked for, with their queries.
`cut`: how many bytes of the next data answers come before the connection ends, oldest first.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import urllib.parse
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

TABLE = "argo/erddap/6659da36f0ec_ArgoFloats.nc"  # 55 levels of floats near 0.5 N 16 W
REFERENCE = "argo/erddap/0f97280439ab_ArgoFloats-reference.nc"
GRID = "argo/gebco/1d16184686cc_GEBCO_2020.nc"

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_CONSTRAINT = re.compile(rf"({_NAME})(!=|=~|<=|>=|=|<|>)(.+)")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_TYPES = {"i1": "byte", "i2": "short", "i4": "int", "f4": "float", "f8": "double", "S1": "String"}
_OPERATORS = {
    "=": np.equal, "!=": np.not_equal, "<=": np.less_equal, ">=": np.greater_equal,
    "<": np.less, ">": np.greater,
}  # fmt: skip


class Refused(Exception):
    """An answer that is no data."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Erddap:
    """See the module. `tables`, `grids`: NetCDF files by data set."""

    def __init__(self, tables: dict[str, Path], grids: dict[str, Path] | None = None) -> None:
        self.tables, self.grids = tables, grids or {}
        self.requests: list[str] = []
        self.cut: list[int] = []
        self.announced = True  # the end of an answer, by chunks
        self._lock = threading.Lock()  # netCDF4 is not safe for threads
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that hangs up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/erddap"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def start(self) -> Erddap:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        try:
            with self._lock:
                kind, body = self._body(handler.path)
        except Refused as error:
            text = f'Error {{\n    code={error.status};\n    message="{error}";\n}}\n'.encode()
            handler.send_response(error.status)
            handler.send_header("Content-Type", "text/plain;charset=UTF-8")
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        is_data = kind == "application/x-netcdf"
        end = self.cut.pop(0) if is_data and self.cut else None
        if self.announced:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        for start in range(0, len(body), 8192):
            piece = body[start : start + 8192]
            if end is not None:
                piece = piece[: max(end - start, 0)]
            if piece:
                handler.wfile.write(
                    b"%x\r\n%s\r\n" % (len(piece), piece) if self.announced else piece
                )
        if end is not None or not self.announced:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    def _body(self, target: str) -> tuple[str, bytes]:
        path, _, query = target.partition("?")
        if re.search(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]", query) or re.search(
            r"%(?![0-9A-Fa-f]{2})", query
        ):
            raise Refused(400, "Query error: characters that must be percent-encoded")
        parts = path.removeprefix("/erddap/").split("/")
        if parts == ["info", "index.json"]:
            page = urllib.parse.parse_qs(query).get("page", ["1"])[0]
            if page != "1":
                raise Refused(404, "Not Found: there is no such page")
            return "application/json", self._index()
        if len(parts) == 3 and parts[0] == "info" and parts[2] == "index.json":
            return "application/json", self._info(parts[1])
        if len(parts) == 2 and parts[0] in ("tabledap", "griddap"):
            data, dot, ending = parts[1].rpartition(".")
            found = self.tables if parts[0] == "tabledap" else self.grids
            if data not in found or not dot:
                raise Refused(404, "Not Found: Currently unknown datasetID=" + parts[1])
            if ending != "nc":
                raise Refused(400, "Query error: fileType")
            ask = _table if parts[0] == "tabledap" else _grid
            return "application/x-netcdf", ask(found[data], query)
        raise Refused(404, "Not Found")

    def _index(self) -> bytes:
        names = [
            "griddap",
            "tabledap",
            "Accessible",
            "Title",
            "Summary",
            "Institution",
            "Dataset ID",
        ]
        rows = []
        for kind, data in [("griddap", one) for one in self.grids] + [
            ("tabledap", one) for one in self.tables
        ]:
            address = f"{self.url}/{kind}/{data}"
            grid, table = (address, "") if kind == "griddap" else ("", address)
            rows.append([grid, table, "public", data, f"Summary of {data}", "Institute", data])
        return _json(names, rows)

    def _info(self, data: str) -> bytes:
        path = self.tables.get(data) or self.grids.get(data)
        if path is None:
            raise Refused(404, "Not Found: Currently unknown datasetID=" + data)
        rows: list[list[str]] = [["attribute", "NC_GLOBAL", "title", "String", data]]
        with netCDF4.Dataset(path) as file:
            for variable in file.variables.values():
                is_axis = data in self.grids and variable.dimensions == (variable.name,)
                kind = _TYPES[variable.dtype.str[1:]]
                rows.append(
                    ["dimension" if is_axis else "variable", variable.name, "", kind,
                     _spacing(variable) if is_axis else ""]
                )  # fmt: skip
                for name in ("standard_name", "long_name", "units", "axis", "positive"):
                    text = getattr(variable, name, "")
                    if text:
                        rows.append(["attribute", variable.name, name, "String", str(text)])
                if kind != "String":
                    values = np.ma.masked_invalid(variable[:])
                    ends = f"{float(values.min())!r}, {float(values.max())!r}"
                    rows.append(["attribute", variable.name, "actual_range", kind, ends])
        return _json(["Row Type", "Variable Name", "Attribute Name", "Data Type", "Value"], rows)


def _json(names: list[str], rows: list[list[str]]) -> bytes:
    return json.dumps({"table": {"columnNames": names, "rows": rows}}).encode()


def _spacing(variable: Any) -> str:
    values = np.asarray(variable[:], float)
    steps = np.diff(values)
    if not len(steps):
        return "nValues=1"
    even = bool(np.allclose(steps, steps[0], rtol=1e-4))
    return f"nValues={len(values)}, evenlySpaced={str(even).lower()}, averageSpacing={steps.mean()}"


def _number(text: str, is_time: bool) -> float:
    if is_time and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", text):
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    if text == "NaN":
        return float("nan")
    if not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text):
        raise Refused(400, f"Query error: invalid number {text[:40]}")
    return float(text)


def _is_time(variable: Any) -> bool:
    return " since " in str(getattr(variable, "units", ""))


def _values(variable: Any) -> Any:
    if variable.dtype.kind == "S":
        return np.asarray(netCDF4.chartostring(variable[:]))
    return np.ma.filled(variable[:].astype(float), np.nan)


def _table(path: Path, query: str) -> bytes:
    parts = [urllib.parse.unquote(part) for part in query.split("&")]
    with netCDF4.Dataset(path) as file:
        names = parts[0].split(",") if parts[0] else list(file.variables)
        for name in names:
            if name not in file.variables:
                raise Refused(400, f"Query error: Unrecognized variable={name}")
        if len(set(names)) != len(names):
            raise Refused(400, "Query error: duplicate variable")
        keep = np.ones(len(file.dimensions["row"]), bool)
        for part in parts[1:]:
            found = _CONSTRAINT.fullmatch(part)
            if not found or found[1] not in file.variables:
                raise Refused(400, f"Query error: No operator found in constraint={part}")
            variable = file.variables[found[1]]
            if variable.dtype.kind == "S":
                raise Refused(400, "Query error: no constraints of texts here")
            wanted = _number(found[3], _is_time(variable))
            keep &= _OPERATORS[found[2]](_values(variable), wanted)
        if not keep.any():
            raise Refused(404, "Not Found: Your query produced no matching results. (nRows = 0)")
        return _written(file, names, {"row": np.flatnonzero(keep)})


def _grid(path: Path, query: str) -> bytes:
    with netCDF4.Dataset(path) as file:
        data = [v for v in file.variables.values() if v.dimensions != (v.name,)]
        axes = data[0].dimensions
        indices = {axis: np.arange(len(file.dimensions[axis])) for axis in axes}
        names = [variable.name for variable in data]
        if query:
            wanted = re.findall(
                rf"({_NAME})((?:\[[^\[\]]*\])*)(?:,|$)", urllib.parse.unquote(query)
            )
            if ",".join(a + b for a, b in wanted) != urllib.parse.unquote(query):
                raise Refused(400, "Query error: not NAME[...][...],NAME[...]")
            names = [name for name, _ in wanted]
            if set(names) - {variable.name for variable in data}:
                raise Refused(404, "Query error: destinationVariableName wasn't found")
            if len({brackets for _, brackets in wanted}) != 1:
                raise Refused(400, "Query error: the variables have different constraints")
            found = _BRACKET.findall(wanted[0][1])
            if len(found) != len(axes):
                raise Refused(400, f"Query error: {len(axes)} pairs of brackets are needed")
            indices = {
                axis: _span(file.variables[axis], text)
                for axis, text in zip(axes, found, strict=True)
            }
        return _written(file, [*axes, *names], indices)


def _span(axis: Any, text: str) -> Any:
    values = np.asarray(axis[:], float)
    if not text:
        return np.arange(len(values))
    # a time in parentheses has colons of its own
    ends = re.findall(r"\([^()]*\)|[^:]+", text)
    if ":".join(ends) != text or len(ends) not in (1, 2, 3):
        raise Refused(400, f"Query error: [{text}] is no [start:stride:stop]")
    if len(ends) == 3 and not re.fullmatch(r"[1-9]\d*", ends[1]):
        raise Refused(400, "Query error: stride")
    first, last = (_index_of(axis, values, end) for end in (ends[0], ends[-1]))
    if first > last:
        raise Refused(404, f"Query error: Start={first} is greater than Stop={last}")
    return np.arange(first, last + 1, int(ends[1]) if len(ends) == 3 else 1)


def _index_of(axis: Any, values: Any, text: str) -> int:
    if text in ("last", "(last)"):
        return len(values) - 1
    if text.startswith("("):
        value = _number(text[1:-1], _is_time(axis))
        slack = 1e-9 * max(1.0, abs(value))
        if not values.min() - slack <= value <= values.max() + slack:
            raise Refused(404, f"Query error: {axis.name}={value} is beyond the axis' ends")
        return int(np.abs(values - value).argmin())
    if not text.isdecimal() or int(text) >= len(values):
        raise Refused(404, f"Query error: index {text[:20]}")
    return int(text)


def _written(file: Any, names: list[str], indices: dict[str, Any]) -> bytes:
    """Some variables, cut to the indices, as a classic NetCDF file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.nc"
        with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as answer:
            answer.setncatts({name: file.getncattr(name) for name in file.ncattrs()})
            for name in names:
                source = file.variables[name]
                source.set_auto_maskandscale(False)
                for dimension in source.dimensions:
                    if dimension not in answer.dimensions:
                        size = len(file.dimensions[dimension])
                        answer.createDimension(
                            dimension, len(indices[dimension]) if dimension in indices else size
                        )
                attributes = {key: source.getncattr(key) for key in source.ncattrs()}
                fill = attributes.pop("_FillValue", None)
                target = answer.createVariable(
                    name, source.dtype, source.dimensions, fill_value=fill
                )
                target.set_auto_maskandscale(False)
                target.setncatts(attributes)
                whole = source[:]
                for place, dimension in enumerate(source.dimensions):
                    if dimension in indices:
                        whole = whole.take(indices[dimension], axis=place)
                target[:] = whole
                source.set_auto_maskandscale(True)
        return path.read_bytes()
