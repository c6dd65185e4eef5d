"""Whatever a stranger calls a data set, it is text on a page and in a terminal."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from pelagos_client.documents.model import Citation
from pelagos_client.items import Collections, Items
from pelagos_client.order_model import Citations, Estimate, Refusal

ALLOWED = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "ul", "li", "br", "a"}
TEXTS = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onclick='x",
        "\x1b[2J",
        "&lt;",
    ]
)


class Page(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update({name: value or "" for name, value in attrs})


@given(TEXTS)
def test_no_text_is_markup_or_a_command(text: str) -> None:
    document = {
        "id": text, "collection": text, "title": text, "license": text,
        "properties": {"datetime": text}, "assets": {text: {}},
    }  # fmt: skip
    citation = Citation(text, text, text, text, text, text)
    estimate = Estimate(1, 2, 3, 4, 5, False, text, refused=(Refusal(text, text, text),))
    for shown in (
        Items([document]), Collections([document]), Citations([citation]), estimate,
    ):  # fmt: skip
        page = Page(shown._repr_html_())
        assert page.tags <= ALLOWED
        assert page.attributes.keys() <= {"scope", "href", "rel"}
        assert page.attributes.get("href", "https://").startswith(("https://", "http://"))
        lines = str(shown).replace("\n", "").replace("\u200d", "")
        assert not any(unicodedata.category(letter) == "Cc" for letter in lines)
