"""A backend for tests: every server is a tiny HTTP server in the hub's own process."""

from __future__ import annotations

from typing import Any, ClassVar

import jupyterhub
from jupyterhub.spawner import Spawner
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from pelagos.backends.base import ServerMixin, ServerSpec


class _Api(web.RequestHandler):
    def get(self) -> None:
        self.set_header("X-JupyterHub-Version", jupyterhub.__version__)
        self.write({"version": "fake"})


class PelagosFakeSpawner(ServerMixin, Spawner):  # type: ignore[misc]
    """Keeps the contract of a backend without running anything."""

    servers: ClassVar[dict[str, HTTPServer]] = {}
    specs: ClassVar[dict[str, ServerSpec]] = {}

    async def launch(self, spec: ServerSpec) -> tuple[str, int]:
        """Listen on a free port of the loopback."""
        socket, port = bind_unused_port()
        server = HTTPServer(web.Application([(r".*/api", _Api)]))
        server.add_socket(socket)
        self.servers[spec.container] = server
        self.specs[spec.container] = spec
        return "127.0.0.1", port

    async def poll(self) -> Any:
        """None while it listens, else 0."""
        return None if self._container() in self.servers else 0

    async def stop(self, now: bool = False) -> None:
        """Close the port."""
        server = self.servers.pop(self._container(), None)
        if server is not None:
            server.stop()

    def _container(self) -> str:
        return self.spec.container if self._spec else ""
