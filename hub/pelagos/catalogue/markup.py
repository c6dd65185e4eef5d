"""Markup that strangers wrote: plain text out of HTML, and XML read without its dangers.

No entity, DTD, network or unbounded tree; what is too much is an error or is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lxml import etree

from pelagos.catalogue.records import TEXT_LIMIT
from pelagos.errors import SourceError

XML_LIMIT = 64 * 2**20  # bytes of a document that is held as a tree
RECORD_LIMIT = 16 * 2**20  # bytes of one record in a document that is streamed

# controls, lone surrogates (JSON can carry them), marks that turn text around, non-characters
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_MARKED = re.compile(r"<[A-Za-z/!?]|&#?\w{1,10};")
_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")
_HIDDEN = frozenset({"script", "style", "head", "template", "noscript", "iframe", "object", "svg"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "s"}
    | {"samp", "small", "span", "strong", "sub", "sup", "u", "var"}
)
_PASSES = 3  # markup that is escaped once more in each


class MarkupError(SourceError):
    """A document is not the XML that it should be."""


def plain_text(text: str | None, limit: int = TEXT_LIMIT) -> str:
    """`text` for people: without tags, scripts and entities, whitespace folded, cut at `limit`.

    "H<sub>2</sub>O" is "H2O", "a < b" stays. It is plain text: HTML still has to escape it.
    """
    if not text:
        return ""
    text = text[: 4 * limit + 20_000]
    for _ in range(_PASSES):
        if not _MARKED.search(text):
            break
        text = _without_tags(text)
    else:
        text = _TAG_START.sub("", text)
    text = " ".join(_UNWANTED.sub("", text).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def parse_xml(content: bytes, where: str, limit: int = XML_LIMIT) -> etree._Element:
    """The root of a document; `where` it is from, for messages. Raises MarkupError."""
    if len(content) > limit:
        raise MarkupError(f"{where}: XML of {len(content)} bytes, the most is {limit}")
    try:
        root = etree.fromstring(content, etree.XMLParser(**_SAFE))
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise _no_xml(where, content[:512], error) from error
    _check_root(root, where)
    return root


def iterate_xml(
    pieces: Iterable[bytes], tags: Iterable[str], where: str, limit: int = RECORD_LIMIT
) -> Iterator[etree._Element]:
    """The elements `{namespace}tag` (`{*}tag`: any) of a document of any length, one at a time.

    Each is emptied when the next is asked for. Raises MarkupError for what is no XML, and where
    more than `limit` bytes pass without such an element.
    """
    parser = etree.XMLPullParser(events=("start", "end"), **_SAFE)
    wanted = frozenset(tags)
    head, since = b"", 0
    depth = inside = 0
    try:
        for piece in pieces:
            head = head or piece[:512]
            since += len(piece)
            parser.feed(piece)
            for event, element in parser.read_events():
                if event == "start":
                    depth += 1
                    if depth == 1:
                        _check_root(element, where)
                    if not inside and _is_one_of(element.tag, wanted):
                        inside = depth
                    continue
                if depth == inside:
                    inside, since = 0, 0
                    yield element
                    _forget(element)
                depth -= 1
            if since > limit:
                raise MarkupError(f"{where}: more than {limit} bytes of XML without a record")
        parser.close()
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise _no_xml(where, head, error) from error


# what libxml2 may do for strangers: nothing but parse; its own limits stay on (huge_tree)
_SAFE = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def _check_root(root: etree._Element, where: str) -> None:
    if root.tag.rpartition("}")[2].lower() == "html":
        raise MarkupError(f"{where}: a web page instead of XML")
    if root.getroottree().docinfo.internalDTD is not None:
        raise MarkupError(f"{where}: XML with a DOCTYPE, which is not read")


def _is_one_of(tag: str, wanted: frozenset[str]) -> bool:
    return tag in wanted or f"{{*}}{tag.rpartition('}')[2]}" in wanted


def _forget(element: etree._Element) -> None:
    """Free an element and what stands before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _no_xml(where: str, head: bytes, error: Exception) -> MarkupError:
    start = head.lstrip()[:200].lower()
    if not start:
        return MarkupError(f"{where}: an empty answer instead of XML")
    if start.startswith((b"<!doctype html", b"<html")):
        return MarkupError(f"{where}: a web page instead of XML")
    return MarkupError(f"{where}: not XML: {plain_text(str(error), 200)}")


def _without_tags(text: str) -> str:
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True
    )
    content = f"<div>{_UNWANTED.sub('', text)}</div>".encode()
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return re.sub(r"<[^>]*>", " ", text)
    if root is None:
        return ""
    parts: list[str] = []
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        if event == "start":
            if element.tag in _HIDDEN:
                walk.skip_subtree()
                continue
            _gap(parts, element)
            parts.append(element.text or "")
        else:
            _gap(parts, element)
            parts.append(element.tail or "")
    return "".join(parts)


def _gap(parts: list[str], element: etree._Element) -> None:
    if element.tag not in _INLINE:
        parts.append(" ")
