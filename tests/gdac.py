"""A loopback GDAC: Argo's real files at their real paths, and a profile index that leads to them.

    with serve_gdac() as gdac:
        source(gdac.index_url, gdac.files_url)
        ...
        assert gdac.gets("/dac/meds/4900882/profiles/D4900882_029.nc") == 1

It answers as a plain Apache does: ETag and Last-Modified, 304, one Range at a time, If-Range.
"""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import json
import re
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
from loopback import Asked, Loopback, Reply, serve
from shared_data import shared_data

INDEX = "/ar_index_global_prof.txt"
_EPOCH = datetime(1950, 1, 1, tzinfo=UTC)  # of JULD
_CYCLE = re.compile(r"dac/[a-z]+/\d+/profiles/[RD]\d+_\d+D?\.nc")
_COLUMNS = "file,date,latitude,longitude,ocean,profiler_type,institution,date_update"
_UPDATED = "20260301000000"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_NETCDF = "application/x-netcdf"

# of the settings: the catalogue's sources, and a box that five of the recorded profiles are in
STARTER = """\
    - name: starter
      title: Starter data
      kind: files
      path: package:iris_sample_data/sample_data
      description: builtin:starter
"""
ARGO = """\
    - name: argo
      title: Argo GDAC on loopback
      kind: argo-index
      url: {index}
      files: {files}
      rate: 100
"""
BOX = (-58.0, 40.0, -54.0, 44.0)


class Gdac:
    """A running one."""

    def __init__(self, server: Loopback, files: dict[str, Path], index: bytes) -> None:
        self.server = server
        self.files = files  # by the path at the GDAC, such as /dac/aoml/13857/13857_prof.nc
        self.index = index
        # now, by one thread: netCDF4 is not safe for the server's
        self._updates = {path: _update(path) for path in files.values()}
        self.slow: dict[str, float] = {}  # seconds before an answer, by path

    @property
    def index_url(self) -> str:
        """The address of the profile index."""
        return f"{self.server.url}{INDEX}.gz"

    @property
    def files_url(self) -> str:
        """The address of the folder `dac`."""
        return f"{self.server.url}/dac"

    @property
    def source(self) -> str:
        """Of the settings: the source that harvests it."""
        return ARGO.format(index=self.index_url, files=self.files_url)

    def file(self, name: str) -> Path:
        """The recorded file of this name, such as D4900882_029.nc."""
        return next(path for path in self.files.values() if path.name == name)

    def gets(self, path: str = "/dac/") -> int:
        """How many requests for a file, or for files below a folder, came so far."""
        return sum(
            asked.method == "GET"
            and (asked.path == path or (path.endswith("/") and asked.path.startswith(path)))
            for asked in list(self.server.requests)
        )

    def answer(self, asked: Asked) -> Reply:
        """What Apache answers."""
        if asked.path in (INDEX, f"{INDEX}.gz"):
            packed = asked.path.endswith(".gz")
            # mtime: the same bytes each time
            body = gzip.compress(self.index, mtime=0) if packed else self.index
            return _reply(asked, body, "application/x-gzip" if packed else "text/plain", _UPDATED)
        path = self.files.get(asked.path)
        if path is None:
            return Reply("Not Found", "text/plain", 404)
        if asked.path in self.slow:
            asked.server.stopping.wait(self.slow[asked.path])
        return _reply(asked, path.read_bytes(), _NETCDF, self._updates[path])


def recorded_files() -> dict[str, Path]:
    """The recorded NetCDF files, by their path at the GDAC."""
    folder = shared_data("argo/gdac")
    found: dict[str, Path] = {}
    for entry in json.loads(shared_data("index.json").read_text()):
        path = folder.parents[1] / entry["file"]
        if path.parent == folder and path.suffix == ".nc":
            found[urllib.parse.urlsplit(entry["url"]).path] = path
    return found


def index_of(files: dict[str, Path]) -> bytes:
    """A profile index of the single-cycle files. As at a GDAC, a profile has one file: its
    delayed-mode file takes the place of the real-time one."""
    excerpt = shared_data("argo/gdac-index/ar_index_global_prof.txt").read_text()
    recorded = {line.partition(",")[0]: line for line in excerpt.splitlines()}
    lines: dict[str, str] = {}
    for path in sorted(files, reverse=True):  # R before D
        if _CYCLE.fullmatch(path.removeprefix("/")):
            name = path.removeprefix("/dac/")
            folder, _, file = name.rpartition("/")
            lines[f"{folder}/{file[1:]}"] = recorded.get(name) or _line(name, files[path])
    head = [
        "# Title : Profile directory file of the Argo Global Data Assembly Center",
        "# Description : The directory file describes all individual profile files of the GDAC.",
        "# Project : ARGO",
        "# Format version : 2.0",
        f"# Date of update : {_UPDATED}",
        "# GDAC node : LOOPBACK",
        _COLUMNS,
    ]
    return ("\n".join([*head, *(lines[key] for key in sorted(lines))]) + "\n").encode()


def _line(name: str, path: Path) -> str:
    with netCDF4.Dataset(path) as file:
        date = _EPOCH + timedelta(days=float(file["JULD"][0]))
        latitude, longitude = float(file["LATITUDE"][0]), float(file["LONGITUDE"][0])
        assert -70 < longitude < 20, "all recorded profiles are of the Atlantic"
        return ",".join(
            [
                name,
                f"{date:%Y%m%d%H%M%S}",
                f"{latitude:.3f}",
                f"{longitude:.3f}",
                "A",
                _text(file["WMO_INST_TYPE"]),
                _text(file["DATA_CENTRE"]),
                _text(file["DATE_UPDATE"]),
            ]
        )


def _text(variable: Any) -> str:
    return b"".join(variable[:].filled(b" ").reshape(-1)).decode("ascii").strip()


def _update(path: Path) -> str:
    with netCDF4.Dataset(path) as file:
        return _text(file["DATE_UPDATE"])


def _reply(asked: Asked, body: bytes, kind: str, updated: str) -> Reply:
    changed = datetime.strptime(updated, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    tag = f'"{len(body):x}-{int(changed.timestamp()):x}"'
    modified = email.utils.format_datetime(changed, usegmt=True)
    headers = {"ETag": tag, "Last-Modified": modified, "Accept-Ranges": "bytes"}
    sent = asked.headers
    if sent.get("if-none-match") == tag or (
        "if-none-match" not in sent and sent.get("if-modified-since") == modified
    ):
        return Reply(status=304, headers=headers | {"Content-Type": "", "Content-Length": ""})
    wanted = _RANGE.fullmatch(sent.get("range", ""))
    if wanted and sent.get("if-range", tag) in (tag, modified):
        first, last = wanted.groups()
        begin = int(first) if first else max(0, len(body) - int(last))
        end = min(int(last) + 1, len(body)) if first and last else len(body)
        if begin >= end:
            headers["Content-Range"] = f"bytes */{len(body)}"
            return Reply(b"", "text/plain", 416, headers)
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(body)}"
        return Reply(body[begin:end], kind, 206, headers)
    return Reply(body, kind, 200, headers)


@contextlib.contextmanager
def serve_gdac() -> Iterator[Gdac]:
    """A GDAC on a free port of the loopback."""
    files = recorded_files()
    index = index_of(files)
    with serve({}) as server:
        gdac = Gdac(server, files, index)
        server.default = gdac.answer
        yield gdac
