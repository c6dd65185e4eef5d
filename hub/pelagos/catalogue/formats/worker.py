"""The process that reads files: it may be killed, run out of memory or crash at any of them.

Its standard input is a socket. For each file it is sent one byte with the file's descriptor, `n`
for NetCDF and `o` for ODV, and answers with one line of JSON: `{"summary": …}` or
`{"unreadable": reason}`.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import time
import warnings

from pelagos.catalogue.formats.summary import Summary, UnreadableError, to_json

MEMORY = 2 * 2**30  # bytes of address space
CPU = 120  # seconds of one file: also when nobody is left to end this process


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_next() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + CPU, most))


def read(kind: bytes, path: str) -> Summary:
    """Read one file. Raises UnreadableError."""
    if kind == b"o":
        from pelagos.catalogue.formats.odv import read_odv

        return read_odv(path)
    from pelagos.catalogue.formats.netcdf_metadata import read_netcdf

    return read_netcdf(path)


def _answer(kind: bytes, descriptor: int) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = {"summary": to_json(read(kind, f"/dev/fd/{descriptor}"))}
        return json.dumps(found).encode() + b"\n"
    except UnreadableError as error:
        reason = str(error)
    except MemoryError:
        reason = "reading it takes too much memory"
    except RecursionError:
        reason = "it is nested too deeply"
    return json.dumps({"unreadable": reason.replace(f"/dev/fd/{descriptor}", "the file")}).encode(
    ) + b"\n"  # fmt: skip


def main() -> None:
    """Serve until the other side closes."""
    _limit()
    with socket.socket(fileno=os.dup(0)) as channel:
        while True:
            kind, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
            if not kind or not descriptors:
                return
            _limit_next()
            try:
                channel.sendall(_answer(kind, descriptors[0]))
            finally:
                os.close(descriptors[0])


if __name__ == "__main__":
    main()
