"""The package is tested from the checkout, installed or not; folders stand for the mounts."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from download_source import Source, serve

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@dataclass
class Storage:
    """A workspace and a dataspace."""

    workspace: Path
    dataspace: Path


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Both, connected, with one virtual lab; no service."""
    found = Storage(tmp_path / "workspace", tmp_path / "dataspace")
    for folder in ("me", "reef-lab", "pool"):
        (found.dataspace / folder).mkdir(parents=True)
    (found.workspace / "shared" / "reef-lab").mkdir(parents=True)
    monkeypatch.setenv("PELAGOS_WORKSPACE", str(found.workspace))
    monkeypatch.setenv("PELAGOS_DATASPACE", str(found.dataspace))
    monkeypatch.delenv("PELAGOS_WORKSPACE_API", raising=False)
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    return found


@dataclass
class Service:
    """The workspace service: answers from `answers`, oldest first, the last one for ever."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, str, Any]] = field(default_factory=list)

    def next(self) -> tuple[int, Any]:
        """The next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def service(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on a real socket, in the environment."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "")
            service.asked.append((self.command, self.path, token, body))
            status, model = service.next()
            content = json.dumps(model).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    monkeypatch.setenv("PELAGOS_WORKSPACE_API", f"http://127.0.0.1:{server.server_port}/w/api")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-ada")
    yield service
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def source() -> Iterator[Source]:
    """A server of files on loopback."""
    with serve() as server:
        yield server
