"""How a web service of the hub runs as a program."""

from __future__ import annotations

from fastapi import FastAPI

from pelagos.services.processes import serve as in_processes


def serve(app: FastAPI, host: str, port: int, processes: int = 1) -> int:
    """Answer until SIGTERM; the exit code. See `processes.serve`."""
    return in_processes(
        app,
        host,
        port,
        processes,
        log_level="warning",
        # addresses of the sign-in hold codes
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=500,
        timeout_graceful_shutdown=5,
    )
