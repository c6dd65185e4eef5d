"""Reads small RDF documents: Turtle 1.1 (W3C REC 2014-02-25) and expanded JSON-LD 1.1.

Just what a description of a data set needs. Nothing is fetched: JSON-LD that needs a context is
refused. Every document is bounded in size and depth, and read in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

SIZE_LIMIT = 8 * 2**20  # characters of a document
_DEPTH_LIMIT = 50
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_RDF = TYPE.removesuffix("type")
_XSD = "http://www.w3.org/2001/XMLSchema#"

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
# Addresses without a scheme (`www.vliz.be/imis?x=1`), as EurOBIS writes them: taken literally they
# would be paths below the document's own address.
_BARE_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.){2,6}[A-Za-z]{2,20}/", re.ASCII)


class RdfError(ValueError):
    """A document can't be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Iri:
    """A thing by its address; `_:…` is one that has none outside its document."""

    value: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, with its language (`en`) or type (an address) if it has one."""

    value: str
    language: str = ""
    type: str = ""


Term = Iri | Literal


@dataclass
class Graph:
    """Statements: subject -> property -> values, all by address."""

    nodes: dict[str, dict[str, list[Term]]] = field(default_factory=dict)

    def add(self, subject: str, predicate: str, value: Term) -> None:
        """Note a statement."""
        self.nodes.setdefault(subject, {}).setdefault(predicate, []).append(value)

    def values(self, subject: str, *predicates: str) -> list[Term]:
        """The values of these properties, in this order; none if it is not known."""
        known = self.nodes.get(subject, {})
        return [value for predicate in predicates for value in known.get(predicate, ())]

    def texts(self, subject: str, *predicates: str) -> list[str]:
        """Those of them that are texts."""
        return [v.value for v in self.values(subject, *predicates) if isinstance(v, Literal)]

    def things(self, subject: str, *predicates: str) -> list[str]:
        """Those of them that are things."""
        return [v.value for v in self.values(subject, *predicates) if isinstance(v, Iri)]

    def text(self, subject: str, *predicates: str, language: str = "en") -> str:
        """One text of them: in this language, without any, or the first; "" for none."""
        found = [v for v in self.values(subject, *predicates) if isinstance(v, Literal)]
        for wanted in (language, ""):
            for value in found:
                if value.language.split("-")[0].lower() == wanted and value.value.strip():
                    return value.value
        return next((value.value for value in found if value.value.strip()), "")

    def of_type(self, *types: str) -> list[str]:
        """All things that are one of these."""
        return [subject for subject in self.nodes if set(types) & set(self.things(subject, TYPE))]


def resolve(reference: str, base: str) -> str:
    """`reference` as an absolute address (RFC 3986 5.2). Raises RdfError."""
    if _BARE_HOST.match(reference):
        return f"https://{reference}"
    if _ABSOLUTE.match(reference):
        return reference
    try:
        joined = urljoin(base, reference)
        # urljoin drops an empty fragment, on which names of vocabularies end
        return f"{joined}#" if reference.endswith("#") and not joined.endswith("#") else joined
    except ValueError as error:
        raise RdfError(f"not an address: {reference[:80]!r}: {error}") from error


def from_json(document: Any, base: str) -> Graph:
    """The graph of expanded JSON-LD. Raises RdfError."""
    graph = Graph()
    _JsonReader(graph, base).nodes(document, 0)
    return graph


class _JsonReader:
    def __init__(self, graph: Graph, base: str) -> None:
        self._graph = graph
        self._base = base
        self._unnamed = 0

    def nodes(self, document: Any, depth: int) -> None:
        for node in document if isinstance(document, list) else [document]:
            if not isinstance(node, dict):
                raise RdfError(f"JSON-LD: {type(node).__name__} where a thing should be")
            if "@graph" in node and depth < _DEPTH_LIMIT:
                self.nodes(node["@graph"], depth + 1)
            else:
                self._node(node, depth)

    def _node(self, node: dict[str, Any], depth: int) -> str:
        if depth > _DEPTH_LIMIT:
            raise RdfError(f"JSON-LD: nested deeper than {_DEPTH_LIMIT}")
        if "@context" in node:
            raise RdfError("JSON-LD: it has a @context; only the expanded form can be read")
        subject = self._name(node.get("@id"))
        for predicate, values in node.items():
            if predicate == "@type":
                for value in _texts(values):
                    self._graph.add(subject, TYPE, Iri(resolve(value, self._base)))
            elif not predicate.startswith("@"):
                for value in values if isinstance(values, list) else [values]:
                    self._graph.add(subject, predicate, self._value(value, depth))
        return subject

    def _name(self, name: Any) -> str:
        if name is None:
            self._unnamed += 1
            return f"_:unnamed{self._unnamed}"
        if not isinstance(name, str):
            raise RdfError(f"JSON-LD: @id is {type(name).__name__}, not text")
        return name if name.startswith("_:") else resolve(name, self._base)

    def _value(self, value: Any, depth: int) -> Term:
        if isinstance(value, dict) and "@value" in value:
            language, kind = value.get("@language", ""), value.get("@type", "")
            return Literal(_literal(value["@value"]), _literal(language), _literal(kind))
        if isinstance(value, dict):
            return Iri(self._node(value, depth + 1))
        raise RdfError(f"JSON-LD: {type(value).__name__} where a value should be")


def _texts(values: Any) -> list[str]:
    found = values if isinstance(values, list) else [values]
    if not all(isinstance(value, str) for value in found):
        raise RdfError("JSON-LD: @type is not text")
    return found


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise RdfError(f"JSON-LD: {type(value).__name__} where a text should be")


def from_turtle(text: str, base: str) -> Graph:
    """The graph of a Turtle document that was read from `base`. Raises RdfError."""
    if len(text) > SIZE_LIMIT:
        raise RdfError(f"Turtle: {len(text)} characters, the most is {SIZE_LIMIT}")
    return _TurtleReader(text, base).read()


# Possessive quantifiers: a text without its closing quotes fails at once, not after every split.
_TOKEN = re.compile(
    r"""
    (?P<space>(?:[\s]|\#[^\n]*+)++)
  | <(?P<iri>[^<>\s]*+)>
  | (?P<long>\"{3}(?:[^"\\]|\\.|\"(?!\"\"))*+\"{3}|'{3}(?:[^'\\]|\\.|'(?!''))*+'{3})
  | (?P<short>"(?:[^"\\\n\r]|\\.)*+"|'(?:[^'\\\n\r]|\\.)*+')
  | @(?P<at>[A-Za-z]++(?:-[A-Za-z0-9]++)*+)
  | (?P<typed>\^\^)
  | _:(?P<blank>[\w\-]++(?:\.++[\w\-]++)*+)
  | (?P<name>(?:[^\W\d_][\w\-]*+(?:\.++[\w\-]++)*+)?:(?:(?:[\w\-:%]|\\.)++|\.++(?=[\w\-:%\\]))*+)
  | (?P<number>[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?<!\.))
  | (?P<word>[A-Za-z]++)
  | (?P<mark>[;,.\[\]()])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


class _TurtleReader:
    """Recursive descent over the grammar of Turtle 6.5; one piece of look-ahead."""

    def __init__(self, text: str, base: str) -> None:
        self._text = text
        self._at = 0
        self._base = base
        self._prefixes: dict[str, str] = {}
        self._graph = Graph()
        self._unnamed = 0
        self._tokens = self._split()
        self._kind, self._piece = next(self._tokens)

    def read(self) -> Graph:
        while self._kind != "end":
            if self._kind in ("at", "word") and self._piece.lower() in ("prefix", "base"):
                self._directive()
            else:
                self._statement()
        return self._graph

    def _split(self) -> Iterator[tuple[str, str]]:
        position = 0
        while position < len(self._text):
            found = _TOKEN.match(self._text, position)
            if found is None:
                self._at = position
                raise self._wrong(f"{self._text[position : position + 20]!r} can't be read")
            self._at = position
            position = found.end()
            kind = found.lastgroup or ""
            if kind != "space":
                yield kind, found[kind]
        self._at = position
        yield "end", ""
        raise self._wrong("it ends too early")

    def _wrong(self, what: str) -> RdfError:
        return RdfError(f"Turtle: line {self._text.count(chr(10), 0, self._at) + 1}: {what}")

    def _next(self) -> tuple[str, str]:
        taken = self._kind, self._piece
        self._kind, self._piece = next(self._tokens)
        return taken

    def _is(self, mark: str) -> bool:
        return self._kind == "mark" and self._piece == mark

    def _take(self, mark: str) -> None:
        if not self._is(mark):
            raise self._wrong(f"{self._piece[:20]!r} where {mark!r} should be")
        self._next()

    def _directive(self) -> None:
        kind, word = self._next()
        prefix = None
        if word.lower() == "prefix":
            name_kind, name = self._next()
            if name_kind != "name" or not name.endswith(":"):
                raise self._wrong("a prefix without a name")
            prefix = name[:-1]
        iri_kind, iri = self._next()
        if iri_kind != "iri":
            raise self._wrong("a prefix or base without an address")
        if prefix is None:
            self._base = resolve(_unescaped(iri), self._base)
        else:
            self._prefixes[prefix] = resolve(_unescaped(iri), self._base)
        if kind == "at":
            self._take(".")

    def _statement(self) -> None:
        alone = self._is("[")
        subject = self._term(0)
        if isinstance(subject, Literal):
            raise self._wrong("a text can't be a subject")
        if not (alone and self._is(".")):
            self._properties(subject.value, 0)
        self._take(".")

    def _properties(self, subject: str, depth: int) -> None:
        while True:
            predicate = self._predicate()
            self._graph.add(subject, predicate, self._term(depth))
            while self._is(","):
                self._next()
                self._graph.add(subject, predicate, self._term(depth))
            if not self._is(";"):
                return
            while self._is(";"):
                self._next()
            if self._is(".") or self._is("]"):
                return

    def _predicate(self) -> str:
        if self._kind == "word" and self._piece == "a":
            self._next()
            return TYPE
        predicate = self._term(_DEPTH_LIMIT)
        if isinstance(predicate, Literal):
            raise self._wrong("a text can't be a property")
        return predicate.value

    def _term(self, depth: int) -> Term:
        kind, piece = self._next()
        if kind == "iri":
            return Iri(resolve(_unescaped(piece), self._base))
        if kind == "name":
            return Iri(self._full(piece))
        if kind == "blank":
            return Iri(f"_:{piece}")
        if kind in ("long", "short"):
            width = 3 if kind == "long" else 1
            return self._typed(_unescaped(piece[width:-width]))
        if kind == "number":
            return Literal(piece, "", f"{_XSD}decimal")
        if kind == "word" and piece in ("true", "false"):
            return Literal(piece, "", f"{_XSD}boolean")
        if kind == "mark" and piece in "[(":
            if depth >= _DEPTH_LIMIT:
                raise self._wrong(f"nested deeper than {_DEPTH_LIMIT}, or in a wrong place")
            return self._nested(depth + 1) if piece == "[" else self._list(depth + 1)
        raise self._wrong(f"{piece[:20]!r} where a thing or a text should be")

    def _typed(self, text: str) -> Literal:
        if self._kind == "at":
            return Literal(text, self._next()[1])
        if self._kind == "typed":
            self._next()
            return Literal(text, "", str(self._term(_DEPTH_LIMIT).value))
        return Literal(text)

    def _nested(self, depth: int) -> Iri:
        subject = self._blank()
        if not self._is("]"):
            self._properties(subject.value, depth)
        self._take("]")
        return subject

    def _list(self, depth: int) -> Iri:
        members: list[Term] = []
        while not self._is(")"):
            members.append(self._term(depth))
        self._next()
        rest = Iri(f"{_RDF}nil")
        for member in reversed(members):
            node = self._blank()
            self._graph.add(node.value, f"{_RDF}first", member)
            self._graph.add(node.value, f"{_RDF}rest", rest)
            rest = node
        return rest

    def _blank(self) -> Iri:
        self._unnamed += 1
        return Iri(f"_:unnamed{self._unnamed}")

    def _full(self, name: str) -> str:
        prefix, _, local = name.partition(":")
        if prefix not in self._prefixes:
            raise self._wrong(f"the prefix {prefix[:40]!r} is not declared")
        return self._prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        four, eight, char = found.groups()
        if char is not None:
            return _ESCAPED.get(char, char)
        number = int(four or eight, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "�"

    return _ESCAPE.sub(one, text) if "\\" in text else text
