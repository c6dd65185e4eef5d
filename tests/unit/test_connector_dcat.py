"""EurOBIS' descriptions of two data sets, recorded: one in Turtle, one in expanded JSON-LD."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from connector_cases.dcat import DCAT, JSON, TURTLE, catalogue
from loopback import Asked, Reply, serve, validated
from pelagos.catalogue.connectors import rdf
from pelagos.catalogue.records import Access, Box, Interval
from pelagos.errors import SourceError
from rest_recordings import Harvest, as_json, harvest, source
from shared_data import shared_data


def described(text: str) -> Harvest:
    """The harvest of one data set."""
    with serve({}) as server:
        catalogue(server, "1")
        server.routes["/id/dataset/1.ttl"] = Reply(text.replace("HERE", server.url), "text/turtle")
        return harvest(source("dcat", server, "/619.ttl"))


def test_both_recorded_data_sets_are_kept() -> None:
    with serve({}) as server:
        catalogue(server, "466", "2775")
        server.routes["/id/dataset/466.ttl"] = Reply(
            shared_data(TURTLE).read_bytes(), "text/turtle"
        )
        server.routes["/id/dataset/2775.ttl"] = Reply(shared_data(JSON).read_bytes())
        found = harvest(source("dcat", server, "/619.ttl"))
    assert found.rejected == []
    scheldt, museum = found.collections
    assert scheldt.title.startswith("Ecological hyperbenthic data of the Scheldt estuary")
    assert scheldt.description.startswith("Data on the ecology")  # the English one of two
    assert "<p>" not in scheldt.description
    assert (scheldt.licence, museum.licence) == ("CC-BY-4.0", "CC-BY-4.0")
    assert scheldt.boxes == (
        Box(-1.0177229642868, 45.046360015869, 7.2652821540833, 53.423240661621),
    )
    assert museum.boxes == (Box(99.45, -10.81, 134.8983, 6.1333),)
    # 41 periods, one of which ends before it starts; dates like 1988-12-8
    assert scheldt.interval == Interval(
        datetime(1988, 12, 8, tzinfo=UTC), datetime(2000, 5, 18, 23, 59, 59, tzinfo=UTC)
    )
    assert scheldt.citation.startswith("Beyst, B.; Fockedey, N.;")
    assert {"Hyperbenthos", "Mysidacea", "Ecology - biodiversity"} <= set(scheldt.keywords)
    assert "Mysidacea brood size" in {parameter.name for parameter in scheldt.parameters}
    [files] = found.granules["466"]
    assert len(files.assets) == 15
    # addresses without a scheme are of that host, not paths below the document
    assert files.assets[0].href.startswith("https://mda.vliz.be/mda/directlink.php?fid=VLIZ_")
    assert files.assets[0].access is Access.DIRECT
    assert "https://obis.org/dataset/319a6a7f-2a86-4aec-bb66-1d5cb94473d9" in {
        link.href for link in museum.links
    }
    assert (museum.searchable, found.granules["2775"]) == (False, [])


def test_what_the_server_says_is_unchanged_is_kept_as_it_is() -> None:
    def conditional(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == '"1"':
            return Reply("", status=304)
        return Reply(shared_data(TURTLE).read_bytes(), "text/turtle", headers={"ETag": '"1"'})

    with serve({}) as server:
        catalogue(server, "466")
        server.routes["/id/dataset/466.ttl"] = conditional
        first = harvest(source("dcat", server, "/619.ttl"))
        second = harvest(source("dcat", server, "/619.ttl"), first.memory)
    assert (second.unchanged, second.collections) == (["466"], [])
    assert second.memory == first.memory


def test_a_description_that_is_bad_is_told_in_every_run() -> None:
    with serve({}) as server:
        catalogue(server, "1")
        server.routes["/id/dataset/1.ttl"] = validated(Reply("<html>", "text/html"))
        first = harvest(source("dcat", server, "/619.ttl"))
        second = harvest(source("dcat", server, "/619.ttl"), first.memory)
    assert (len(first.rejected), len(second.rejected), second.unchanged) == (1, 1, [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html><body>Oops</body></html>", "Turtle: line 1"),
        (DCAT + "<HERE/id/dataset/1> a dcat:Dataset ; dct:title 'never ends", "line 2"),
        (DCAT + "<HERE/id/dataset/1> a dcat:Dataset .", "title: empty"),
        (DCAT + "<HERE/other> a dcat:Dataset . <HERE/more> a dcat:Dataset .", "describes 2"),
        ("[" * 100_000, "not JSON"),
        ('{"@context": "http://evil.example.org/", "@id": "x"}', "@context"),
        ('[{"@id": 7}]', "@id is int"),
        ('["text"]', "str where a thing"),
        ("[" * 100_000 + "]" * 100_000, "JSON"),
        (DCAT + "<HERE/id/dataset/1> dct:title " + "[ dct:title " * 99, "nested deeper"),
        (
            DCAT + "<HERE/id/dataset/1> dct:title 't' ; dct:spatial [ dcat:bbox 'POINT(1 91)' ] .",
            "latitude outside",
        ),
        (
            DCAT + "<HERE/id/dataset/1> dct:title 't' ; dct:modified '9999-99-99' .",
            "dct:modified: '9999-99-99' is no time",
        ),
    ],
)
def test_a_description_that_is_none_is_reported(text: str, reason: str) -> None:
    found = described(text)
    assert found.collections == []
    [rejected] = found.rejected
    assert reason in rejected.reason


def test_a_data_set_that_is_gone_is_reported_and_one_away_spoils_the_run() -> None:
    with serve({}) as server:
        catalogue(server, "gone", "gone")
        found = harvest(source("dcat", server, "/619.ttl"))
        assert ["404" in reason for reason in found.reasons] == [True, False]
        assert "another data set is called 'gone'" in found.reasons[1]
        server.routes["/id/dataset/gone.ttl"] = Reply("", status=503)
        with pytest.raises(SourceError, match="503"):
            harvest(source("dcat", server, "/619.ttl"))


def test_scripts_are_no_links_and_no_text() -> None:
    found = described(
        DCAT + "<HERE/id/dataset/1> dct:title '<script>x()</script>Fish' ; dcat:distribution"
        " [ dcat:accessURL <javascript:x()> ], [ dcat:downloadURL <https://h.example.org/a.zip> ] ."
    )
    [collection] = found.collections
    assert collection.title == "Fish"
    assert [link.href.split(":")[0] for link in collection.links] == ["http"]
    assert [asset.href for asset in collection.assets] == ["https://h.example.org/a.zip"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<html>", "text/html"),
        as_json([]),
        Reply("# nothing", "text/turtle"),
        as_json({"a": 1}),
    ],
)
def test_a_catalogue_without_data_sets_spoils_the_run(reply: Reply) -> None:
    with serve({"/619.ttl": reply}) as server, pytest.raises(SourceError, match="not an answer"):
        harvest(source("dcat", server, "/619.ttl"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a> <p> 'x'@en-GB, \"y\", '''it's\n\\u00e9''', \"\"\"say \"hi\" \"\"\" .",
         ["x", "y", "it's\né", 'say "hi" ']),
        ("@prefix : <v#> . <a> :p 5, -1.5e3, true . # end", ["5", "-1.5e3", "true"]),
        ("PREFIX x: <v#>\nBASE <http://b.example.org/>\n<a> x:p 'z' ; ; .", ["z"]),
        ("<a> <p> [ <q> 'inner' ; ] , ( 'one' 'two' ) .", ["inner", "one", "two"]),
        ("@prefix x: <v#> . x:a.b x:p\\,q 'dots' .", ["dots"]),
        ("_:n1 <p> 'blank' . [ <p> 'alone' ] .", ["blank", "alone"]),
    ],
)  # fmt: skip
def test_turtle_is_read_as_its_grammar_says(text: str, expected: list[str]) -> None:
    graph = rdf.from_turtle(text, "http://h.example.org/d")
    texts = [
        value.value
        for node in graph.nodes.values()
        for values in node.values()
        for value in values
        if isinstance(value, rdf.Literal)
    ]
    assert sorted(texts) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    ["<a> <p>", "<a> <p> 'x'", "'x' <p> <b> .", "<a> 'p' <b> .", "x:a <p> <b> .", "<a> <p> <b> ]",
     '"""' + "a" * 100_000, "@prefix x <v> .", "<a> <p> ( <b> .", "<a> <p> 'x'^^ .", "\x00"],
)  # fmt: skip
def test_what_is_no_turtle_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(rdf.RdfError, match="line 1"):
        rdf.from_turtle(text, "http://h.example.org/d")


def test_json_ld_with_nested_things_is_read() -> None:
    document: Any = {
        "@graph": [
            {"@id": "d", "http://p/#k": [{"@id": "e", "http://p/#n": {"@value": 5}}]},
            {"@type": ["http://p/#T"], "http://p/#b": [{"@value": True}]},
        ]
    }
    graph = rdf.from_json(document, "http://h.example.org/")
    assert graph.things("http://h.example.org/d", "http://p/#k") == ["http://h.example.org/e"]
    assert graph.texts("http://h.example.org/e", "http://p/#n") == ["5"]
    [thing] = graph.of_type("http://p/#T")
    assert graph.texts(thing, "http://p/#b") == ["true"]
