"""The search of any STAC API: what it can't do, and what it does wrong. Real HTTP on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from jupyterlab_pelagos import foreign_wire
from lab_server import Ask
from loopback import Asked, Loopback, Reply, Route, serve
from stac_remote import collection, features, item, link, reply

API = "https://api.stacspec.org/v1.0.0"
ALL = (
    f"{API}/item-search",
    f"{API}/item-search#sort",
    f"{API}-rc.1/item-search#free-text",
    f"{API}-rc.1/collection-search",
    f"{API}-rc.1/collection-search#free-text",
)
BARE = (f"{API}/core", f"{API}/collections", f"{API}/item-search")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(foreign_wire, "_landings", {})
    with serve({}) as server:
        yield server


def landing(conforms: tuple[str, ...], *, post: bool = False) -> Reply:
    links = [link("data", "/stac/collections"), link("search", "/stac/search")]
    if post:
        links.append(link("search", "/stac/search", method="POST"))
    return reply({"type": "Catalog", "id": "root", "conformsTo": list(conforms), "links": links})


def at(server: Loopback, conforms: tuple[str, ...], post: bool = False, **routes: Route) -> str:
    server.routes["/stac"] = landing(conforms, post=post)
    for name, route in routes.items():
        server.routes[f"/stac/{name}"] = route
    return f"{server.url}/stac"


def sets(*found: dict[str, Any], **fields: Any) -> Reply:
    return reply({"collections": list(found), "links": [], **fields})


def test_what_an_api_can_do_is_left_to_it(ask: Ask, remote: Loopback) -> None:
    url = at(remote, ALL, collections=sets(collection("a"), numberMatched=1))
    criteria = {"q": "sea", "bbox": [-10, 35, 5, 60], "start": "2020", "end": "2020"}
    told = ask("POST", "collections", {"catalogue": url, "criteria": criteria}).json
    assert [one["title"] for one in told["collections"]] == ["Title of a"]
    assert (told["matched"], told["matched_text"]) == (1, "1")
    assert remote.requests[-1].query == {
        "limit": "50",
        "q": "sea",
        "bbox": "-10.0,35.0,5.0,60.0",
        "datetime": "2020-01-01T00:00:00Z/2020-12-31T23:59:59Z",
    }


def test_an_api_without_collection_search_is_looked_through_here(
    ask: Ask, remote: Loopback
) -> None:
    first = sets(
        collection("sst", title="Sea surface temperature"),
        collection("ice", title="Sea ice", extent={}),
    )
    second = collection("far", title="Temperature of lakes")
    second["extent"]["spatial"]["bbox"] = [[100, 0, 110, 10]]

    def pages(asked: Asked) -> Reply:
        if "page" in asked.query:
            return sets(second)
        found = json.loads(first.body)
        found["links"] = [link("next", "/stac/collections?page=2")]
        return reply(found)

    url = at(remote, BARE, collections=pages)

    def found(**criteria: Any) -> list[str]:
        told = ask("POST", "collections", {"catalogue": url, "criteria": criteria}).json
        assert told["matched"] == len(told["collections"])
        return [one["id"] for one in told["collections"]]

    assert found(q="temper") == ["sst", "far"]
    assert found(q="temper surf") == ["sst"]
    assert found(q="ice, lakes") == ["ice", "far"]
    assert found(q="temper", bbox=[-10, 40, 0, 60]) == ["sst"]
    assert found(q="sea", end="1999") == ["ice"]  # of the ice no time is known
    assert found(q="sea", start="2030", end="2030") == ["sst", "ice"]


def test_pages_go_on_where_the_api_says(ask: Ask, remote: Loopback) -> None:
    def pages(asked: Asked) -> Reply:
        if asked.query.get("token") == "two":
            return features(item("second"))
        more = link("next", f"{remote.url}/stac/search?token=two")
        return features(item("first"), links=(more,), numberMatched=2)

    url = at(remote, ALL, search=pages)
    request = {"catalogue": url, "collections": ["a"], "limit": 1}
    one = ask("POST", "granules", request).json
    assert (one["matched"], [one["id"] for one in one["granules"]]) == (2, ["first"])
    two = ask("POST", "granules", {**request, "next": one["next"]}).json
    assert ([one["id"] for one in two["granules"]], two["next"]) == (["second"], None)


def test_pages_of_bodies_are_merged(ask: Ask, remote: Loopback) -> None:
    def pages(asked: Asked) -> Reply:
        if json.loads(asked.body).get("token"):
            return features(item("second"))
        more = link("next", "/stac/search", method="POST", body={"token": "t"}, merge=True)
        return features(item("first"), links=(more,))

    url = at(remote, ALL, post=True, search=pages)
    request = {"catalogue": url, "collections": ["a"], "sortby": "-datetime"}
    one = ask("POST", "granules", request).json
    assert (one["matched"], one["matched_text"]) == (None, "")
    ask("POST", "granules", {**request, "next": one["next"]})
    assert json.loads(remote.requests[-1].body) == {
        "limit": 50,
        "collections": ["a"],
        "sortby": [{"field": "properties.datetime", "direction": "desc"}],
        "token": "t",
    }


@pytest.mark.parametrize("href", ["https://elsewhere.example.org/search?x=1", "ftp://x/", 7])
def test_a_next_that_leads_elsewhere_is_not_followed(ask: Ask, remote: Loopback, href: Any) -> None:
    url = at(remote, ALL, search=features(item("a"), links=({"rel": "next", "href": href},)))
    told = ask("POST", "granules", {"catalogue": url, "collections": ["a"]}).json
    assert told["next"] is None
    forged = json.dumps({"url": "https://elsewhere.example.org/search"})
    answer = ask("POST", "granules", {"catalogue": url, "collections": ["a"], "next": forged})
    assert (answer.status, "leads out" in answer.json["reason"]) == (400, True)


def test_a_box_across_the_antimeridian_is_asked_for_in_halves(ask: Ask, remote: Loopback) -> None:
    east = item("east", bbox=[-179, 0, -178, 1])
    both = item("both", bbox=[179, 0, -179, 1])
    west = item("west", bbox=[178, 0, 179, 1])

    def halves(asked: Asked) -> Reply:
        return features(*((west, both) if asked.query["bbox"].startswith("170") else (both, east)))

    url = at(remote, ALL, search=halves)
    request = {"catalogue": url, "collections": ["a"], "criteria": {"bbox": [170, -5, -170, 5]}}
    one = ask("POST", "granules", request).json
    two = ask("POST", "granules", {**request, "next": one["next"]}).json
    assert [one["id"] for one in one["granules"]] == ["west", "both"]
    assert ([one["id"] for one in two["granules"]], two["next"]) == (["east"], None)


def test_words_for_granules_where_the_api_has_none(ask: Ask, remote: Loopback) -> None:
    url = at(remote, BARE, search=features(item("a")), collections=sets(collection("a")))
    request: dict[str, Any] = {"catalogue": url, "criteria": {"q": "title"}}
    refused = ask("POST", "granules", request)
    assert refused.status == 400
    assert "can't search granules for words" in refused.json["reason"]
    told = ask("POST", "granules", {**request, "collections": ["a"]}).json
    assert len(told["granules"]) == 1
    assert "q" not in remote.requests[-1].query


def test_counts(ask: Ask, remote: Loopback) -> None:
    def search(asked: Asked) -> Reply:
        count = {"a": 12_345, "b": None}[asked.query["collections"]]
        counted = {} if count is None else {"context": {"matched": count}}
        return features(item("x"), links=(link("next", "/stac/search?p=2"),), **counted)

    url = at(remote, ALL, search=search)
    told = ask("POST", "matches", {"catalogue": url, "collections": ["a", "b"]}).json
    assert told == {
        "a": {"count": 12345, "text": "12,345"},
        "b": {"count": None, "text": ""},
    }
    facets = ask("POST", "facets", {"catalogue": url}).json
    assert facets == {"counted": 0, "partial": False, "facets": {}}


def test_a_granule_in_full(ask: Ask, remote: Loopback) -> None:
    url = at(remote, ALL)
    remote.routes["/stac/collections/a"] = reply(collection("a"))
    remote.routes["/stac/collections/a/items/x%2Fy"] = reply(item("x/y"))
    told = ask("GET", "granule", catalogue=url, collection="a", item="x/y").json
    assert told["licence"]["id"] == "CC-BY-4.0"
    assert told["citation"][0]["title"] == "Title of a"


def test_a_configured_catalogue_is_searched_if_none_is_named(
    ask: Ask, remote: Loopback, jp_serverapp: Any
) -> None:
    url = at(remote, ALL, collections=sets(collection("a")))
    (extension,) = jp_serverapp.extension_manager.extension_apps["jupyterlab_pelagos"]
    extension.settings["pelagos_shared"].catalogue_url = url
    assert len(ask("POST", "collections", {}).json["collections"]) == 1


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (Reply("<html>Not this</html>", "text/html"), 502, "is no STAC API"),
        (Reply("[1, 2]"), 502, "is no STAC API"),
        (Reply("{}"), 502, "is no STAC API"),
        (Reply(b"\xff\xfe\x00"), 502, "is no STAC API"),
        (Reply("[" * 100_000), 502, "is no STAC API"),
        (Reply('{"detail": "no"}', status=500), 503, "has a fault (500)"),
        (Reply("{}", status=403), 502, "does not let you in"),
        (Reply('{"description": "limit: too many."}', status=400), 400, "limit: too many."),
    ],
)
def test_what_is_no_answer(
    ask: Ask, remote: Loopback, answer: Reply, status: int, says: str
) -> None:
    remote.routes["/stac"] = answer
    refused = ask("POST", "collections", {"catalogue": f"{remote.url}/stac"})
    assert refused.status == status
    assert says in refused.json["reason"]
    assert "Traceback" not in refused.body.decode()


def test_a_catalogue_that_is_away(ask: Ask) -> None:
    refused = ask("POST", "collections", {"catalogue": "http://127.0.0.1:9/stac"})
    assert (refused.status, refused.json["reason"]) == (
        503,
        "The catalogue at 127.0.0.1 does not answer.",
    )


def test_a_catalogue_that_is_slow(
    ask: Ask, remote: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_wire, "SECONDS", 0.3)

    def slow(asked: Asked) -> None:
        asked.server.stopping.wait(30)

    remote.routes["/stac"] = slow
    refused = ask("POST", "collections", {"catalogue": f"{remote.url}/stac"})
    assert (refused.status, "did not answer within" in refused.json["reason"]) == (504, True)


@pytest.mark.parametrize("status", [200, 302])
def test_a_catalogue_that_sends_a_byte_at_a_time(
    ask: Ask, remote: Loopback, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Each byte is in time: a search would hold its turn, and all others, for hours."""
    monkeypatch.setattr(foreign_wire, "SECONDS", 0.5)
    ended = threading.Event()

    def drip(asked: Asked) -> None:
        asked.handler.send_response(status)
        asked.handler.send_header("Content-Length", "1000000")
        asked.handler.send_header("Location", "/elsewhere")
        asked.handler.end_headers()
        with contextlib.suppress(OSError):
            while not asked.server.stopping.wait(0.05):
                asked.handler.wfile.write(b" ")
        asked.handler.close_connection = True
        ended.set()

    remote.routes["/stac"] = drip
    remote.routes["/elsewhere"] = Reply("{}")
    refused = ask("POST", "collections", {"catalogue": f"{remote.url}/stac"})
    assert refused.status == (504 if status == 200 else 502)
    assert ended.wait(10)


def test_odd_json_costs_at_most_itself(ask: Ask, remote: Loopback) -> None:
    """Half a character, and numbers that no float holds, are legal JSON."""
    huge = 10**400
    odd = [
        item("one") | {"bbox": [huge, 0, 1, 1]},
        item("two") | {"geometry": {"type": "Point", "coordinates": [huge, 1]}},
    ]
    odd[0]["properties"] |= {"title": "half \ud83d", "pelagos:depth": [huge]}
    catalogue = at(remote, (), search=features(*odd))
    found = ask("POST", "granules", {"catalogue": catalogue, "collections": ["a"]}).json
    assert [one["id"] for one in found["granules"]] == ["one", "two"]
    assert found["granules"][0]["title"] == "half ?"
    remote.routes["/stac/collections/a/items/one"] = reply(odd[0])
    told = ask("GET", "granule", catalogue=catalogue, collection="a", item="one")
    assert (told.status, told.json["title"]) == (200, "half ?")


def test_redirects_are_followed_for_a_while(ask: Ask, remote: Loopback) -> None:
    at(remote, (), collections=sets(collection("a")))
    remote.routes["/moved"] = Reply(status=301, headers={"Location": "/stac"})
    remote.routes["/circle"] = Reply(status=302, headers={"Location": "/circle"})
    remote.routes["/moved/collections"] = remote.routes["/stac/collections"]
    found = ask("POST", "collections", {"catalogue": f"{remote.url}/moved"}).json
    assert [one["id"] for one in found["collections"]] == ["a"]
    refused = ask("POST", "collections", {"catalogue": f"{remote.url}/circle"})
    assert (refused.status, "without end" in refused.json["reason"]) == (502, True)


def test_an_answer_that_does_not_end(
    ask: Ask, remote: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_wire, "_BYTES", 2**16)
    remote.routes["/stac"] = Reply(b" " * 2**20)
    refused = ask("POST", "collections", {"catalogue": f"{remote.url}/stac"})
    assert (refused.status, "more than" in refused.json["reason"]) == (502, True)


def test_a_token_goes_to_its_own_catalogue_only(
    ask: Ask, remote: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "of-the-hub")
    monkeypatch.setenv("PELAGOS_CATALOGUE_API", "http://127.0.0.1:9/")
    url = at(remote, ALL, collections=sets())
    ask("POST", "collections", {"catalogue": url})
    assert [one.headers.get("authorization") for one in remote.requests] == [None, None]
