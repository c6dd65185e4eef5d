"""What holds for every route: who may ask, what is refused, and what a start costs."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupyterlab_pelagos
import pelagos_client
import pytest
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.base.handlers import APIHandler
from jupyterlab_pelagos.base import PelagosHandler
from jupyterlab_pelagos.extension import PARTS
from jupyterlab_pelagos.shared import Shared
from lab_server import Ask
from tornado.httpclient import HTTPClientError

VERBS = ("get", "post", "put", "patch", "delete", "head")


def all_routes() -> list[tuple[str, str, type[PelagosHandler]]]:
    """Verb, path and handler of each route of all parts."""
    shared = Shared(Path("/"), "", "", lambda _: None, lambda: None, logging.getLogger("test"))
    found = []
    for part in PARTS:
        for pattern, handler, _ in part.routes(shared):
            # a group of the pattern is an identifier
            path = re.sub(r"\([^)]*\)", "1", pattern).lstrip("/")
            verbs = [verb for verb in VERBS if handler_has(handler, verb)]
            found += [(verb.upper(), path, handler) for verb in verbs]
    return found


def handler_has(handler: type[PelagosHandler], verb: str) -> bool:
    """Whether one of our own classes answers the verb."""
    return any(
        verb in vars(one) and one.__module__.startswith("jupyterlab_pelagos")
        for one in handler.__mro__
    )


ROUTES = all_routes()


class Closed(Authorizer):
    """Lets nobody at what is ours, and writes down who asked for what."""

    asked: list[tuple[str, str]] = []

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        Closed.asked.append((action, resource))
        return resource != "pelagos"


@pytest.fixture
def jp_server_config(request: pytest.FixtureRequest, jp_server_config: Any) -> Any:
    """With the authorizer that a test asks for."""
    if "refusing" in request.fixturenames:
        jp_server_config["ServerApp"]["authorizer_class"] = Closed
    return jp_server_config


@pytest.fixture
def refusing() -> None:
    """Nobody may do anything of ours."""
    Closed.asked.clear()


def test_there_are_routes_of_all_parts() -> None:
    assert {"pelagos/about", "pelagos/collections", "pelagos/granule", "pelagos/preview"} <= {
        path for _, path, _ in ROUTES
    }


def test_without_a_sign_in_nothing_is_answered(
    jp_serverapp: Any, http_server_client: Any, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> None:
    for verb, path, _ in ROUTES:
        with pytest.raises(HTTPClientError) as refused:
            jp_asyncio_loop.run_until_complete(
                http_server_client.fetch(
                    f"{jp_serverapp.base_url}{path}",
                    method=verb,
                    body=b"{}" if verb in ("POST", "PUT", "PATCH") else None,
                    follow_redirects=False,
                    allow_nonstandard_methods=True,
                )
            )
        assert (verb, path, refused.value.code) == (verb, path, 403)


def test_who_is_not_authorized_gets_nothing(refusing: None, ask: Ask) -> None:
    for verb, path, _ in ROUTES:
        body = {} if verb in ("POST", "PUT", "PATCH") else None
        answer = ask(verb, path.removeprefix("pelagos/"), body)
        assert (verb, path, answer.status) == (verb, path, 403)
    assert {resource for _, resource in Closed.asked} == {"pelagos"}
    assert {action for action, _ in Closed.asked} == {"read", "write"}


def test_no_route_lets_another_page_post() -> None:
    """Jupyter Server's check of XSRF, which stands before all verbs, is nowhere replaced."""
    for _, path, handler in ROUTES:
        assert handler.check_xsrf_cookie is APIHandler.check_xsrf_cookie, path
        assert handler.prepare is APIHandler.prepare, path


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("collections", {"criteria": {"q": 7}}, "$.criteria.q"),
        ("collections", {"criteria": {"words": "x"}}, "words"),
        ("granules", {"limits": 5}, "limits"),
        ("granules", {"limit": 0}, "$.limit"),
        ("granules", {"limit": 1001}, "$.limit"),
        ("granules", {"criteria": {"bbox": [0, 0, 1]}}, "$.criteria.bbox"),
        ("granules", {"criteria": {"bbox": [0, 0, 1, 91]}}, "$.criteria.bbox"),
        ("granules", {"criteria": {"facets": {"colour": ["red"]}}}, "$.criteria.facets"),
        ("facets", {"catalogue": "file:///etc/passwd"}, "$.catalogue"),
        ("matches", {"collections": [""]}, "$.collections"),
        ("preview", {"file": "x"}, "file"),
        ("preview", {"path": 3}, "$.path"),
    ],
)
def test_a_wrong_field_is_named(ask: Ask, path: str, body: dict[str, Any], says: str) -> None:
    answer = ask("POST", path, body)
    assert (answer.status, says in answer.json["reason"]) == (400, True), answer.json


@pytest.mark.parametrize("path", ["collections", "matches", "facets", "granules", "preview"])
@pytest.mark.parametrize("body", [[], "x", 0])
def test_what_is_no_body_is_refused(ask: Ask, path: str, body: Any) -> None:
    assert ask("POST", path, body).status == 400


def test_a_wrong_parameter_is_named(ask: Ask) -> None:
    answer = ask("GET", "granule", collection="a", item="b", colour="red")
    assert (answer.status, "colour" in answer.json["reason"]) == (400, True)
    answer = ask("GET", "granule", collection="a")
    assert (answer.status, "item" in answer.json["reason"]) == (400, True)


def test_a_start_loads_nothing_that_only_a_request_needs(tmp_path: Path) -> None:
    code = """
import sys
import jupyterlab_pelagos
from jupyterlab_pelagos import _jupyter_server_extension_points
from jupyter_server.serverapp import ServerApp
before = set(sys.modules)
app = ServerApp()
app.initialize(
    ["--ServerApp.jpserver_extensions={'jupyterlab_pelagos': True}", "--port=0", "--no-browser",
     "--allow-root"],
    new_httpserver=False,
)
assert "jupyterlab_pelagos" in app.extension_manager.extension_apps
heavy = ("pystac", "pystac_client", "xarray", "numpy", "pandas", "netCDF4", "requests",
         "pelagos_client.download", "pelagos_client.opening", "pelagos_client.searching")
new = set(sys.modules) - before
print([name for name in heavy if name in new and name not in before])
"""
    modules = (jupyterlab_pelagos, pelagos_client)
    paths = [str(Path(str(one.__file__)).resolve().parents[1]) for one in modules]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
