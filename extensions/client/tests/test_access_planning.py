"""Which files an order of an item is: selection, names, terms, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from access_support import kept
from connector_cases import all_cases
from hypothesis import given
from hypothesis import strategies as st
from loopback import serve
from pelagos.catalogue.connectors import connector_for
from pelagos.catalogue.fetch import Fetcher
from pelagos.catalogue.records import CollectionRecord, GranuleRecord
from pelagos.catalogue.stac import granule_document
from pelagos.deployment import ROOT
from pelagos_client import access
from pelagos_client.access import AccessError, Criteria, Protocol, plan, terms_of
from pelagos_client.access.names import LONGEST, file_name, unique

WHOLE = Criteria()
BOX = Criteria((-20.0, 0.0, 20.0, 30.0))
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def item(**assets: dict[str, Any]) -> dict[str, Any]:
    return {"id": "one", "assets": assets, "properties": {"pelagos:infrastructure": "test"}}


def data(href: str, **fields: Any) -> dict[str, Any]:
    return {"href": href, "roles": ["data"], **fields}


def test_the_page_of_orders_names_everything() -> None:
    page = (ROOT / "docs" / "reference" / "orders-and-files.md").read_text()
    assert [name for name in access.__all__ if name not in page] == []


def test_data_are_ordered_and_nothing_else() -> None:
    found = plan(
        item(
            a=data("https://x.example.org/a.nc", type="application/x-netcdf"),
            b={"href": "https://x.example.org/b.csv"},
            look=data("https://x.example.org/look.png") | {"roles": ["thumbnail"]},
            about=data("https://x.example.org/about.xml") | {"roles": ["metadata"]},
        ),
        WHOLE,
    )
    assert [one.name for one in found] == ["a.nc", "b.csv"]


def test_what_is_named_is_ordered_whatever_its_role() -> None:
    one = item(
        a=data("https://x.example.org/a.nc"),
        look={"href": "https://x.example.org/look.png", "roles": ["thumbnail"]},
    )
    assert [found.asset for found in plan(one, WHOLE, ["look"])] == ["look"]


def test_what_the_source_declares_is_kept() -> None:
    one = item(
        a=data(
            "https://x.example.org/a.nc",
            type="application/x-netcdf",
            **{"file:size": 12, "file:checksum": "1220" + "00" * 32},
        )
    )
    (found,) = plan(one, WHOLE)
    assert (found.size, found.checksum, found.type) == (
        12, "1220" + "00" * 32, "application/x-netcdf",
    )  # fmt: skip
    assert found.protocol is Protocol.DIRECT
    assert not found.is_subset


def test_a_file_of_the_catalogue_is_local() -> None:
    (found,) = plan(item(data=data("files/cruise%201/a.nc")), WHOLE)
    assert (found.protocol, found.url, found.name) == (
        Protocol.LOCAL, "files/cruise%201/a.nc", "a.nc",
    )  # fmt: skip


CUT = {
    "href": "https://x.example.org/erddap/tabledap/t",
    "roles": ["data"],
    "pelagos:access": "subset",
    "pelagos:subset": {
        "protocol": "tabledap",
        "formats": {"nc": "application/x-netcdf"},
        "axes": [{"axis": "X", "name": "longitude"}, {"axis": "Y", "name": "latitude"}],
        "variables": [{"name": "temp"}],
    },
}


def test_of_a_file_and_a_server_that_cuts_it_is_the_one_that_fits() -> None:
    both = item(file=data("https://x.example.org/t.nc"), subset=CUT)
    assert [one.asset for one in plan(both, WHOLE)] == ["file"]
    assert [one.asset for one in plan(both, BOX)] == ["subset"]
    assert [one.asset for one in plan(both, BOX, ["file"])] == ["file"]
    assert [one.asset for one in plan(item(subset=CUT), WHOLE)] == ["subset"]


def test_what_can_only_be_opened_is_left_out_beside_files() -> None:
    zarr = data("https://x.example.org/t.zarr", **{"pelagos:access": "subset"})
    both = item(file=data("https://x.example.org/t.nc"), zarr=zarr)
    assert [one.asset for one in plan(both, BOX)] == ["file"]
    with pytest.raises(AccessError, match="Open it instead"):
        plan(both, BOX, ["zarr"])
    with pytest.raises(AccessError, match="Open it instead"):
        plan(item(zarr=zarr), BOX)


@pytest.mark.parametrize(
    ("one", "assets", "message"),
    [
        (item(), None, "no data that could be ordered"),
        (item(a=data("https://x.example.org/a")), ["b"], r"no asset 'b'.*It has 'a'"),
        (item(a=data("https://x.example.org/a")), [], "No asset"),
        (item(a=data("s3://bucket/a.nc")), None, r"no address that can be fetched \(s3\)"),
        (item(a=data("file:///etc/passwd")), None, "no address that can be fetched"),
        (item(a=data("files/")), None, "no address that can be fetched"),
        (item(a={"roles": ["data"]}), None, "no address that can be fetched"),
        (item(a=data("https://x.example.org/o", **{"pelagos:access": "order"})), None,
         r"ordered at its source.*https://x\.example\.org/o"),
        (item(a=data("https://x.example.org/a.png") | {"roles": ["overview"]}), None, "no data"),
        (item(a=CUT | {"pelagos:subset": {"protocol": "tabledap"}}), None, "does not say how"),
        (item(a=CUT | {"pelagos:subset": "x"}), None, "Open it instead"),
        ({"id": 5, "assets": ["x"]}, None, "no data that could be ordered"),
    ],
)  # fmt: skip
def test_what_can_not_be_ordered_is_said_with_what_to_do(
    one: dict[str, Any], assets: list[str] | None, message: str
) -> None:
    with pytest.raises(AccessError, match=message) as caught:
        plan(one, WHOLE, assets)
    assert caught.value.mend


def test_a_licence_is_accepted_once_for_all_files_under_it() -> None:
    def licensed(number: int) -> dict[str, Any]:
        accept = f"https://data.example.org/licence_accept?ids={number}"
        page = "https://data.example.org/licence"
        return data(f"https://data.example.org/objects/{number}",
                    **{"pelagos:licence": {"accept": accept, "page": page}})  # fmt: skip

    one = item(a=licensed(1), b=licensed(2), c=data("https://data.example.org/free.csv"))
    (terms,) = terms_of(one)
    found = plan(one, WHOLE)
    assert [file.accept for file in found] == [terms.key, terms.key, ""]
    assert terms.url == "https://data.example.org/licence"
    assert found[0].request != found[1].request
    assert len(terms.key) <= 600


def test_names_stay_the_same_whatever_is_ordered_with_them() -> None:
    one = item(
        a=data("https://x.example.org/1/T.nc"),
        b=data("https://x.example.org/2/t.nc"),
        c=data("https://x.example.org/3/T.NC"),
    )
    assert [file.name for file in plan(one, WHOLE)] == ["T.nc", "t-2.nc", "T-3.NC"]
    assert [file.name for file in plan(one, WHOLE, ["b"])] == ["t-2.nc"]


@pytest.mark.parametrize(
    ("href", "media", "title", "name"),
    [
        ("https://x/a/b%20c.nc?x=1#y", "", "", "b_c.nc"),
        ("https://x/a/..%2F..%2Fetc%2Fpasswd", "", "", "etc_passwd"),
        ("https://x/.hidden", "text/csv", "", "hidden.csv"),
        ("https://x/objects/n94jijAE", "text/csv", "119920180214.csv", "119920180214.csv"),
        ("https://x/objects/n94jijAE", "text/csv; charset=utf-8", "A title.", "n94jijAE.csv"),
        ("https://x/", "application/zip", "", "x.zip"),
        ("", "", "", "file"),
        ("https://x/Ærø_température.nc", "", "", "r_temperature.nc"),
        ("https://x/" + "a" * 300 + ".tar.gz", "", "", "a" * 113 + ".tar.gz"),
        ("https://x/海洋.nc", "", "", "nc.nc"),
    ],
)
def test_names_come_from_addresses(href: str, media: str, title: str, name: str) -> None:
    if name in ("x.zip", "nc.nc"):  # whatever it is, it is safe
        assert SAFE.fullmatch(file_name(href, media, title))
        return
    assert file_name(href, media, title) == name


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=12))
def test_names_are_safe_and_unique_whatever_a_source_writes(
    given_: list[tuple[str, str, str]],
) -> None:
    names = unique(file_name(*one) for one in given_)
    assert len({name.lower() for name in names}) == len(given_)
    for name in names:
        assert SAFE.fullmatch(name)
        assert len(name) <= LONGEST


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.fixed_dictionaries(
            {},
            optional={
                "href": st.one_of(st.text(max_size=20), st.just("https://x.example.org/a.nc"),
                                  st.none()),
                "roles": st.one_of(st.none(), st.lists(st.sampled_from(["data", "x"])), st.text()),
                "type": st.one_of(st.none(), st.text(max_size=10), st.integers()),
                "pelagos:access": st.sampled_from(["subset", "order", "direct", 5, None]),
                "pelagos:subset": st.one_of(
                    st.none(), st.text(max_size=3),
                    st.fixed_dictionaries({"protocol": st.sampled_from(
                        ["tabledap", "griddap", "obis", "x"])},
                        optional={"axes": st.one_of(st.text(max_size=3), st.lists(st.integers())),
                                  "formats": st.one_of(st.none(), st.just({"nc": "x"})),
                                  "variables": st.lists(st.text(max_size=2))}),
                ),
                "pelagos:order": st.one_of(
                    st.none(), st.just({"protocol": "ecotaxa"}),
                    st.just({"protocol": "ecotaxa", "create": {"url": 5, "body": []}}),
                ),
                "file:size": st.one_of(st.none(), st.integers(), st.text(max_size=2)),
                "pelagos:licence": st.one_of(st.none(), st.just({"accept": "https://a/"}),
                                             st.just({"accept": "//"}), st.integers()),
            },
        ),
        max_size=4,
    ),
    st.sampled_from([WHOLE, BOX]),
)  # fmt: skip
def test_a_strange_document_gives_a_plan_or_a_sentence(
    assets: dict[str, Any], criteria: Criteria
) -> None:
    one = {"id": "one", "assets": assets}
    try:
        found = plan(one, criteria)
    except AccessError:
        return
    assert found
    assert len({file.name.lower() for file in found}) == len(found)
    terms = {known.key for known in terms_of(one)}
    for file in found:
        assert file.accept == "" or file.accept in terms
        assert kept(file) == file


CASES = [case for case in all_cases() if case.granules and case.name != "argo-index-large"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("criteria", [WHOLE, BOX], ids=["whole", "box"])
def test_items_of_every_connector_give_a_plan_or_a_sentence(case: Any, criteria: Criteria) -> None:
    """On the recordings that the connectors are tested with."""
    plans = refused = 0
    with serve({}) as server:
        server.routes.update(case.routes(server))
        source = case.source(server.url)
        with Fetcher(source) as fetcher:
            connector = connector_for(source)(source, fetcher, None)
            for collection in list(connector.collections()):
                if not isinstance(collection, CollectionRecord):
                    continue
                for number, granule in enumerate(connector.granules(collection)):
                    if not isinstance(granule, GranuleRecord) or number > 50:
                        continue
                    document = granule_document(source.name, collection.id, granule)
                    try:
                        found = plan(json.loads(json.dumps(document)), criteria)
                    except AccessError as error:
                        refused += bool(error.mend)
                        continue
                    plans += 1
                    assert found
                    for file in found:
                        assert SAFE.fullmatch(file.name)
                        assert kept(file) == file
    # CDI's are ordered at its portal, and STAC's recorded ones stand in buckets that only S3 gives
    assert plans if not case.name.startswith(("cdi", "stac")) else refused
