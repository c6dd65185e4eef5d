"""The search of the VRE's catalogue: a real service over a small real index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from catalogue_service import FLOATS, STATIONS, TITLE, HubStandIn, Service, build, settings
from jupyterlab_pelagos.vre_catalogue import begun
from lab_server import Ask


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as found:
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, hub: HubStandIn) -> Iterator[Service]:
    index = tmp_path_factory.mktemp("catalogue") / "index.sqlite"
    build(index)
    with Service(index, hub, settings()) as running:
        yield running


@pytest.fixture(autouse=True)
def vre(monkeypatch: pytest.MonkeyPatch, service: Service, hub: HubStandIn) -> None:
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", service.url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", hub.person("ada"))


def test_a_word_that_is_half_typed_finds_data_sets(ask: Ask) -> None:
    told = ask("POST", "collections", {"criteria": {"q": "temper"}}).json
    assert [one["id"] for one in told["collections"]] == [FLOATS]
    assert (told["matched"], told["matched_text"], told["next"]) == (1, "1", None)
    found = told["collections"][0]
    assert found["title"] == TITLE  # HTML stays text
    assert found["infrastructure"] == "Argo GDAC"
    assert found["parameters"] == ["Temperature"]
    assert found["boxes"] == [[-60.0, -30.0, 60.0, 30.0]]
    assert found["start"] == "2020-01-01T00:00:00Z"
    assert found["licence"]["id"] == "CC-BY-4.0"
    assert found["licence"]["url"] == "https://example.org/licence"
    assert found["doi"] == "10.17882/42182"


def test_pages_of_data_sets(ask: Ask) -> None:
    seen: list[str] = []
    following = None
    while True:
        request = {"limit": 1, "next": following}
        told = ask("POST", "collections", request).json
        seen += [one["id"] for one in told["collections"]]
        following = told["next"]
        if following is None:
            break
    assert len(seen) == len(set(seen)) == told["matched"] == 4


def test_granules_with_pages(ask: Ask) -> None:
    request = {"collections": [FLOATS], "limit": 25}
    first = ask("POST", "granules", request).json
    assert (len(first["granules"]), first["matched"], first["matched_text"]) == (25, 60, "60")
    one = first["granules"][0]
    assert one["title"] == "Profile 59"
    assert one["shape"]["type"] == "Point"
    assert (one["size"], one["files"], one["formats"]) == (159, 1, ["NetCDF"])
    assert one["start"] == one["end"] == "2020-01-03T11:00:00Z"
    second = ask("POST", "granules", {**request, "next": first["next"]}).json
    third = ask("POST", "granules", {**request, "next": second["next"]}).json
    ids = [one["id"] for page in (first, second, third) for one in page["granules"]]
    assert len(set(ids)) == 60
    assert third["next"] is None


def test_odd_extents(ask: Ask) -> None:
    told = ask("POST", "granules", {"collections": [STATIONS]}).json
    found = {one["id"]: one for one in told["granules"]}
    assert found["antimeridian"]["bbox"] == [175.0, -10.0, -175.0, -5.0]
    assert found["nowhere"]["bbox"] is None
    assert (found["never"]["start"], found["never"]["end"]) == (None, None)
    assert (found["since"]["start"] is None, found["since"]["end"]) == (False, None)


def test_counts_beside_data_sets(ask: Ask) -> None:
    request = {"criteria": {"bbox": [20, 20, 22, 21]}, "collections": [FLOATS, STATIONS]}
    told = ask("POST", "matches", request).json
    assert told == {
        FLOATS: {"count": 21, "text": "21"},
        STATIONS: {"count": 0, "text": "0"},
    }


def test_a_data_set_found_by_its_description_has_all_its_granules(ask: Ask) -> None:
    # "fixed" is in the description of the stations only, which granules are not found by
    request = {"criteria": {"q": "fixed"}, "collections": [STATIONS]}
    assert ask("POST", "matches", request).json == {STATIONS: {"count": 7, "text": "7"}}
    assert ask("POST", "granules", request).json["matched"] == 7


def test_words_of_nothing_find_nothing(ask: Ask) -> None:
    request = {"criteria": {"q": "nonexistent"}, "collections": [STATIONS]}
    assert ask("POST", "matches", request).json == {STATIONS: {"count": 0, "text": "0"}}
    assert ask("POST", "granules", request).json["granules"] == []


def test_several_data_sets_of_which_one_is_found_by_its_description(ask: Ask) -> None:
    criteria = {"q": "fixed, argo"}
    request = {"criteria": criteria, "collections": [FLOATS, STATIONS], "limit": 40}
    counts = ask("POST", "matches", request).json
    assert [one["count"] for one in counts.values()] == [60, 7]
    seen: list[str] = []
    following = None
    while True:
        told = ask("POST", "granules", {**request, "next": following}).json
        assert told["matched"] == 67
        seen += [one["id"] for one in told["granules"]]
        following = told["next"]
        if following is None:
            break
    assert len(seen) == len(set(seen)) == 67


def test_facets(ask: Ask) -> None:
    told = ask("POST", "facets", {"criteria": {"q": "sali"}}).json
    assert (told["counted"], told["partial"]) == (1, False)
    assert told["facets"]["infrastructure"] == [
        {"value": "emodnet", "title": "EMODnet", "count": 1}
    ]
    of_items = ask("POST", "facets", {"collections": [FLOATS]}).json
    assert of_items["counted"] == 60
    narrowed = {"criteria": {"facets": {"infrastructure": ["argo"]}}}
    assert ask("POST", "collections", narrowed).json["matched"] == 1


def test_a_granule_in_full(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", "/vre/")
    told = ask("GET", "granule", catalogue="", collection=FLOATS, item="profile-007").json
    assert told["title"] == "Profile 7"
    assert told["assets"][0]["key"] == "data"
    assert told["assets"][0]["data"] is True
    assert told["assets"][0]["size"] == 107
    # as the browser reaches it, which is not on the network of the servers
    assert told["assets"][0]["url"] == "/vre/services/catalogue/files/argo/007.nc"
    assert told["licence"]["id"] == "CC-BY-4.0"
    assert "Argo (2020)" in told["citation"][0]["text"]
    assert told["citation"][0]["doi"] == "10.17882/42182"
    assert told["path"] is None


def test_a_granule_that_is_not_there(ask: Ask) -> None:
    answer = ask("GET", "granule", collection=FLOATS, item="none")
    assert answer.status == 404
    assert "There is no item" in answer.json["reason"]


def test_what_the_catalogue_refuses_says_why(ask: Ask) -> None:
    answer = ask("POST", "granules", {"collections": [FLOATS], "sortby": "size"})
    assert answer.status == 400
    assert "sortby" in answer.json["reason"]


def test_a_token_that_the_hub_does_not_know(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "nobody")
    answer = ask("POST", "collections", {})
    assert answer.status == 502  # not 401: the browser's own sign-in is fine


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("", ""),
        ("te", "te"),
        ("tem", "tem*"),
        ("sea tem", "sea tem*"),
        ("sea ", "sea "),
        ("sea-tem", "sea-tem*"),
        ("sea-te", "sea-te"),
        ("argo,sal", "argo,sal*"),
        ("argo, sal", "argo, sal*"),
        ("(sea OR lak", "(sea OR lak*"),
        ('"sea tem', '"sea tem'),
        ('"sea" tem', '"sea" tem*'),
        ('"sea tem"', '"sea tem"'),
        ("sea -lak", "sea -lak"),
        ("sea +lak", "sea +lak*"),
        ("this AND", "this AND"),
        ("tem*", "tem*"),
        ("tem.", "tem."),
        ("Ångs", "Ångs*"),
        ("x" * 2000, "x" * 2000),
    ],
)
def test_the_last_word_may_go_on(typed: str, asked: str) -> None:
    assert begun(typed) == asked
