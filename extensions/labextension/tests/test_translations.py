"""Everything that the panel says is said in French too, and nothing is said past the translator."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "pelagos_translations", ROOT / "assets" / "translations.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


tool: Any = _tool()
FRENCH = tool.LOCALES / "fr_FR" / "LC_MESSAGES" / f"{tool.DOMAIN}.po"


def test_all_texts_are_in_french_with_the_same_placeholders() -> None:
    assert tool.missing(tool.load(FRENCH), tool.collect()) == []


def test_what_jupyterlab_loads_is_what_people_edit() -> None:
    made = tool.as_json(tool.load(FRENCH), tool.version())
    assert FRENCH.with_suffix(".json").read_text("utf-8") == made
    messages = json.loads(made)
    assert messages[""]["language"] == "fr-FR"
    assert messages["schema\x04Marine data"] == ["Données marines"]


def test_french_has_its_own_apostrophes_and_spaces() -> None:
    said = [text for one in tool.load(FRENCH).messages.values() for text in one.said]
    bad = [text for text in said if re.search(r"\w'\w| [;?!»]|« | :(?!\w)|\.\.\.", text)]
    assert bad == []


def test_texts_are_found_as_they_are_written() -> None:
    source = """
      const a = trans.__('It\\u2019s \\'here\\'', 3);
      const b = this._trans._n(
        '%1 file', "%1 files",
        count
      );
      trans
        ._p('menu', `Open`);
    """
    found = list(tool.texts_of(source, "a.ts"))
    assert [(one.context, one.id, one.plural) for one in found] == [
        ("", "It\u2019s 'here'", ""),
        ("", "%1 file", "%1 files"),
        ("menu", "Open", ""),
    ]
    assert found[1].place == "a.ts:3"


@pytest.mark.parametrize(
    "source", ["trans.__(label)", "trans.__('a' + b)", "trans.__(`a ${b}`)", "trans._n('a', n)"]
)
def test_what_can_not_be_collected_is_told(source: str) -> None:
    with pytest.raises(tool.StringsError):
        list(tool.texts_of(source, "a.ts"))


def test_what_is_missing_is_told() -> None:
    texts = [
        tool.Text("%1 of %2", "", "", "a.ts:1"),
        tool.Text("%1 file", "%1 files", "", "a.ts:2"),
        tool.Text("new", "", "", "a.ts:3"),
    ]
    catalog = tool.Catalog("fr_FR", [], "", {})
    for message in (
        tool.Message("%1 of %2", said=["%1 de %3"]),
        tool.Message("%1 file", "%1 files", said=["un fichier", "%1 fichiers"]),
        tool.Message("old", said=["vieux"]),
    ):
        catalog.messages[message.key] = message
    assert tool.missing(catalog, texts) == [
        "a.ts:1: '%1 de %3' has other placeholders.",
        "a.ts:3: 'new' is not translated.",
        "'old' is said nowhere any more.",
    ]


# what people see, and never with letters outside of `trans`; ESLint looks at it too
_SEEN = re.compile(
    r"""(?:title|alt|placeholder|aria-label|aria-description|aria-valuetext)="[^"]*[A-Za-z]{2}"""
    r"""|(?:label|caption|reason|message|textContent)\s*[:=]\s*(['"`])[A-Z][a-z]+ [^'"`]*\1"""
    r"""|Notification\.\w+\(\s*['"`][A-Za-z]"""
)


@pytest.mark.parametrize(
    "path",
    [one for one in sorted((ROOT / "src").rglob("*.ts*")) if "__tests__" not in one.parts],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_nothing_is_said_past_the_translator(path: Path) -> None:
    source = path.read_text("utf-8")
    assert [found.group() for found in _SEEN.finditer(source)] == []


def test_the_look_for_untranslated_texts_finds_some() -> None:
    for bad in ('<b title="Hello">', "caption: 'Open it now'", "Notification.info('Ready')"):
        assert _SEEN.search(bad), bad
