"""Collects what the extension says, and keeps its catalogues of translations.

    python assets/translations.py            # take up what is new, drop what is gone
    python assets/translations.py --check    # say what is missing, and write nothing

A catalogue is `jupyterlab_pelagos/locale/LOCALE/LC_MESSAGES/jupyterlab_pelagos.po`, which people
edit; the `.json` beside it is what JupyterLab loads, made of it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOMAIN = "jupyterlab_pelagos"
LOCALES = ROOT / DOMAIN / "locale"
# `trans.__('…')`, `this._trans._n('…', '…', n)`; how many arguments are texts, and which first
_CALL = re.compile(r"(?<![A-Za-z0-9$])_?trans\s*\.\s*(__|_np|_n|_p)\s*\(")
_KINDS = {"__": ("id",), "_n": ("id", "plural"), "_p": ("context", "id")}
_KINDS["_np"] = ("context", "id", "plural")
_LITERAL = re.compile(
    r"""\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\$]|\\.)*)`)\s*"""
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
# what JupyterLab translates in a schema, and with which context: see jupyterlab_server's
# translation_utils.DEFAULT_SCHEMA_SELECTORS
_SCHEMA = (
    (re.compile(r"(/definitions/.+)?/properties/.+/(title|description)"), "settings"),
    (re.compile(r"/jupyter\.lab\.setting-icon-label"), "settings"),
    (re.compile(r"/(title|description)"), "schema"),
)
PLACEHOLDER = re.compile(r"%\d")


class StringsError(Exception):
    """A text that can't be collected: where, and why."""


@dataclass(frozen=True)
class Text:
    """What is said somewhere; `place` is `path:line`."""

    id: str
    plural: str
    context: str
    place: str


def collect() -> list[Text]:
    """All texts of `src/` and `schema/`. Raises StringsError."""
    found: list[Text] = []
    for path in sorted((ROOT / "src").rglob("*.ts*")):
        if "__tests__" not in path.parts:
            found += texts_of(path.read_text("utf-8"), str(path.relative_to(ROOT)))
    for path in sorted((ROOT / "schema").glob("*.json")):
        found += _schema(json.loads(path.read_text("utf-8")), str(path.relative_to(ROOT)))
    plurals: dict[tuple[str, str], str] = {}
    for text in found:
        # JupyterLab keeps one of both and shows the other one in English
        if plurals.setdefault((text.context, text.id), text.plural) != text.plural:
            raise StringsError(f"{text.place}: {text.id!r} is there with another plural.")
    return found


def texts_of(source: str, name: str) -> Iterator[Text]:
    """Those of a TypeScript file. Raises StringsError for what is no literal."""
    for call in _CALL.finditer(source):
        place = f"{name}:{source.count(chr(10), 0, call.start()) + 1}"
        parts = {"id": "", "plural": "", "context": ""}
        at = call.end()
        for number, part in enumerate(_KINDS[call.group(1)]):
            if number:
                if source[at : at + 1] != ",":
                    raise StringsError(f"{place}: an argument is missing.")
                at += 1
            literal = _LITERAL.match(source, at)
            if literal is None or source[literal.end() : literal.end() + 1] not in (",", ")"):
                raise StringsError(f"{place}: only a plain string can be translated.")
            raw = next(group for group in literal.groups() if group is not None)
            parts[part] = _unescaped(raw)
            at = literal.end()
        yield Text(place=place, **parts)


def _unescaped(raw: str) -> str:
    def one(found: re.Match[str]) -> str:
        code = found.group(1)
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, raw)


def _schema(value: object, name: str, path: str = "") -> Iterator[Text]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _schema(one, name, f"{path}/{key}")
    elif isinstance(value, str):
        for pattern, context in _SCHEMA:
            if pattern.fullmatch(path):
                yield Text(value, "", context, f"{name}:1")
                return


Key = tuple[str, str]  # context and text


@dataclass
class Message:
    """A text with its translations: one, or one for each plural form."""

    id: str
    plural: str = ""
    context: str = ""
    said: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.context, self.id


@dataclass
class Catalog:
    """A .po file: comments at its top, the headers, the messages."""

    locale: str
    comments: list[str]
    header: str
    messages: dict[Key, Message]


def load(path: Path) -> Catalog:
    """Read a .po file, of which only what `save` writes is understood. Raises StringsError."""
    blocks = re.split(r"\n\s*\n", path.read_text("utf-8").strip())
    comments, header, found = [], "", {}
    for number, block in enumerate(blocks):
        message = _message(block, path.name)
        if number == 0:
            comments = [line for line in block.splitlines() if line.startswith("#")]
            header = message.said[0] if message.said else ""
        else:
            found[message.key] = message
    return Catalog(path.parent.parent.name, comments, header, found)


def _message(block: str, name: str) -> Message:
    parts: dict[str, str] = {}
    places: list[str] = []
    current = ""
    for line in block.splitlines():
        if line.startswith("#"):
            places += line[2:].split() if line.startswith("#:") else []
            continue
        word, _, rest = ("", "", line) if line.startswith('"') else line.partition(" ")
        current = word or current
        try:
            parts[current] = parts.get(current, "") + json.loads(rest.strip())
        except ValueError:
            raise StringsError(f"{name}: {line!r} makes no sense.") from None
    said = [parts[key] for key in sorted(parts) if key.startswith("msgstr")]
    return Message(
        parts.get("msgid", ""),
        parts.get("msgid_plural", ""),
        parts.get("msgctxt", ""),
        said,
        places,
    )


def save(catalog: Catalog, path: Path) -> None:
    """Write a .po file."""
    quote = _quoted
    header = "".join(f"\n{quote(line)}" for line in catalog.header.splitlines(keepends=True))
    blocks = ["\n".join([*catalog.comments, 'msgid ""', f'msgstr ""{header}'])]
    for message in sorted(catalog.messages.values(), key=lambda one: (one.id, one.context)):
        lines = [f"#: {place}" for place in message.places]
        lines += [f"msgctxt {quote(message.context)}"] if message.context else []
        lines += [f"msgid {quote(message.id)}"]
        if message.plural:
            lines += [f"msgid_plural {quote(message.plural)}"]
            said = message.said or ["", ""]
            lines += [f"msgstr[{number}] {quote(one)}" for number, one in enumerate(said)]
        else:
            lines += [f"msgstr {quote((message.said or [''])[0])}"]
        blocks.append("\n".join(lines))
    path.write_text("\n\n".join(blocks) + "\n", "utf-8")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def missing(catalog: Catalog, texts: list[Text]) -> list[str]:
    """What keeps a catalogue from being whole, as sentences."""
    problems: list[str] = []
    for text in texts:
        message = catalog.messages.get((text.context, text.id))
        if message is None or not message.said or not all(message.said):
            problems.append(f"{text.place}: {text.id!r} is not translated.")
            continue
        forms = [text.id, text.plural] if text.plural else [text.id]
        if len(message.said) != len(forms):
            problems.append(f"{text.place}: {text.id!r} has {len(message.said)} forms.")
        for form, said in zip(forms, message.said, strict=False):
            # a singular may say "one" in place of the number
            differ = set(PLACEHOLDER.findall(form)) ^ set(PLACEHOLDER.findall(said))
            if differ and not (text.plural and form == text.id and differ == {"%1"}):
                problems.append(f"{text.place}: {said!r} has other placeholders.")
    known = {(text.context, text.id) for text in texts}
    problems += [
        f"{key[1]!r} is said nowhere any more." for key in catalog.messages if key not in known
    ]
    return problems


def as_json(catalog: Catalog, version: str) -> str:
    """As JupyterLab loads it: Jed's format, the context before U+0004."""
    plural = re.search(r"^Plural-Forms:\s*(.+)$", catalog.header, re.MULTILINE)
    if plural is None:
        raise StringsError(f"{catalog.locale}: its header has no Plural-Forms.")
    messages: dict[str, object] = {
        "": {
            "domain": DOMAIN,
            "language": catalog.locale.replace("_", "-"),
            "plural_forms": plural.group(1),
            "version": version,
        }
    }
    for message in sorted(catalog.messages.values(), key=lambda one: (one.id, one.context)):
        if message.said and all(message.said):
            prefix = f"{message.context}\x04" if message.context else ""
            messages[prefix + message.id] = message.said
    return json.dumps(messages, indent=1, ensure_ascii=False) + "\n"


def update(path: Path, texts: list[Text]) -> Catalog:
    """Take up what is new, drop what is gone, and write .po and .json."""
    catalog = load(path)
    messages: dict[Key, Message] = {}
    for text in texts:
        key = (text.context, text.id)
        if key not in messages:
            old = catalog.messages.get(key)
            said = old.said if old and bool(old.plural) == bool(text.plural) else []
            messages[key] = Message(text.id, text.plural, text.context, said)
        place = text.place.rsplit(":", 1)[0]  # lines change too often for a diff
        if place not in messages[key].places:
            messages[key].places.append(place)
    catalog.messages = messages
    save(catalog, path)
    path.with_suffix(".json").write_text(as_json(catalog, version()), "utf-8")
    return catalog


def version() -> str:
    """That of the extension."""
    return str(json.loads((ROOT / "package.json").read_text("utf-8"))["version"])


def main() -> int:
    """The command line; 1 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing")
    only_check = parser.parse_args().check
    texts = collect()
    problems: list[str] = []
    for path in sorted(LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        catalog = load(path) if only_check else update(path, texts)
        problems += [f"{catalog.locale}: {one}" for one in missing(catalog, texts)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
