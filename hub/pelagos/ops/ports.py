"""Ports: which are free, and who has them."""

from __future__ import annotations

import errno
import socket
import time

import psutil

from pelagos.errors import PelagosError


def check_port(address: str, port: int, patience: float = 0) -> None:
    """Raise PelagosError if something is there, and stays there for `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            _check_port(address, port)
        except PelagosError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _check_port(address: str, port: int) -> None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        if error.errno == errno.EACCES:
            raise PelagosError(
                f"This user may not listen on port {port}.", "Choose one above 1023: --port N."
            ) from error
        if error.errno != errno.EADDRINUSE:
            raise PelagosError(
                f"Can't listen on {address} port {port}: {error.strerror}.",
                "Give an address of this machine with --bind ADDR.",
            ) from error
        raise PelagosError(
            f"Port {port} on {address or 'this machine'} is in use{_who_listens(port)}.",
            "Choose another one with --port N, or stop what listens there.",
        ) from error


def _who_listens(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr[1:] == (port,) and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    except psutil.Error:
        pass  # not ours to see
    return ""


def free_port(address: str, preferred: int) -> int:
    """`preferred` if it is free, else one that the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PelagosError(f"No free port on {address}.", "Stop something that listens there.")
