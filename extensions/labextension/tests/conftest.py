"""A real Jupyter Server with the extension, and nothing of the machine's configuration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from download_source import Source, serve
from lab_server import Answer, Ask
from lab_vre import Vre, vre_in

# by name: as a plugin it would run all coroutine tests, which are pytest-asyncio's here
from pytest_jupyter.jupyter_core import (
    echo_kernel_spec,
    jp_asyncio_loop,
    jp_config_dir,
    jp_data_dir,
    jp_env_config_path,
    jp_env_jupyter_path,
    jp_environ,
    jp_home_dir,
    jp_kernel_dir,
    jp_runtime_dir,
    jp_system_config_path,
    jp_system_jupyter_path,
)
from pytest_jupyter.jupyter_server import (
    jp_argv,
    jp_auth_header,
    jp_base_url,
    jp_configurable_serverapp,
    jp_extension_environ,
    jp_fetch,
    jp_http_port,
    jp_logging_stream,
    jp_nbconvert_templates,
    jp_root_dir,
    jp_server_auth_core_resources,
    jp_server_auth_resources,
    jp_server_authorizer,
    jp_server_cleanup,
    jp_serverapp,
    jp_template_dir,
    jp_web_app,
)
from pytest_jupyter.pytest_tornasync import (
    http_server,
    http_server_client,
    http_server_port,
    io_loop,
)
from tornado.httpclient import HTTPClientError

# what a server of a VRE has in its environment
VARIABLES = (
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_SERVICE_PREFIX",
    "PELAGOS_CATALOGUE_API",
    "PELAGOS_DATAPOOL_API",
    "PELAGOS_WORKSPACE_API",
    "PELAGOS_WORKSPACE",
    "PELAGOS_DATASPACE",
    "PELAGOS_VIRTUAL_LAB",
)


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test says itself what is around its server."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Ours is on; without a token nobody gets in."""
    extensions = {"jupyterlab_pelagos": True, "jupyter_server_terminals": False}
    return {"ServerApp": {"jpserver_extensions": extensions, "allow_unauthenticated_access": False}}


@pytest.fixture
def ask(jp_fetch: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Ask:
    """`ask("GET", "about")`, `ask("POST", "basket", {...})`: a request below `/pelagos/`.

    The loop is that of pytest-jupyter, whose server runs in it while a request is awaited, so
    tests are plain functions.
    """

    def ask(method: str, path: str, body: Any = None, **params: Any) -> Answer:
        sent = None if body is None else json.dumps(body)
        if method == "GET":
            # as JupyterLab's own requests have it, so that no cache answers
            params = {**params, "1795277917964": ""}
        try:
            found = jp_asyncio_loop.run_until_complete(
                jp_fetch(
                    "pelagos",
                    *path.split("/"),
                    method=method,
                    body=sent,
                    params=params,
                    allow_nonstandard_methods=True,
                )
            )
        except HTTPClientError as error:
            if error.response is None:
                raise  # no answer at all
            return Answer(error.code, error.response.body)
        return Answer(found.code, found.body)

    return ask


@pytest.fixture
def source() -> Iterator[Source]:
    """Where the data pool of `vre` fetches from."""
    with serve() as server:
        yield server


@pytest.fixture
def vre(
    source: Source,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    jp_serverapp: Any,
) -> Iterator[Vre]:
    """A server of a VRE, with a real data pool behind it."""
    # not below tmp_path, whose name is too long for sockets
    with vre_in(tmp_path_factory.mktemp("vre"), source, monkeypatch) as found:
        yield found
        # the service waits for those who follow
        jp_serverapp.web_app.settings["pelagos_shared"].stop()
