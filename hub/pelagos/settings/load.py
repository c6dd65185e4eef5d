"""From a YAML file to `Settings`, with every problem named by file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pelagos.errors import SettingsError
from pelagos.settings.checks import check
from pelagos.settings.models import Settings

Location = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Document:
    """A YAML text as plain data, remembering the line (from 1) of every key and item."""

    def __init__(self, text: str, name: str) -> None:
        """Raises SettingsError if the text is not YAML or repeats a key."""
        self.name = name
        self._lines: dict[Location, int] = {(): 1}
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SettingsError([f"{name}:{line}: not valid YAML: {error.problem}"]) from error
        except yaml.YAMLError as error:
            raise SettingsError([f"{name}:1: not valid YAML: {error}"]) from error
        if root is not None:
            twice = list(self._walk(root, ()))
            if twice:
                raise SettingsError([self.problem(at, "this key stands twice") for at in twice])

    def _walk(self, node: yaml.Node, at: Location) -> Iterator[Location]:
        """Note the lines below `node`; yield the location of every repeated key."""
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                below = (*at, str(key.value))
                self._lines[below] = key.start_mark.line + 1
                if key.value in seen:
                    yield below
                seen.add(key.value)
                yield from self._walk(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                below = (*at, index)
                self._lines[below] = item.start_mark.line + 1
                yield from self._walk(item, below)

    def _without_branches(self, at: Location) -> Location:
        """A location without what is no key: a union names the branch that it tried.

        Such as `CommunityImage`, `list[Size]`, or `csw` where the kind is csw.
        """
        kept: list[str | int] = []
        here = self.data
        for part in at:
            if isinstance(part, str) and ("[" in part or part[:1].isupper()):
                continue
            if isinstance(here, dict) and part == here.get("kind") and part not in here:
                continue
            kept.append(part)
            if isinstance(here, dict):
                here = here.get(part)
            else:
                inside = isinstance(here, list) and isinstance(part, int) and part < len(here)
                here = here[part] if inside else None
        return tuple(kept)

    def problem(self, at: Location, reason: str) -> str:
        """`file:line: path: reason`, with the line of the nearest thing that is in the file."""
        nearest = at
        while nearest not in self._lines:
            nearest = nearest[:-1]
        path = ".".join(str(part) for part in at) or "(the whole file)"
        return f"{self.name}:{self._lines[nearest]}: {path}: {reason}"

    def parse(self, model: type[M]) -> M:
        """The data as `model`. Raises SettingsError naming every wrong field."""
        data = {} if self.data is None else self.data
        try:
            return model.model_validate(data)
        except ValidationError as error:
            problems = []
            for detail in error.errors():
                at = self._without_branches(detail["loc"])
                problems.append(self.problem(at, _reason(detail)))
            raise SettingsError(list(dict.fromkeys(problems))) from error


def _reason(detail: Any) -> str:
    """What pydantic says of one field, for a person."""
    if detail["type"] == "union_tag_invalid":
        # it lists them as Python writes them
        known = ", ".join(re.findall(r": '([^']+)'>", detail["ctx"]["expected_tags"]))
        return f"unknown kind {detail['ctx']['tag']!r}; known are {known}"
    if detail["type"] == "union_tag_not_found":
        return f"needs a {detail['ctx']['discriminator'].strip(chr(39))}"
    return str(detail["msg"]).removeprefix("Value error, ")


def read(path: Path) -> Document:
    """The YAML file at `path`. Raises SettingsError if it can't be read."""
    try:
        return Document(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise SettingsError(
            [f"{path}: can't be read: {error.strerror}"], "Check the path given with --settings."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: not UTF-8 text (byte {error.start})"]) from error


def load_settings(path: Path | None, recipe_names: list[str]) -> Settings:
    """The settings in the file at `path`; the built-in demonstration VRE if None.

    `recipe_names` are the images that images/images.yaml can build.
    Raises SettingsError with one `file:line: path: reason` per problem.
    """
    document = Document("", "(built-in demo)") if path is None else read(path)
    settings = document.parse(Settings)
    problems = [document.problem(at, reason) for at, reason in check(settings, recipe_names)]
    if problems:
        raise SettingsError(problems)
    return settings
