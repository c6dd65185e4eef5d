"""The data pool as a scientist meets it: Argo profiles ordered, opened, plotted and cited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from gdac import BOX, STARTER, Gdac, serve_gdac
from pelagos.services.identity import Hub
from support import Vre, cell, start, stop, until

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = f"catalogue:\n  sources:\n{STARTER}"
FIRST, LAST = datetime(2007, 8, 1, tzinfo=UTC), datetime(2007, 8, 24, 23, 59, 59, tzinfo=UTC)
SEARCH = f"""
import hashlib, json, os, pathlib
import pelagos_client as pelagos
items = pelagos.search(
    collections="argo.profiles", bbox={BOX}, datetime="2007-08-01/2007-08-24", q="Argo"
)
"""
ORDER = SEARCH + "order = pelagos.order(items).wait(timeout=180, progress=False)\n"
SUMS = """
print(json.dumps({
    "number": order.number, "folder": str(order.folder), "cached": order.status.cached,
    "sums": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in order.files},
    "real": [os.path.realpath(path) for path in order.files],
    "inside": {
        path.name: [path.is_symlink(), hashlib.sha256(path.read_bytes()).hexdigest()]
        for path in order.folder.rglob("*.nc")
    },
    "beside": sorted(path.name for path in order.folder.iterdir()),
}))
"""


@pytest.fixture(scope="module")
def gdac() -> Iterator[Gdac]:
    with serve_gdac() as server:
        yield server


@pytest.fixture(scope="module")
def vre(gdac: Gdac, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vre]:
    """One that harvests the loopback GDAC; its two people have servers."""
    vre = Vre(tmp_path_factory.mktemp("pool") / "state", SETTINGS + gdac.source)
    try:
        vre.up("--backend", "docker")
        for source in ("argo", "starter"):
            done = vre.run("harvest", source)
            assert done.returncode == 0, done.stdout + done.stderr
        for name in ("ada", "nia"):
            start(vre, name, "python")
        yield vre
    finally:
        vre.down()


@pytest.fixture(scope="module")
def profiles(gdac: Gdac) -> dict[str, Path]:
    """What must be found: the recorded files of the box and the time, by their names."""
    found = {}
    for path in gdac.files.values():
        if path.name[0] in "RD" and "traj" not in path.name:
            with netCDF4.Dataset(path) as file:
                latitude, longitude = float(file["LATITUDE"][0]), float(file["LONGITUDE"][0])
                moment = datetime(1950, 1, 1, tzinfo=UTC) + timedelta(days=float(file["JULD"][0]))
            west, south, east, north = BOX
            inside = west <= longitude <= east and south <= latitude <= north
            if inside and FIRST <= moment <= LAST:
                found[path.name] = path
    assert len(found) == 5
    return found


def asked(vre: Vre, user: str, source: str) -> Any:
    """The JSON that a cell prints last."""
    return json.loads(cell(vre, user, source).splitlines()[-1])


def sums(files: dict[str, Path]) -> dict[str, str]:
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


@pytest.fixture(scope="module")
def ordered(vre: Vre, gdac: Gdac, profiles: dict[str, Path]) -> dict[str, Any]:
    """Ada's order, ready."""
    assert gdac.gets() == 0
    found: dict[str, Any] = asked(vre, "ada", ORDER + SUMS)
    return found


def test_an_estimate_says_what_an_order_would_be(vre: Vre, profiles: dict[str, Path]) -> None:
    found = asked(
        vre,
        "ada",
        SEARCH + "e = pelagos.estimate(items)\n"
        "print(json.dumps([e.files, e.fits, e.free > 0, [i.id for i in items]]))",
    )
    assert found[:3] == [5, True, True]
    assert sorted(found[3]) == sorted(name[1:-3] for name in profiles)


def test_profiles_of_a_box_and_a_time_come_whole_and_once(
    ordered: dict[str, Any], gdac: Gdac, profiles: dict[str, Path]
) -> None:
    assert ordered["sums"] == sums(profiles)
    assert ordered["cached"] == 0
    for path, recorded in gdac.files.items():
        assert gdac.gets(path) == (1 if recorded.name in profiles else 0), path


def test_an_orders_folder_leads_into_the_pool_and_explains_itself(
    vre: Vre, ordered: dict[str, Any], profiles: dict[str, Path]
) -> None:
    number = ordered["number"]
    assert ordered["folder"].endswith(f"/me/orders/{number}")
    assert ordered["inside"] == {name: [True, digest] for name, digest in sums(profiles).items()}
    assert all(path.startswith("/dataspace/pool/argo/") for path in ordered["real"])
    assert {"CITATION.txt", "query.json", "ro-crate-metadata.json"} <= set(ordered["beside"])
    look = f"""
import json, os, pathlib
folder = pathlib.Path.home() / "dataspace" / "me" / "orders" / "{number}"
graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
root = next(one for one in graph if one["@id"] == "./")
query = (folder / "query.json").read_text()
print(json.dumps([len(root["hasPart"]), "2007-08" in query, (folder / "CITATION.txt").read_text()]))
"""
    parts, has_query, citation = asked(vre, "ada", look)
    assert parts >= 5
    assert has_query
    assert "10.17882/42182" in citation


def test_what_is_opened_has_the_sources_values_and_is_plotted(
    vre: Vre, ordered: dict[str, Any], profiles: dict[str, Path]
) -> None:
    source = f"""
order = pelagos.get({ordered["number"]})
import matplotlib
matplotlib.use("Agg")
import matplotlib.image, matplotlib.pyplot as plt
values, figure_axes = {{}}, plt.subplots()
figure, axes = figure_axes
for item in items:
    profile = pelagos.open(item)
    temperature = profile["TEMP"].values.ravel()
    axes.plot(temperature, profile["PRES"].values.ravel())
    values[item.id] = [None if v != v else float(v) for v in temperature]
axes.invert_yaxis()
axes.set(xlabel="temperature (°C)", ylabel="pressure (dbar)")
path = order.folder / "profiles.png"
figure.savefig(path)
image = matplotlib.image.imread(path)
print(json.dumps([values, path.read_bytes()[1:4].decode(), float(image.std())]))
"""
    values, kind, spread = asked(vre, "ada", SEARCH + source)
    assert kind == "PNG"
    assert spread > 0.05
    assert len(values) == 5
    for name, path in profiles.items():
        with netCDF4.Dataset(path) as file:
            expected = np.ma.filled(file["TEMP"][:].astype("f8"), np.nan).ravel()
        there = np.array([np.nan if one is None else one for one in values[name[1:-3]]])
        np.testing.assert_array_equal(there, expected)
        assert np.nanmax(there) > 10


def test_an_order_cites_argo_with_its_doi_and_licence(vre: Vre, ordered: dict[str, Any]) -> None:
    source = f"""
import json
import pelagos_client as pelagos
cited = pelagos.get({ordered["number"]}).cite()
print(json.dumps([len(cited), cited[0].doi, cited[0].licence, str(cited[0])]))
"""
    count, doi, licence, text = asked(vre, "ada", source)
    assert (count, doi, licence) == (1, "10.17882/42182", "CC-BY-4.0")
    assert text.startswith("Argo (2000)")


def test_nobody_writes_into_the_pool(vre: Vre, ordered: dict[str, Any]) -> None:
    source = f"""
import json, os
refused = 0
path = {ordered["real"][0]!r}
for attempt in (
    lambda: open(path, "r+b"), lambda: os.remove(path), lambda: os.chmod(path, 0o777),
    lambda: open(os.path.dirname(path) + "/new", "w"), lambda: os.rename(path, path + "x"),
):
    try:
        attempt()
    except OSError:
        refused += 1
print(json.dumps(refused))
"""
    assert asked(vre, "ada", source) == 5


def test_a_second_person_gets_it_from_the_pool(
    vre: Vre, gdac: Gdac, ordered: dict[str, Any], profiles: dict[str, Path]
) -> None:
    before = gdac.gets()
    found = asked(vre, "nia", ORDER + SUMS)
    assert found["sums"] == sums(profiles)
    assert found["cached"] == 5
    assert found["real"] == ordered["real"]
    assert gdac.gets() == before
    # ada's orders are hers
    refused = cell(
        vre,
        "nia",
        "import pelagos_client as pelagos\n"
        f"try:\n    print(pelagos.get({ordered['number']}).status)\n"
        "except pelagos.PelagosError as error:\n    print(type(error).__name__)",
    )
    assert refused.endswith("Error")


def test_an_order_to_the_workspace_arrives_there_with_the_same_sums(
    vre: Vre, gdac: Gdac, ordered: dict[str, Any], profiles: dict[str, Path]
) -> None:
    before = gdac.gets()
    source = ORDER.replace("order(items)", 'order(items, to="workspace")') + SUMS
    found = asked(vre, "ada", source)
    assert found["folder"].endswith(f"orders/{found['number']}")
    assert found["sums"] == sums(profiles)
    assert found["inside"] == {name: [False, digest] for name, digest in sums(profiles).items()}
    assert all(path.startswith("/mnt/workspace/data/orders/") for path in found["real"])
    assert gdac.gets() == before
    # and on the WebDAV server's own disk, not only in a cache
    folder = vre.deployment.layout.user_workspace("ada") / "orders" / str(found["number"])
    here = {path.name: path for path in folder.rglob("*.nc")}
    assert sums(here) == sums(profiles)


def test_the_tutorial_runs_as_a_person_runs_it(vre: Vre) -> None:
    source = """
import json, pathlib
import nbclient, nbformat
path = pathlib.Path.home() / "tutorials" / "order-data.ipynb"
notebook = nbformat.read(path, 4)
resources = {"metadata": {"path": str(path.parent)}}
nbclient.NotebookClient(notebook, timeout=180, resources=resources).execute()
outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
print(json.dumps([
    sum("image/png" in o.get("data", {}) for o in outputs),
    [o["text"] for o in outputs if o.get("name") == "stderr"],
    " ".join(str(o.get("data", {}).get("text/plain", "")) for o in outputs),
]))
"""
    figures, warned, text = asked(vre, "nia", source)
    assert figures == 2
    assert warned == []
    assert "British Crown copyright" in text


def test_status_and_doctor_tell_of_the_pool(vre: Vre, ordered: dict[str, Any]) -> None:
    def told() -> dict[str, Any] | None:
        found: dict[str, Any] | None = vre.status()["datapool"]
        return found

    found = until(told, 30, "the data pool in status")
    assert found["files"] >= 5
    assert found["failed"] == 0
    assert "data pool: " in vre.run("status").stdout
    findings = json.loads(vre.run("doctor", "--json").stdout)["findings"]
    assert {"name": "orders", "level": "ok"}.items() <= next(
        one for one in findings if one["name"] == "orders"
    ).items()


def test_orders_end_with_their_owners_servers_running_or_not(vre: Vre, gdac: Gdac) -> None:
    """The work goes on without a server; the order is found again with the next one."""
    source = """
import json
import pelagos_client as pelagos
items = pelagos.search(collections="argo.profiles", bbox=(-30, -1, -15, 4), datetime="1997/2000")
print(json.dumps([pelagos.order(items).number, len(items)]))
"""
    number, count = asked(vre, "nia", source)
    stop(vre, "nia")
    start(vre, "nia", "python")
    again = f"""
import json
import pelagos_client as pelagos
order = pelagos.get({number}).wait(timeout=120, progress=False)
print(json.dumps([len(order.files), all(path.exists() for path in order.files)]))
"""
    assert asked(vre, "nia", again) == [count, True]
    assert count >= 5


@pytest.mark.parametrize(
    ("image", "said"),
    [("base", "with the right hash (this image has no xarray)"), ("python", "as at the source")],
)
def test_check_orders_a_granule_in_any_image(vre: Vre, image: str, said: str) -> None:
    done = vre.run("check", "--image", image, "--json")
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert steps["data pool"]["ok"], steps["data pool"]
    assert said in steps["data pool"]["detail"]
    assert done.returncode == 0, done.stdout


async def test_the_service_may_ask_whose_accounts_there_are(vre: Vre) -> None:
    """Or orders of accounts that are gone would stay for their namesakes."""
    deployment = vre.deployment
    hub = Hub(deployment.hub_api, "datapool", deployment.state.secret("datapool"))
    try:
        assert await hub.has_people()
        assert await hub.has_person("ada")
        assert not await hub.has_person("nobody-of-this-name")
    finally:
        await hub.close()
