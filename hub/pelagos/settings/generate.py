"""Writes deploy/pelagos.schema.json and docs/reference/settings.md from the models.

`python -m pelagos.settings.generate` writes them; the tests fail where they are stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pelagos.settings.models import Settings
from pelagos.units import format_bytes, format_seconds

_HEAD = """# Settings

Every key of `pelagos.yaml`, generated from the models by `python -m pelagos.settings.generate`.
`deploy/pelagos.example.yaml` shows them at work, and `deploy/pelagos.schema.json` completes and
checks them in an editor. Sizes are written with IEC units (`2 GiB`), durations as `90 s`, `30 min`,
`2h` or `7d`. Unknown keys are errors. With no file at all a demonstration VRE runs.
"""


def schema() -> str:
    """The JSON schema of pelagos.yaml, as text."""
    text = Settings.model_json_schema()
    text = {"$schema": "https://json-schema.org/draft/2020-12/schema", **text}
    return json.dumps(text, indent=2, sort_keys=False) + "\n"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `list[Name | CommunityImage]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _type(annotation: Any, metadata: list[Any] | None = None) -> str:
    """An annotation in words."""
    unit = {m.func.__name__ for m in metadata or [] if hasattr(m, "func")}
    if "parse_bytes" in unit:
        return "size in bytes"
    if "parse_seconds" in unit:
        return "duration"
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type(get_args(annotation)[0], list(get_args(annotation)[1:]))
    if origin is list:
        return f"list of {_type(get_args(annotation)[0])}"
    if origin in (Union, UnionType):
        return " or ".join(_type(inner) for inner in get_args(annotation))
    if origin is Literal:
        return " or ".join(f"`{_plain(value)}`" for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    return names[annotation]


def _default(field: FieldInfo) -> str:
    """A field's default, as it would stand in the file."""
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel) or (
        isinstance(value, list) and value and isinstance(value[0], BaseModel)
    ):
        return "see below"
    kind = _type(field.annotation, field.metadata)
    if kind == "size in bytes":
        return f"`{format_bytes(value)}`"
    if kind == "duration":
        return f"`{format_seconds(value)}`"
    return f"`{_plain(value) if isinstance(value, Enum) else json.dumps(value)}`"


def _plain(value: Any) -> str:
    """A value of a Literal as it would stand in the file."""
    return str(value.value) if isinstance(value, Enum) else str(value) or '""'


def _section(model: type[BaseModel], title: str) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield f"{(model.__doc__ or '').strip()}\n"
    yield "| key | type | default | meaning |\n| --- | --- | --- | --- |"
    for name, field in model.model_fields.items():
        kind = _type(field.annotation, field.metadata).replace("|", "\\|")
        yield f"| `{name}` | {kind} | {_default(field)} | {field.description} |"


def reference() -> str:
    """The reference page, as Markdown."""
    lines = [_HEAD.rstrip()]
    lines += _section(Settings, "Top level")
    waiting = list(_models(Settings))
    seen: set[type[BaseModel]] = {Settings}
    while waiting:
        model = waiting.pop(0)
        if model not in seen:
            seen.add(model)
            lines += _section(model, model.__name__)
        for field in model.model_fields.values():
            waiting += [inner for inner in _models(field.annotation) if inner not in seen]
    return "\n".join(lines) + "\n"


def targets(root: Path) -> dict[Path, str]:
    """What is generated in the checkout at `root`: path and text."""
    return {
        root / "deploy" / "pelagos.schema.json": schema(),
        root / "docs" / "reference" / "settings.md": reference(),
    }


def main() -> None:
    """Write them all."""
    for path, text in targets(Path(__file__).resolve().parents[3]).items():
        path.write_text(text)


if __name__ == "__main__":
    main()
