"""Tables for people: as text for a terminal, as HTML for a notebook. Nothing in them is markup."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

_ROWS = 20
_WIDE = 48  # characters of a cell


def clean(text: object) -> str:
    """On one line, without control characters, which a terminal would obey."""
    folded = " ".join(str(text).split())
    return "".join(c for c in folded if unicodedata.category(c)[0] != "C" or c == "\u200d")


def lines(text: object) -> str:
    """The same of several lines, which stay as they are laid out."""
    return "\n".join(
        "".join(c for c in line if unicodedata.category(c)[0] != "C" or c == "\u200d")
        for line in str(text).expandtabs().split("\n")
    )


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]], most: int = _ROWS) -> str:
    """Columns side by side; of more than `most` rows the first ones, and how many are left."""
    shown = [[_short(cell) for cell in row] for row in rows[:most]]
    widths = [max(len(row[i]) for row in [list(head), *shown]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(head), *shown]
    ]
    return "\n".join(lines + _left(len(rows), most))


def html_table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[object]], most: int = _ROWS
) -> str:
    """A table with a caption, every text escaped."""
    cells = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaped(_short(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[:most]
    )
    left = "".join(f"<p>{escaped(line)}</p>" for line in _left(len(rows), most))
    return (
        f"<table><caption>{escaped(title)}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{body}</tbody></table>{left}"
    )


def escaped(text: object) -> str:
    """For HTML, also in attributes."""
    return html.escape(clean(text), quote=True)


def _short(cell: object) -> str:
    text = clean(cell)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def _left(rows: int, most: int) -> list[str]:
    return [f"… and {rows - most} more"] if rows > most else []
