"""A home without space, or that cannot be written, keeps nobody from working."""

from __future__ import annotations

import pytest
from image_kernel import Kernel
from image_server import Server, Start
from test_start import complaints

FULL = {
    "tmpfs": {"/run": "size=16m", "/home/jovyan": "size=64k,uid=1000,gid=1000,mode=755"},
    # fill it before the server starts
    "entrypoint": [
        "tini", "-g", "--", "sh", "-c",
        "cat /dev/zero >~/full 2>/dev/null; exec /opt/pelagos/bin/start jupyterhub-singleuser",
    ],
    "volumes": ["/tmp"],
}  # fmt: skip
READ_ONLY = {
    "tmpfs": {"/run": "size=16m", "/home/jovyan": "ro,size=64k,uid=1000,gid=1000,mode=755"},
    "volumes": ["/tmp"],
}


@pytest.mark.parametrize("home", [FULL, READ_ONLY], ids=["full", "read-only"])
async def test_a_home_that_takes_nothing_stops_neither_lab_nor_a_kernel(
    start: Start, home: dict[str, object]
) -> None:
    server = start(cpus=2, **home)
    server.wait()
    with pytest.raises(AssertionError):
        server.run("sh", "-c", "echo 12345678 >~/something && cat ~/something | grep 1")
    with server.http() as http:
        assert http.get("lab").status_code == 200
        assert http.get("lab/api/settings").status_code == 200
        workspace = http.put(
            "lab/api/workspaces/default",
            json={"data": {}, "metadata": {"id": "default"}},
        )
        assert workspace.status_code == 204, workspace.text
    async with Kernel(server) as kernel:
        assert await kernel.run("6 * 7") == "42"
    assert complaints(server.log()) == []
    # a preference cannot be kept: the answer says so, and nothing breaks
    with server.http() as http:
        refused = http.put(
            "lab/api/settings/@jupyterlab/apputils-extension:themes",
            json={"raw": '{"theme": "JupyterLab Dark"}'},
        )
        assert refused.status_code >= 400
        assert http.get("lab").status_code == 200


def test_nothing_is_written_to_the_home_before_the_person_does_something(server: Server) -> None:
    files = server.run("find", "/home/jovyan", "-mindepth", "1", "-not", "-path", "*/tutorials*")
    names = {name.removeprefix("/home/jovyan/") for name in files.split()}
    # the links to people's storage take no space
    assert names <= {".bashrc", ".profile", ".bash_logout", "workspace", "dataspace"}
