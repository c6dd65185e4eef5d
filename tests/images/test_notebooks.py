"""Smoke notebooks pass through the real kernel protocol; tutorials run as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from image_kernel import Kernel
from image_server import GIB, Server, Start
from pelagos.images import Image

ROOT = Path(__file__).resolve().parents[2]
INDEX = yaml.safe_load((ROOT / "notebooks/index.yaml").read_text())["notebooks"]


def cells(notebook: Path) -> list[str]:
    """Sources of the code cells."""
    content = json.loads(notebook.read_text())
    return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]


async def test_the_smoke_notebooks_of_an_image_and_its_parents_pass(
    start: Start, image: Image
) -> None:
    server = start(cpus=1.5, memory=GIB)
    server.wait()
    ancestor: Image | None = image
    while ancestor is not None:
        async with Kernel(server) as kernel:
            for source in cells(ancestor.smoke_notebook):
                await kernel.run(source, seconds=120)
        ancestor = ancestor.parent


@pytest.mark.image("python")
def test_a_new_home_gets_the_tutorials_and_they_run(server: Server) -> None:
    given = server.run("find", "/home/jovyan/tutorials", "-name", "*.ipynb").split()
    shipped = {Path(entry["path"]).name: entry for entry in INDEX if entry["image"] == "python"}
    assert shipped
    assert {Path(path).name for path in given} == set(shipped)
    alone = [path for path in given if not shipped[Path(path).name].get("services")]
    assert alone
    for path in alone:
        server.python(
            "import nbclient, nbformat\n"
            f"notebook = nbformat.read({path!r}, 4)\n"
            "nbclient.NotebookClient(notebook, timeout=120,\n"
            f"    resources={{'metadata': {{'path': {str(Path(path).parent)!r}}}}}).execute()\n"
            "figures = [o for c in notebook.cells if c.cell_type == 'code' for o in c.outputs\n"
            "           if 'image/png' in o.get('data', {})]\n"
            "warned = [o.text for c in notebook.cells if c.cell_type == 'code'\n"
            "          for o in c.outputs if o.get('name') == 'stderr']\n"
            "assert figures, 'no figure'\n"
            "assert not warned, warned\n"
        )


@pytest.mark.parametrize("entry", INDEX, ids=lambda e: Path(e["path"]).stem)
def test_a_notebook_of_the_index_is_stored_without_outputs(entry: dict[str, Any]) -> None:
    assert set(entry) - {"services"} == {"title", "path", "image", "description"}
    content = json.loads((ROOT / "notebooks" / entry["path"]).read_text())
    assert content["cells"][0]["source"][0].strip() == f"# {entry['title']}"
    for cell in content["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_no_notebook_is_left_out_of_the_index() -> None:
    found = {str(p.relative_to(ROOT / "notebooks")) for p in (ROOT / "notebooks").rglob("*.ipynb")}
    assert found == {entry["path"] for entry in INDEX}


@pytest.mark.image("python")
def test_a_local_dask_cluster_keeps_to_the_limits(server: Server) -> None:
    told = server.python(_CLUSTER)
    workers, threads, memory = (int(part) for part in told.split()[-3:])
    # one and a half core and 1 GiB
    assert workers * threads == 2
    assert 0.9 * GIB < memory <= GIB


_CLUSTER = """
from dask.distributed import Client, LocalCluster

if __name__ == "__main__":
    with LocalCluster(dashboard_address=None) as cluster, Client(cluster) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert client.submit(sum, [1, 2]).result() == 3
        print(len(workers), next(iter(workers))["nthreads"],
              sum(w["memory_limit"] for w in workers))
"""


@pytest.mark.image("python")
async def test_matplotlib_does_not_have_to_look_for_fonts(server: Server) -> None:
    async with Kernel(server) as kernel:
        found = await kernel.run(
            "import matplotlib, pathlib\n"
            "print(*(p.name for p in pathlib.Path(matplotlib.get_cachedir()).iterdir()))"
        )
    assert "fontlist" in found
