"""Free text as people and STAC clients type it, read into an expression.

- Words side by side must all be there, in any order: `temperature argo`. (The advanced class of the
  STAC free-text extension takes one of them; its basic class and OGC API Records take all.)
- A comma is an "or" between what stands on its sides, as in the basic class: `argo, sea level`.
- `"sea level"` are words side by side; `AND`, `OR` in capitals and parentheses combine; `-word` (or
  `-"some words"`, `-( … )`) must not be there. With a `+word`, it must be there and the plain words
  beside it need not, as in the advanced class.
- A word that ends in `*`, and a phrase whose last word does, may go on from there: `temper*`. It
  needs two characters before; a `*` that stands elsewhere is no more than any other punctuation.
- Case and diacritics don't matter, nor punctuation within words: `sea-surface` is `sea surface`.

Nothing typed is an error of syntax: what can't be an operator is taken as words or left out.

Source of the grammar: https://github.com/stac-api-extensions/freetext-search (basic, advanced).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

from pelagos.catalogue.query import QueryError

TEXT_LIMIT = 2_000  # characters
WORD_LIMIT = 64
# each level is up to seven symbols on the stack of FTS5's parser, which has room for 100
_DEPTH_LIMIT = 10
_PREFIX_LEAST = 2  # characters of a last word that is only begun
PRIVATE = "\ue000"  # begins the terms that the index makes itself; never in text


@dataclass(frozen=True)
class Words:
    """Words that stand side by side; one word alone most of the time.

    `begun`: the last of them may go on.
    """

    words: tuple[str, ...]
    begun: bool = False


@dataclass(frozen=True)
class Every:
    """All of these, and none of `without`. With no part at all: anything."""

    parts: tuple[Expression, ...]
    without: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Any_:
    """At least one of these."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Words | Every | Any_


def words_in(text: str) -> list[str]:
    """The words of a text, as the index cuts it: letters, digits and their marks."""
    if text.isascii():
        return _ascii_words(text)
    return "".join(
        char if char.isalnum() or unicodedata.category(char)[0] in "LNM" else " " for char in text
    ).split()


_SEPARATORS = {code: " " for code in range(128) if not chr(code).isalnum()}


def _ascii_words(text: str) -> list[str]:
    return text.translate(_SEPARATORS).split()


def parse(text: str, prefix: bool = False) -> Expression | None:
    """What `text` asks for; None if it asks for nothing. `prefix`: its last word may go on.

    Raises QueryError if it is too long.
    """
    if len(text) > TEXT_LIMIT:
        raise QueryError(f"q: {len(text)} characters, the most is {TEXT_LIMIT}")
    parser = _Parser(_scan(text), prefix and text[-1:].isalnum())
    found = parser.whole()
    if found is None and (words := words_in(text)):  # only operators: then they are words
        found = Every(tuple(Words((word,)) for word in words))
    if count_words(found) > WORD_LIMIT:
        raise QueryError(f"q: more than {WORD_LIMIT} words")
    return found


def count_words(expression: Expression | None) -> int:
    """How many words it has."""
    if expression is None:
        return 0
    if isinstance(expression, Words):
        return len(expression.words)
    parts = expression.parts
    if isinstance(expression, Every):
        parts += expression.without
    return sum(count_words(part) for part in parts)


@dataclass(frozen=True)
class _Token:
    kind: str  # one of: word, phrase, ( ) , + - AND OR
    words: tuple[str, ...] = ()
    begun: bool = False


def _scan(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, fresh = 0, True  # fresh: nothing before it that a sign could belong to
    while position < len(text):
        char = text[position]
        if char.isspace():
            fresh = True
            position += 1
        elif char == '"':
            end = text.find('"', position + 1)
            end = len(text) if end < 0 else end
            tokens += _words_of("phrase", text[position + 1 : end])
            position, fresh = end + 1, True
        elif char in "(),":
            tokens.append(_Token(char))
            position, fresh = position + 1, char != ")"
        elif char in "+-" and fresh:
            if not text[position + 1 : position + 2].isspace():  # else it is a dash
                tokens.append(_Token(char))
            position += 1
        else:
            end = position
            while end < len(text) and not text[end].isspace() and text[end] not in '"(),':
                end += 1
            tokens += _word(text[position:end])
            position, fresh = end, False
    return tokens


def _word(text: str) -> list[_Token]:
    if text in ("AND", "OR"):
        return [_Token(text)]
    return _words_of("word", text)


def _words_of(kind: str, text: str) -> list[_Token]:
    words = words_in(text)
    stem = text.rstrip("*")
    # only right after a letter: else it is a sign of its own
    begun = stem != text and bool(words) and stem.endswith(words[-1])
    return [_Token(kind, tuple(words), begun)] if words else []


class _Parser:
    """Descends: commas and OR join groups of terms; a group is what stands side by side."""

    def __init__(self, tokens: list[_Token], begun: bool) -> None:
        self._tokens, self._at, self._begun = tokens, 0, begun
        self._depth = 0

    def whole(self) -> Expression | None:
        parts = []
        while self._at < len(self._tokens):
            part = self._either()
            if part is not None:
                parts.append(part)
            if self._peek() == ")":  # closes nothing
                self._at += 1
        return _every(parts, []) if parts else None

    def _peek(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _either(self) -> Expression | None:
        parts = []
        while True:
            if (part := self._group()) is not None:
                parts.append(part)
            if self._peek() not in (",", "OR"):
                break
            self._at += 1
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else Any_(tuple(parts))

    def _group(self) -> Expression | None:
        plain: list[Expression] = []
        needed: list[Expression] = []
        without: list[Expression] = []
        while (kind := self._peek()) and kind not in (")", ",", "OR"):
            sign = ""
            while self._peek() in ("+", "-", "AND"):
                sign = self._tokens[self._at].kind
                self._at += 1
            if (term := self._term()) is None:
                continue
            {"+": needed, "-": without}.get(sign, plain).append(term)
        if needed:
            plain = needed
        return _every(plain, without) if plain or without else None

    def _term(self) -> Expression | None:
        kind = self._peek()
        if kind in ("word", "phrase"):
            token = self._tokens[self._at]
            self._at += 1
            return self._words(token)
        if kind != "(":
            return None
        self._at += 1
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            raise QueryError(f"q: more than {_DEPTH_LIMIT} parentheses within each other")
        found = self._either()
        self._depth -= 1
        if self._peek() == ")":
            self._at += 1
        return found

    def _words(self, token: _Token) -> Expression:
        at_end = self._begun and self._at == len(self._tokens) and token.kind == "word"
        begun = (token.begun or at_end) and len(token.words[-1]) >= _PREFIX_LEAST
        if token.kind == "phrase":
            return Words(token.words, begun)
        last = len(token.words) - 1
        parts: list[Expression] = [
            Words((word,), begun and place == last) for place, word in enumerate(token.words)
        ]
        return _every(parts, [])


def _every(parts: list[Expression], without: list[Expression]) -> Expression:
    if len(parts) == 1 and not without:
        return parts[0]
    return Every(tuple(parts), tuple(without))
