"""Text, XML, times, numbers, boxes, licences and DOIs as strangers write them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pelagos.catalogue.markup import MarkupError, iterate_xml, parse_xml, plain_text
from pelagos.catalogue.records import Box, RecordError
from pelagos.catalogue.rights import find_doi, licence, spdx
from pelagos.catalogue.values import (
    parse_box,
    parse_depth,
    parse_interval,
    parse_moment,
    parse_number,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (None, ""),
        ("  a\n\tb ", "a b"),
        ("a < b and c > d, p<0.05", "a < b and c > d, p<0.05"),
        ("H<sub>2</sub>O", "H2O"),
        ("one<br/>two<p>three</p>four", "one two three four"),
        ("<script>alert(1)</script>Sea", "Sea"),
        ("Sea<script>alert(1)", "Sea"),
        ("<b onclick='x()'>Sea</b>", "Sea"),
        ("<style>p{}</style><!-- c -->Sea", "Sea"),
        ("&lt;b&gt;Sea&lt;/b&gt; &amp;amp; ice", "Sea & ice"),
        ("&amp;lt;script&amp;gt;x&amp;lt;/script&amp;gt;Sea", "Sea"),
        ("R&D", "R&D"),
        ("Temp\x00\x1b[31m\u202e\ud800 x", "Temp[31m x"),
        ("<?xml version='1.0' encoding='x'?><a>Sea</a>", "Sea"),
        ("<" * 50_000, "<" * 50_000),
    ],
)
def test_text_is_plain(text: str | None, plain: str) -> None:
    assert plain_text(text) == plain


def test_long_text_is_cut() -> None:
    assert plain_text("<p>" + "word " * 1_000_000 + "</p>", 20) == "word word word word…"


@given(st.text(alphabet="<>/&;#!-ab script=\"'x\n", max_size=300))
def test_no_tag_survives(text: str) -> None:
    plain = plain_text(text)
    assert "<script" not in plain
    assert len(plain) <= len(text) + 1


# --- XML

BOMB = (
    b'<!DOCTYPE a [<!ENTITY a "xxxxxxxxxx">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(98, 110))
    + b"]><a>&m;</a>"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty answer"),
        (b"<a><b></a>", "not XML"),
        (b"{}", "not XML"),
        (b"<!DOCTYPE html><html><br></html>", "a web page"),
        (b"<html><p>no</html>", "a web page"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "a web page"),
        (b"<?xml version='1.0' encoding='utf-8'?><a>\xe9</a>", "not XML"),
        (b"<?xml version='1.0' encoding='nonsense'?><a>\xe9</a>", "not XML"),
        (BOMB, "DOCTYPE|not XML"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "DOCTYPE"),
        (b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>", "DOCTYPE"),
        (b"<a>" * 100_000, "not XML"),
    ],
)
def test_bad_xml_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MarkupError, match=f"here: .*({reason})"):
        parse_xml(content, "here")
    with pytest.raises(MarkupError, match=f"here: .*({reason})"):
        list(iterate_xml([content], ["none"], "here"))


def test_large_xml_is_refused() -> None:
    with pytest.raises(MarkupError, match="the most is 10"):
        parse_xml(b"<a>xxxxxxxxxx</a>", "here", 10)


def test_records_are_streamed_whatever_the_document_holds() -> None:
    record = b"<r>" + b"x" * 1000 + b"<r>inner</r></r>"

    def document() -> Iterator[bytes]:
        yield b"<?xml version='1.0'?><all xmlns='u'><head/>"
        for _ in range(2000):
            yield record
        yield b"</all>"

    seen = 0
    for element in iterate_xml(document(), ["{u}r"], "here"):
        seen += 1
        assert len(element.getparent()) <= 3  # not more than a few are held
    assert seen == 2000


def test_a_document_of_one_record_streams_too() -> None:
    [tag] = [element.tag for element in iterate_xml([b"<r ", b"a='b'/>"], ["r"], "here")]
    assert tag == "r"


def test_xml_that_never_reaches_a_record_is_given_up() -> None:
    def endless() -> Iterator[bytes]:
        yield b"<all>"
        while True:
            yield b"<x/>" * 1000

    with pytest.raises(MarkupError, match="without a record"):
        list(iterate_xml(endless(), ["r"], "here", limit=100_000))
    gc.collect()


def test_comments_and_instructions_are_left_out() -> None:
    root = parse_xml(b"<?x y?><a><!-- c -->b<?z?>c</a>", "here")
    assert etree.tostring(root) == b"<a>bc</a>"


# --- times


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020", utc(2020, 1, 1), utc(2020, 12, 31, 23, 59, 59)),
        ("2020-02", utc(2020, 2, 1), utc(2020, 2, 29, 23, 59, 59)),
        ("2020-5-3", utc(2020, 5, 3), utc(2020, 5, 3, 23, 59, 59)),
        ("20200503", utc(2020, 5, 3), utc(2020, 5, 3, 23, 59, 59)),
        ("2013-05-03+02:00", utc(2013, 5, 2, 22), utc(2013, 5, 3, 21, 59, 59)),
        ("2020-05-03Z", utc(2020, 5, 3), utc(2020, 5, 3, 23, 59, 59)),
        ("9999", None, None),
        ("9999-12-31T23:59:59-05:00", None, None),
        ("0001-01-01T00:00:00Z", None, None),
        ("-4713-01-01", None, None),
        ("..", None, None),
        ("", None, None),
        ("Now", None, None),
    ],
)
def test_dates_are_spans(text: str, first: datetime | None, last: datetime | None) -> None:
    assert parse_time(text) == (first, last)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-05-03T10:20:30Z", utc(2020, 5, 3, 10, 20, 30)),
        ("2020-05-03t10:20:30z", utc(2020, 5, 3, 10, 20, 30)),
        ("2020-05-03 10:20", utc(2020, 5, 3, 10, 20)),
        ("2020-05-03T10", utc(2020, 5, 3, 10)),
        ("2020-05-03T10:20:30.123456789+02:00", utc(2020, 5, 3, 8, 20, 30, 123456)),
        ("2020-05-03T10:20:30,5-0330", utc(2020, 5, 3, 13, 50, 30, 500000)),
        ("20200503T102030Z", utc(2020, 5, 3, 10, 20, 30)),
        ("20200503102030", utc(2020, 5, 3, 10, 20, 30)),
        ("2020-05-03T24:00:00", utc(2020, 5, 4)),
        ("2016-12-31T23:59:60Z", utc(2016, 12, 31, 23, 59, 59)),
        ("2020-05-03 10:20:30 UTC", utc(2020, 5, 3, 10, 20, 30)),
    ],
)
def test_times_are_moments_in_utc(text: str, moment: datetime) -> None:
    assert parse_time(text) == (moment, moment)


@pytest.mark.parametrize(
    "text",
    [
        "9999-99-99",
        "2020-13",
        "2020-02-30",
        "2020-05-03T25:00",
        "2020-05-03T10:61",
        "2020-05-03T10:20+99:00",
        "yesterday",
        "20201345",
        "202",
        "05/03/2020",
        "\uff12\uff10\uff12\uff10",
        "202005",
        "2020-05-03T10:20:30Z and more",
        "1" * 10_000,
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match=r"when: .* is no time"):
        parse_time(text, "when")


def test_intervals_reach_from_first_to_last_moment() -> None:
    interval = parse_interval("2019", "2020-06")
    assert interval is not None
    assert (interval.start, interval.end) == (utc(2019, 1, 1), utc(2020, 6, 30, 23, 59, 59))
    still = parse_interval("2019-01-01", "9999-12-31")
    assert still is not None
    assert still.end is None
    assert parse_interval(None, "unknown") is None
    assert parse_moment("2020-05") == utc(2020, 5, 1)
    with pytest.raises(RecordError, match="ends before it starts"):
        parse_interval("2020", "2019")


@given(st.text(alphabet="0123456789-+:TZ. ", max_size=30))
def test_times_are_read_or_refused(text: str) -> None:
    try:
        first, last = parse_time(text)
    except RecordError:
        return
    assert (first is None) == (last is None)
    assert first is None or last is None or first <= last


# --- numbers and places


@pytest.mark.parametrize(
    ("value", "number"), [("1.5", 1.5), (" -3 ", -3), (2, 2), (".5e1", 5), ("1.", 1)]
)
def test_numbers(value: object, number: float) -> None:
    assert parse_number(value) == number


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "NaN",
        "inf",
        "1e999",
        "1_0",
        "१",
        "1,5",
        "x",
        True,
        float("nan"),
        10**400,
        [],
        "9" * 999,
    ],
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(RecordError, match=r"size: .* is no number"):
        parse_number(value, "size")


@pytest.mark.parametrize(
    ("given", "box"),
    [
        ((-10, -20, 30, 40), (-10, -20, 30, 40)),
        (("170", "-20", "-170", "20"), (170, -20, -170, 20)),
        ((0, -90, 360, 90), (-180, -90, 180, 90)),
        ((170, 0, 190, 1), (170, 0, -170, 1)),
        ((180, 0, 360, 1), (-180, 0, 0, 1)),
        ((0, 0, 180, 1), (0, 0, 180, 1)),
        ((200, 0, 210, 1), (-160, 0, -150, 1)),
        ((-200, 0, -170, 1), (160, 0, -170, 1)),
        ((20.5, 0, 379.5, 1), (20.5, 0, 19.5, 1)),
        ((-180.0000001, -90.0000001, 180.0000001, 90.0000001), (-180, -90, 180, 90)),
        ((0, 0, 0, 91), None),
        ((0, 50, 0, 40), None),
        ((0, float("nan"), 0, 0), None),
        ((0, None, 0, 0), None),
        ((-999, -999, -999, -999), None),
    ],
)
def test_boxes(given: tuple[object, ...], box: tuple[float, ...] | None) -> None:
    if box is None:
        with pytest.raises(RecordError, match="box"):
            parse_box(*given)  # type: ignore[arg-type]
    else:
        assert parse_box(*given) == Box(*box)  # type: ignore[arg-type]


def test_depths() -> None:
    assert parse_depth("2000", "0") == (0, 2000)
    assert parse_depth(None, "5.5") == (5.5, 5.5)
    assert parse_depth(None, "") is None
    for bad in ("1e20", "deep"):
        with pytest.raises(RecordError, match="depth"):
            parse_depth("0", bad)


# --- rights


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/igo/legalcode", "CC-BY-NC-SA-3.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC-BY-NC 4", "CC-BY-NC-4.0"),
        ("cc_by_sa v4.0", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        ("Attribution-NonCommercial-NoDerivatives 4.0", "CC-BY-NC-ND-4.0"),
        ("CC0", "CC0-1.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/legalcode", "CC0-1.0"),
        ("Open Database License (ODbL)", "ODbL-1.0"),
        ("http://opendatacommons.org/licenses/by/1.0/", "ODC-By-1.0"),
        ("http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL-UK-3.0"),
        ("Open Government Licence v3.0", "OGL-UK-3.0"),
        ("Licence Ouverte / Open Licence Version 2.0", "etalab-2.0"),
        ("MIT", "MIT"),
        ("CC-BY", ""),
        ("Creative Commons", ""),
        ("Open Government Licence", ""),
        ("no limitations", ""),
        ("SUBMITTED TO COMMITTEE", ""),
        ("access 40 data sets", ""),
        (None, ""),
    ],
)
def test_licences_are_known_by_name_or_address(text: str | None, identifier: str) -> None:
    assert spdx(text) == identifier


def test_a_records_own_words_go_before_the_sources_licence() -> None:
    assert licence([None, ""], "CC-BY-4.0") == ("CC-BY-4.0", "")
    assert licence([]) == ("other", "")
    assert licence(["Ask <b>us</b>", "Ask us"], "CC-BY-4.0") == ("other", "Ask us")
    assert licence(["As is.", "CC BY 4.0"]) == ("CC-BY-4.0", "As is. CC BY 4.0")


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("https://doi.org/10.17882/42182", "10.17882/42182"),
        ("http://dx.doi.org/10.1594%2FPANGAEA.855011?x=y#z", "10.1594/PANGAEA.855011"),
        ("doi:10.5194/essd-8-383-2016.", "10.5194/essd-8-383-2016"),
        ("(see 10.1016/0198-0149(82)90026-5)", "10.1016/0198-0149(82)90026-5"),
        ("Cite as [10.17882/42182].", "10.17882/42182"),
        ("version 10.2/3", ""),
        ("10.1234/", ""),
        ("10.1234/" + "x" * 300, ""),
        (None, ""),
    ],
)
def test_dois(text: str | None, doi: str) -> None:
    assert find_doi(text) == doi
