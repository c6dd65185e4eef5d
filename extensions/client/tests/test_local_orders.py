"""Orders without a hub: real profiles from a real HTTP server, into a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pelagos_client
import pytest
from download_source import Source, say
from granules import HOSTILE, NAMES, an_item, argo, floats, held, host
from pelagos_client import local_orders
from pelagos_client.access import FilePlan
from pelagos_client.errors import OrderError, OrderFailedError, OrderTimeoutError, QuestionError
from pelagos_client.items import Items
from support import until

PACKAGE = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a VRE."""
    for name in ("PELAGOS_DATAPOOL_API", "PELAGOS_CATALOGUE_API", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ordered(source: Source, items: Any, **more: Any) -> pelagos_client.Order:
    return pelagos_client.order(items, private_hosts=[host(source)], **more)


def test_an_order_brings_its_files_documents_and_citations(source: Source, here: Path) -> None:
    order = ordered(source, floats(source), title="Profiles").wait(60, progress=False)
    assert (order.number, order.state) == (1, "ready")
    assert order.folder == here / "pelagos-orders" / "1"
    for name, path in zip(NAMES, order.files, strict=True):
        assert path.read_bytes() == argo(name).read_bytes()
    names = {path.name for path in order.folder.iterdir()}
    assert names >= {"README.txt", "query.json", "CITATION.txt", "SHA256SUMS"}
    assert names >= {"ro-crate-metadata.json"}
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=order.folder, check=False)
    assert done.returncode == 0
    assert len(order.cite()) == 1
    assert "argo.floats" in str(order.cite())
    status = order.status
    assert (status.total, status.ready, status.unknown) == (3, 3, 0)
    assert status.done == status.known == sum(argo(name).stat().st_size for name in NAMES)


def test_its_readme_tells_a_command_that_fetches_it_again(source: Source, here: Path) -> None:
    """It has no number that another program knows; its query.json has all that is needed."""
    order = ordered(source, floats(source)[:1], to="mine").wait(60, progress=False)
    text = (here / "mine" / "README.txt").read_text()
    assert text.startswith("Order\n")
    assert "1 file, " in text
    assert "pelagos-data order query.json\n" in text
    assert "Licence: other" not in str(order.cite())


def test_a_numbered_folder_may_be_anywhere(source: Source, here: Path) -> None:
    items = floats(source)[:1]
    order = local_orders.place(
        items, items.criteria, None, title="", accept=(), named=[host(source)], collections={},
        below=here / "data",
    )  # fmt: skip
    assert (order.number, order.folder) == (1, here / "data" / "1")
    local_orders.end_here(order.folder, 30)
    assert order.state in ("cancelled", "ready")
    local_orders.end_here(here / "nothing", 30)


def test_it_is_found_again_by_number_and_by_folder(source: Source, here: Path) -> None:
    ordered(source, floats(source)).wait(60, progress=False)
    ordered(source, floats(source), title="second").wait(60, progress=False)
    assert [order.number for order in pelagos_client.orders()] == [2, 1]
    assert pelagos_client.get(2).status.title == "second"
    named = ordered(source, floats(source), to=here / "mine").wait(60, progress=False)
    again = pelagos_client.get(str(here / "mine"))
    assert again.files == named.files
    assert str(here / "mine") in repr(again)
    with pytest.raises(OrderError, match="holds an order already"):
        ordered(source, floats(source), to=here / "mine")


def test_a_file_that_fails_is_named_and_tried_again(source: Source) -> None:
    items = floats(source)
    path = f"/dac/{NAMES[1]}"
    source.always[path] = say(404)
    order = ordered(source, items)
    with pytest.raises(OrderFailedError, match=NAMES[1]) as caught:
        order.wait(60, progress=False)
    assert list(caught.value.failed) == [file.path for file in order.details()][1:2]
    assert "retry()" in str(caught.value)
    with pytest.raises(OrderError, match="has no files"):
        _ = order.files
    del source.always[path]
    source.requests.clear()
    assert order.retry().wait(60, progress=False).state == "ready"
    assert [asked for asked, _ in source.requests] == [path]


def test_waiting_ends_and_the_order_goes_on(source: Source, capsys: Any) -> None:
    gate = threading.Event()
    source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = ordered(source, floats(source))
    with pytest.raises(OrderTimeoutError, match="still under way after"):
        order.wait(0.5)
    with pytest.raises(OrderError, match="not ready"):
        _ = order.files
    gate.set()
    order.wait(60)
    assert "ready, 3 files, " in capsys.readouterr().out


def test_ctrl_c_stops_waiting_and_not_the_order(source: Source, capsys: Any) -> None:
    gate = threading.Event()
    source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = ordered(source, floats(source))
    # whoever started the tests in the background had it ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            order.wait(30)
    finally:
        signal.signal(signal.SIGINT, before)
    timer.join()
    assert "Order 1 goes on." in capsys.readouterr().out
    assert not order.state.over
    gate.set()
    assert order.wait(60, progress=False).state == "ready"


def test_a_cancelled_order_is_gone_on_with(source: Source) -> None:
    gate = threading.Event()
    source.always[f"/dac/{NAMES[0]}"] = held(gate)
    order = ordered(source, floats(source))
    until(lambda: order.status.ready == 2, 20, "the other two")
    order.cancel()
    assert order.state == "cancelled"
    gate.set()
    with pytest.raises(OrderError, match="was cancelled"):
        order.wait(5, progress=False)
    source.requests.clear()
    order.retry().wait(60, progress=False)
    assert [path for path, _ in source.requests] == [f"/dac/{NAMES[0]}"]


def test_an_order_whose_program_was_killed_is_gone_on_with(source: Source, here: Path) -> None:
    items = floats(source)
    items.save(here / "found.json")
    gate = threading.Event()
    source.first[f"/dac/{NAMES[0]}"] = [held(gate)]
    script = (
        "import pelagos_client, time\n"
        "items = pelagos_client.Items.load('found.json')\n"
        f"order = pelagos_client.order(items, private_hosts=['{host(source)}'])\n"
        "print(order.number, flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    )
    assert child.stdout
    assert child.stdout.readline() == "1\n"
    until(lambda: len(source.requests) == 3, 20, "its requests")
    order = pelagos_client.get(1)
    until(lambda: order.state == "fetching", 20, "another program's order")
    with pytest.raises(OrderError, match="is fetching"):
        order.retry()
    child.kill()
    child.communicate()
    gate.set()
    assert order.state == "cancelled"
    assert "ended before it was done" in order.status.error
    order.retry().wait(60, progress=False)
    for name, path in zip(NAMES, order.files, strict=True):
        assert path.read_bytes() == argo(name).read_bytes()


def test_files_that_are_gone_are_fetched_again_and_a_change_is_told(source: Source) -> None:
    item = an_item("one", source.add("/one.nc", argo(NAMES[0]).read_bytes()))
    order = ordered(source, Items([item])).wait(60, progress=False)
    assert pelagos_client.again(order) is order
    order.files[0].unlink()
    assert order.state == "expired"
    source.files["/one.nc"].content = argo(NAMES[1]).read_bytes()
    assert pelagos_client.again(order).wait(60, progress=False) is order
    assert any("The source changed" in note for note in order.details()[0].notes)
    assert "The source changed" in (order.folder / "README.txt").read_text()


@pytest.mark.parametrize("which", [None, 1.5, object(), b"1", ["1"]])
def test_what_names_no_order_is_said_so(here: Path, which: Any) -> None:
    for call in (pelagos_client.get, pelagos_client.again):
        with pytest.raises(QuestionError, match="names no order"):
            call(which)


def test_what_cannot_be_ordered_is_told_before_anything_is_made(source: Source, here: Path) -> None:
    bad = an_item("bad", "ftp://example.org/x.nc")
    items = Items([*floats(source).documents, bad])
    found = pelagos_client.estimate(items)
    assert (found.files, len(found.refused), found.fits) == (3, 1, True)
    assert "can't be ordered" in str(found)
    with pytest.raises(OrderError, match=r"argo\.floats/bad"):
        ordered(source, items)
    huge = an_item("huge", source.url("/x.nc"), **{"file:size": 2**60})
    assert not pelagos_client.estimate(huge).fits
    with pytest.raises(OrderError, match="are free"):
        ordered(source, huge)
    with pytest.raises(OrderError, match="no workspace here"):
        ordered(source, items, to="workspace")
    with pytest.raises(OrderError, match="nothing to order"):
        ordered(source, [])
    assert not (here / "pelagos-orders").exists()
    assert source.requests == []


def test_terms_have_to_be_accepted(source: Source) -> None:
    licence = {"accept": source.url("/accept"), "page": "https://example.org/licence"}
    item = an_item(
        "one", source.add("/one.nc", argo(NAMES[0]).read_bytes()), **{"pelagos:licence": licence}
    )
    terms = pelagos_client.estimate(item).accept
    assert len(terms) == 1
    with pytest.raises(OrderError, match="Terms have to be accepted first"):
        ordered(source, item)
    source.always["/accept"] = say(200, b"", Set_Cookie="agreed=1")
    order = ordered(source, item, accept=[terms[0].key]).wait(60, progress=False)
    assert order.files[0].read_bytes() == argo(NAMES[0]).read_bytes()


def test_private_hosts_are_asked_only_if_they_are_named(source: Source) -> None:
    order = pelagos_client.order(floats(source))
    with pytest.raises(OrderFailedError):
        order.wait(60, progress=False)
    assert source.requests == []


def test_nothing_hostile_reaches_a_page(source: Source) -> None:
    order = ordered(source, floats(source), title=HOSTILE).wait(60, progress=False)
    for shown in (
        order,
        pelagos_client.orders(),
        order.cite(),
        pelagos_client.estimate(floats(source)),
    ):
        assert "<img" not in shown._repr_html_()  # type: ignore[attr-defined]


def test_an_order_of_a_query_is_sent_again(source: Source, here: Path) -> None:
    order = ordered(source, floats(source)).wait(60, progress=False)
    assert pelagos_client.again(1).number == 1
    query = json.loads((order.folder / "query.json").read_text())
    assert len(query["order"]["items"]) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 9}'])
def test_a_damaged_state_is_said_so(here: Path, content: str) -> None:
    (here / ".pelagos-order.json").write_text(content)
    with pytest.raises(OrderError, match=r"damaged|another version"):
        pelagos_client.get(str(here))
    with pytest.raises(OrderError, match="no order"):
        pelagos_client.get(77)


def sides(source: Source, monkeypatch: pytest.MonkeyPatch, *empty: str) -> None:
    """A box across the antimeridian of a table, in whose `empty` sides there is nothing."""
    urls = {}
    for side in ("east", "west"):
        path = f"/erddap/{side}.nc"
        urls[side] = source.add(path, argo(NAMES[0]).read_bytes())
        if side in empty:
            source.always[path] = say(404, b"Your query produced no matching results.")

    def plan(*_: Any) -> list[FilePlan]:
        request = {"protocol": "erddap", "may_be_empty": True}
        media = "application/x-netcdf"
        return [
            FilePlan("s", f"{side}.nc", urls[side], type=media,
                     request=request, is_subset=True)
            for side in ("east", "west")
        ]  # fmt: skip

    monkeypatch.setattr(local_orders, "plan", plan)


def test_a_side_in_which_there_is_nothing_is_no_failure(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides(source, monkeypatch, "west")
    order = ordered(source, floats(source, NAMES[0])).wait(60, progress=False)
    assert [path.name for path in order.files] == ["east.nc"]
    assert sorted(file.state for file in order.details()) == ["empty", "ready"]
    assert order.status.ready == 2
    assert "west.nc" not in (order.folder / "ro-crate-metadata.json").read_text()


def test_an_order_in_which_there_is_nothing_says_so(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides(source, monkeypatch, "west", "east")
    with pytest.raises(OrderFailedError, match="nothing in what was asked for"):
        ordered(source, floats(source, NAMES[0])).wait(60, progress=False)
