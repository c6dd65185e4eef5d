"""Quick looks at real data, each made by a process of its own."""

from __future__ import annotations

import asyncio
import importlib.resources
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from jupyterlab_pelagos import foreign_wire, preview_child, previewing
from jupyterlab_pelagos.handlers import preview as handler
from lab_server import Ask
from loopback import Loopback, Reply, serve
from shared_data import shared_data
from stac_remote import collection, item, reply
from tornado.httpclient import HTTPClientError

PROFILE = "argo/gdac/D4900882_032.nc"
GEBCO = "argo/gebco/1d16184686cc_GEBCO_2020.nc"
IRIS = Path(str(importlib.resources.files("iris_sample_data"))) / "sample_data"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home outside of which nothing may be looked at."""
    found = tmp_path / "own"
    found.mkdir()
    for name in ("HOME", "PELAGOS_WORKSPACE", "PELAGOS_DATASPACE"):
        monkeypatch.setenv(name, str(found))
    return found


@pytest.fixture
def look(ask: Ask, home: Path) -> Any:
    """The preview of a file that is copied to the home."""

    def look(of: Path | str, variable: str = "") -> Any:
        path = shared_data(of) if isinstance(of, str) else of
        copy = home / path.name
        copy.write_bytes(path.read_bytes())
        return ask("POST", "preview", {"path": str(copy), "variable": variable})

    return look


def glance(path: Path) -> Any:
    """The same in this process, which is quicker."""
    return preview_child.answer({"path": str(path), "name": path.name})


def test_a_profile_of_argo(look: Any) -> None:
    told = look(PROFILE).json
    assert told["kind"] == "profile"
    assert told["title"] == "Float 4900882, cycle 32"
    assert (told["x"]["name"], told["x"]["units"]) == ("TEMP_ADJUSTED", "degree_Celsius")
    assert (told["y"]["name"], told["y"]["units"]) == ("PRES_ADJUSTED", "decibar")
    assert told["x"]["values"][:2] == [19.249, 18.738]
    assert told["y"]["values"] == sorted(told["y"]["values"])
    assert {"TEMP", "PSAL"} <= set(told["variables"])
    assert told["notes"] == ["At 2007-08-31 16:58; latitude 42.68°; longitude -56.909°."]


def test_another_variable(look: Any) -> None:
    told = look(PROFILE, "PSAL").json
    assert (told["x"]["name"], told["y"]["name"]) == ("PSAL", "PRES")
    refused = look(PROFILE, "NONE")
    assert (refused.status, "NONE" in refused.json["reason"]) == (422, True)


def test_profiles_one_below_the_other() -> None:
    told = glance(shared_data("services/accessor-wod/wod_mbt_2003.nc"))
    assert (told["kind"], told["x"]["name"], told["y"]["name"]) == ("profile", "Temperature", "z")
    assert len(told["x"]["values"]) == 520
    assert told["notes"] == ["Profile 1 of 166."]


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("cfpoint_input_profile_diap.nc", "NTRAYYDZ", "PRES"),
        ("odv_input_profile_diap.txt", "NTRAYYDZ", "DEPHPR01"),
        ("odv_input_profile_00563439_ODV_withBOM.txt", "Temperature of the water column", "Depth"),
    ],
)
def test_seadatanet(name: str, x: str, y: str) -> None:
    told = glance(shared_data(f"seadatanet/{name}"))
    assert (told["kind"], told["x"]["name"], told["y"]["name"]) == ("profile", x, y)


def test_a_map_with_south_first(look: Any) -> None:
    told = look(GEBCO).json
    assert (told["kind"], told["z"]["name"], told["z"]["units"]) == ("map", "elevation", "m")
    x, y, z = (told[one]["values"] for one in "xyz")
    assert len(x) <= 200
    assert len(y) <= 200
    assert len(z) == len(x) * len(y)
    assert (x, y) == (sorted(x), sorted(y))
    with netCDF4.Dataset(shared_data(GEBCO)) as file:
        own = (
            np.argmin(abs(file["longitude"][:] - x[3])),
            np.argmin(abs(file["latitude"][:] - y[5])),
        )
        assert z[5 * len(x) + 3] == pytest.approx(float(file["elevation"][own[1], own[0]]))


@pytest.mark.parametrize(
    ("name", "kind", "variable"),
    [
        ("ostia_monthly.nc", "map", "surface_temperature"),
        ("orca2_votemper.nc", "map", "votemper"),
        ("NEMO/nemo_1m_20150101-20150201_grid-T.nc", "map", "tos"),
        ("atlantic_profiles.nc", "profile", "theta"),
        ("SOI_Darwin.nc", "series", "SOI_Darwin"),
    ],
)
def test_what_the_starter_catalogue_has(name: str, kind: str, variable: str) -> None:
    told = glance(IRIS / name)
    shown = {"map": "z", "profile": "x", "series": "y"}[kind]
    assert (told["kind"], told[shown]["name"]) == (kind, variable)
    if kind == "series":
        assert told["x"]["values"][0] == -3281904000000.0  # 1866-01-01


def test_a_long_series_is_thinned(tmp_path: Path) -> None:
    path = tmp_path / "long.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", 50_000)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "hours since 2000-01-01"
        time[:] = np.arange(50_000)
        file.createVariable("level", "f4", ("time",))[:] = np.sin(np.arange(50_000) / 1000)
    told = glance(path)
    assert len(told["x"]["values"]) == len(told["y"]["values"]) == 2_000
    assert told["notes"] == ["2,000 of 50,000 values are shown."]


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "mooring.csv"
    rows = [f"2020-01-{day:02}T00:00:00Z,{day / 2}" for day in range(1, 31)]
    path.write_text("\n".join(["time,temperature", *rows]))
    told = glance(path)
    assert (told["kind"], told["y"]["values"][1]) == ("series", 1.0)
    assert told["x"]["values"][0] == 1577836800000.0


@pytest.mark.parametrize("content", [b"", b"no data", b"\x89HDF\r\n\x1a\nbroken", b"%PDF-1.4"])
def test_what_can_not_be_shown_says_so(look: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.nc"
    path.write_bytes(content)
    refused = look(path)
    assert refused.status == 422
    assert refused.json["reason"]
    assert refused.json["mend"]
    assert "Traceback" not in refused.body.decode()


def test_only_files_of_this_server_are_looked_at(ask: Ask, home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.nc"
    outside.write_bytes(b"CDF\x01")
    (home / "link.nc").symlink_to(outside)
    for path in (outside, home / "link.nc", home / ".." / "outside.nc"):
        refused = ask("POST", "preview", {"path": str(path)})
        assert (refused.status, "none of your folders" in refused.json["reason"]) == (403, True)
    assert ask("POST", "preview", {"path": str(home / "none.nc")}).status == 404
    for odd in ("a\0b", "~no-such-person/x.nc", "x" * 300):
        assert ask("POST", "preview", {"path": odd}).status == 400, odd
    assert ask("POST", "preview", {}).status == 400


def test_more_memory_than_it_may_take(look: Any, tmp_path: Path) -> None:
    # a file of a few kilobytes that says it is of 32 GB
    path = tmp_path / "huge.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("depth", 2_000_000_000)
        for name in ("depth", "temperature"):
            one = file.createVariable(name, "f8", ("depth",), zlib=True, chunksizes=(100_000,))
            one.units = "m" if name == "depth" else "degC"
    refused = look(path)
    assert refused.status == 422
    assert "memory" in refused.json["reason"] or "too much" in refused.json["reason"]


def test_a_look_that_takes_too_long(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "SECONDS", 0.05)
    refused = look(PROFILE)
    assert (refused.status, "took longer" in refused.json["reason"]) == (504, True)


def test_no_more_than_two_at_once(
    jp_fetch: Any, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    two, over = threading.Barrier(3), threading.Event()

    def preview(*_: Any) -> None:
        two.wait(20)
        over.wait(20)

    async def ask() -> int:
        try:
            answer = await jp_fetch("pelagos", "preview", method="POST", body="{}")
        except HTTPClientError as error:
            return error.code
        return int(answer.code)

    async def all_of_them() -> list[int]:
        first = [asyncio.create_task(ask()) for _ in range(2)]
        await asyncio.to_thread(two.wait, 20)
        third = await ask()
        over.set()
        return [third, *await asyncio.gather(*first)]

    monkeypatch.setattr(previewing, "preview", preview)
    monkeypatch.setattr(handler, "WAIT", 0.01)
    assert jp_asyncio_loop.run_until_complete(all_of_them()) == [429, 204, 204]
    assert jp_asyncio_loop.run_until_complete(asyncio.wait_for(_free(ask, two), 20)) == 204


async def _free(ask: Any, two: threading.Barrier) -> Any:
    """Another one, once the turns are given back."""
    task = asyncio.create_task(ask())
    for _ in range(2):  # the barrier is for three
        asyncio.get_running_loop().run_in_executor(None, two.wait, 20)
    return await task


def test_the_process_goes_before_the_server_does(
    look: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it says of itself: its limits, as the kernel has them."""
    code = (
        "from jupyterlab_pelagos import preview_child as c; import json, os, resource; c._lower();"
        "print(json.dumps([open('/proc/self/oom_score_adj').read().strip(), os.nice(0),"
        "resource.getrlimit(resource.RLIMIT_AS)[0]]))"
    )
    done = subprocess.run(
        [previewing.sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env=previewing._environment(str(tmp_path)),
    )
    score, nice, memory = json.loads(done.stdout)
    assert (score, nice >= 10, memory) == ("1000", True, 3 * 2**30)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(foreign_wire, "_landings", {})
    with serve({}) as server:
        found = item("one", assets={"data": {"href": f"{server.url}/one.nc"}})
        server.routes["/stac"] = reply({"type": "Catalog", "links": [], "conformsTo": []})
        server.routes["/stac/collections/a"] = reply(collection("a"))
        server.routes["/stac/collections/a/items/one"] = reply(found)
        yield server


def test_a_host_of_the_inside_is_not_asked_for_another(
    ask: Ask, home: Path, remote: Loopback
) -> None:
    content = shared_data(PROFILE).read_bytes()
    remote.routes["/one.nc"] = Reply(content, "application/x-netcdf")
    request = {"catalogue": f"{remote.url}/stac", "collection": "a", "item": "one"}
    refused = ask("POST", "preview", request)
    assert refused.status == 422
    assert "/one.nc" not in [one.path for one in remote.requests]
