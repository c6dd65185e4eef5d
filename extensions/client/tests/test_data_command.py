"""`pelagos-data`, every command, as a program and in the same process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from catalogue_service import FLOATS, HubStandIn, Service, build, settings
from download_source import Source, say
from granules import NAMES, argo, floats, host
from pelagos_client.cli import main
from pelagos_client.items import Items

PACKAGE = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PELAGOS_DATAPOOL_API", "PELAGOS_CATALOGUE_API", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    index = tmp_path_factory.mktemp("catalogue") / "index.sqlite"
    build(index)
    with HubStandIn() as hub, Service(index, hub, settings(anonymous=True)) as service:
        yield service


@pytest.fixture
def ordered(source: Source, capsys: Any) -> Source:
    """Order 1, ready."""
    floats(source).save("found.json")
    assert main(["order", "found.json", "--private-host", host(source)]) == 0
    assert capsys.readouterr().out == f"1: {ready()}\n"
    return source


def ready() -> str:
    size = sum(argo(name).stat().st_size for name in NAMES)
    return f"ready, 3 files, {size / 1024:.3g} KiB"


def test_search_prints_a_table_and_saves_for_order(catalogue: Service, capsys: Any) -> None:
    url = f"{catalogue.url}/"
    asked = ["search", "profiles", "--url", url, "--collection", FLOATS, "--bbox=20,20,20.55,21"]
    assert main([*asked, "--datetime", "2020-01", "--save", "found.json"]) == 0
    assert capsys.readouterr().out.startswith("6 items\n")
    assert main([*asked, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["features"]) == 6
    assert len(json.loads(Path("found.json").read_text())["features"]) == 6
    assert main(["search", "--collections", "temperature", "--url", url]) == 0
    assert FLOATS in capsys.readouterr().out
    assert main(["estimate", "--url", url, "--collection", FLOATS, "--item", "profile-001"]) == 0
    assert "can be ordered  yes" in capsys.readouterr().out


def test_an_order_is_shown_cited_and_its_files_listed(ordered: Source, capsys: Any) -> None:
    for command, expected in (
        (["orders"], ready()),
        (["status", "1"], "Order 1"),
        (["wait", "1"], "ready"),
        (["cite", "1"], "argo.floats"),
        (["files", "1"], NAMES[0]),
        (["estimate", "found.json"], "files  3"),
    ):
        assert main(command) == 0
        assert expected in capsys.readouterr().out
        assert main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)
    assert main(["files", "1"]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert [Path(path).read_bytes() for path in paths] == [argo(n).read_bytes() for n in NAMES]


def test_what_fails_is_told_on_stderr_and_tried_again(source: Source, capsys: Any) -> None:
    floats(source).save("found.json")
    source.always[f"/dac/{NAMES[0]}"] = say(404)
    assert main(["order", "found.json", "--private-host", host(source), "--to", "mine"]) == 1
    said = capsys.readouterr()
    assert NAMES[0] in said.err
    assert said.out == ""
    assert main(["status", "mine"]) == 0
    assert "failed" in capsys.readouterr().out
    source.always.clear()
    assert main(["retry", "mine", "--timeout", "60"]) == 0
    assert main(["cancel", "mine"]) == 1
    assert "nothing to end" in capsys.readouterr().err


def test_an_order_is_fetched_again(ordered: Source, capsys: Any) -> None:
    first = Path("pelagos-orders/1/argo.floats")
    gone = next(first.rglob("*.nc"))
    gone.unlink()
    assert main(["order", "--again", "1"]) == 0
    assert gone.exists()
    assert main(["order", "pelagos-orders/1"]) == 0
    assert "1: ready" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ([], 2, "required"),
        (["nonsense"], 2, "invalid choice"),
        (["order"], 1, "Nothing is named"),
        (["order", "missing.json"], 1, "can't be read"),
        (["order", "--item", "x"], 1, "needs one --collection"),
        (["status", "5"], 1, "no order"),
        (["search", "x"], 1, "PELAGOS_CATALOGUE_API"),
        (["search", "--bbox=1,2", "--url", "http://127.0.0.1:9"], 1, "not four"),
    ],
)
def test_what_goes_wrong_has_a_sentence_and_a_code(
    capsys: Any, command: list[str], code: int, why: str
) -> None:
    try:
        got = main(command)
    except SystemExit as error:  # argparse's way
        got = int(error.code or 0)
    assert got == code
    assert why in capsys.readouterr().err


def test_it_runs_as_a_module_and_by_its_entry_point() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(
        [sys.executable, "-m", "pelagos_client", "--help"],
        capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip
    for name in ("search", "estimate", "order", "orders", "status", "wait", "cancel", "retry",
                 "cite", "files"):  # fmt: skip
        assert f"    {name} " in done.stdout
    scripts = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["pelagos-data"].partition(":")
    assert getattr(import_module(module), function) is main


def test_importing_loads_nothing_heavy() -> None:
    heavy = "stamina xarray pandas numpy pystac pystac_client requests rocrate netCDF4 zarr"
    script = (
        "import sys, pelagos_client, pelagos_client.cli\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import pelagos_client
    from pelagos_client.errors import MissingPackageError

    monkeypatch.setitem(sys.modules, "pystac_client", None)
    monkeypatch.setitem(sys.modules, "pystac_client.exceptions", None)
    with pytest.raises(MissingPackageError, match=r"pelagos-client\[search\]"):
        pelagos_client.search("x", url="http://127.0.0.1:9/")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_text_of_a_catalogue_reaches_the_terminal_as_a_command(
    here: Path, capsys: Any, form: list[str]
) -> None:
    evil = "https://x.example/\x1b]0;owned\x07\x9b2J\u202egpj.sh"
    item = {
        "type": "Feature", "id": "a", "collection": "c", "properties": {},
        "assets": {"data": {"href": evil, "pelagos:access": "order"}},
    }  # fmt: skip
    Items([item]).save("found.json")
    assert main(["order", "found.json", "--to", "folder", *form]) == 1
    assert main(["estimate", "found.json", "--to", "other", *form]) == 1
    said = capsys.readouterr()
    assert "x.example" in said.err + said.out
    for text in (said.out, said.err):
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
