"""Free text is read as people mean it, and never an error of syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.catalogue.query import QueryError
from pelagos.catalogue.text import (
    WORD_LIMIT,
    Any_,
    Expression,
    Words,
    count_words,
    parse,
    words_in,
)


def say(expression: Expression | None) -> str:
    """An expression, with all parentheses."""
    if expression is None:
        return ""
    if isinstance(expression, Words):
        return "_".join(expression.words) + ("*" if expression.begun else "")
    if isinstance(expression, Any_):
        return f"({' | '.join(map(say, expression.parts))})"
    parts = [*map(say, expression.parts), *(f"-{say(part)}" for part in expression.without)]
    return f"({' '.join(parts)})"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", ""),
        ("  ", ""),
        ("argo", "argo"),
        ("argo float", "(argo float)"),
        ("sea-surface", "(sea surface)"),
        ('"sea level" argo', "(sea_level argo)"),
        ("EO,Earth Observation", "(EO | (Earth Observation))"),
        ("climate OR model", "(climate | model)"),
        ("climate AND model", "(climate model)"),
        ("(quick OR brown) AND fox", "((quick | brown) fox)"),
        ("quick +brown -fox", "(brown -fox)"),
        ("-fox", "(-fox)"),
        ('-"red fox" -(a OR b)', "(-red_fox -(a | b))"),
        ("temperature - salinity", "(temperature salinity)"),
        ("a OR b c", "(a | (b c))"),
        # what is no operator
        ("AND", "(AND)"),
        ("a AND", "a"),
        ("OR a", "a"),
        ("a OR OR b", "(a | b)"),
        ("a,,b,", "(a | b)"),
        ("((a", "a"),
        ("a) b", "(a b)"),
        ('"a b', "a_b"),
        ('""', ""),
        ("!?", ""),
        ("or and", "(or and)"),
        ("été Ångström", "(été Ångström)"),
        ("a\x00b", "(a b)"),
        # words that may go on
        ("temper*", "temper*"),
        ("sea temper* argo", "(sea temper* argo)"),
        ("sea-temper*", "(sea temper*)"),
        ("temp*,sal*", "(temp* | sal*)"),
        ("-temper*", "(-temper*)"),
        ('"sea temp*" x', "(sea_temp* x)"),
        ("te**", "te*"),
        ("t*", "t"),
        ("té*", "té*"),
        ("*", ""),
        ("te *", "te"),
        ("*te", "te"),
        ("t*mp", "(t mp)"),
        ("te-*", "te"),
        ("AND*", "AND*"),
    ],
)
def test_a_text_is_read(text: str, meaning: str) -> None:
    assert say(parse(text)) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("sea tem", "(sea tem*)"),
        ("sea t", "(sea t)"),
        ("sea ", "sea"),
        ('"sea tem', "sea_tem"),
        ("sea-tem", "(sea tem*)"),
        ("a,temp", "(a | temp*)"),
    ],
)
def test_only_the_last_word_may_go_on(text: str, meaning: str) -> None:
    assert say(parse(text, prefix=True)) == meaning


@pytest.mark.parametrize("text", ["w " * (WORD_LIMIT + 1), "x" * 3000, "(" * 100 + "a"])
def test_too_much_text_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="q: "):
        parse(text)


@given(st.text(alphabet='ab-+",() \tANDOR', max_size=60))
def test_any_text_has_a_meaning(text: str) -> None:
    try:
        found = parse(text, prefix=True)
    except QueryError:
        return
    # operators may go, words not
    assert (found is None) == (not words_in(text))
    assert count_words(found) <= WORD_LIMIT
