"""The description file of a folder: which files make which collection, and what people read."""

from __future__ import annotations

import importlib.resources
import re
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from pelagos.catalogue.folders import Tree, is_data
from pelagos.catalogue.records import Box, RecordError
from pelagos.errors import SettingsError, SourceError
from pelagos.settings.load import Document
from pelagos.settings.sources import FilesSource, WebAddress

NAME = "collections.yaml"
_LIMIT = 2**20  # bytes


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Doi = Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$", max_length=300)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


class DescribedProvider(_Model):
    """An organisation and its part."""

    name: Short = Field(description="Its name.")
    roles: list[Annotated[str, StringConstraints(pattern="^(producer|licensor|processor|host)$")]]
    url: WebAddress | None = Field(None, description="Its page.")


class DescribedParameter(_Model):
    """A measured quantity, in place of what the files say."""

    name: Short = Field(description="For people.")
    standard_name: Text = Field("", description="CF standard name.")
    p01: Text = Field("", description="Code in the BODC vocabulary P01.")
    p02: Text = Field("", description="Code in the BODC vocabulary P02.")
    units: Text = Field("", description="UDUNITS text.")


class DescribedLink(_Model):
    """Where else to read about it."""

    rel: Short = Field("about", description="about, describedby, via, license …")
    href: WebAddress = Field(description="The address.")
    title: Text = Field("", description="For people.")


class DescribedCollection(_Model):
    """One collection, and the files that it is made of."""

    id: Identifier = Field(description="Short name: part of identifiers and links.")
    title: Short = Field(description="For people.")
    files: list[Short] = Field(
        description="Paths in the folder; `*` is any text without `/`, `**` any folders.",
        min_length=1,
    )
    description: Text = Field("", description="What it is, for a scientist.")
    licence: Text = Field("", description="SPDX identifier, such as CC-BY-4.0.")
    licence_text: Text = Field("", description="The terms in words: attribution and so on.")
    licence_url: WebAddress | None = Field(None, description="Where the terms stand.")
    providers: list[DescribedProvider] = Field([], description="Who made, licensed, hosts it.")
    citation: Text = Field("", description="How to cite it.")
    doi: Doi | None = Field(None, description="Without a resolver: 10.17882/42182.")
    keywords: list[Short] = Field([], description="Words it is found by.")
    platforms: list[Short] = Field([], description="In place of what the files say.")
    instruments: list[Short] = Field([], description="In place of what the files say.")
    parameters: list[DescribedParameter] = Field([], description="In place of what the files say.")
    links: list[DescribedLink] = Field([], description="Where else to read about it.")
    box: tuple[float, float, float, float] | None = Field(
        None, description="West, south, east, north, in place of what the files say."
    )
    start: Moment | None = Field(None, description="In place of what the files say.")
    end: Moment | None = Field(None, description="In place of what the files say.")
    depth: tuple[float, float] | None = Field(
        None, description="Least and greatest depth in metres, in place of what the files say."
    )

    @field_validator("box")
    @classmethod
    def _check_box(
        cls, value: tuple[float, float, float, float] | None
    ) -> tuple[float, float, float, float] | None:
        if value is not None:
            try:
                Box(*value)
            except RecordError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _check_ends(self) -> DescribedCollection:
        if self.start and self.end and self.start > self.end:
            raise ValueError("it ends before it starts")
        if self.depth and self.depth[0] > self.depth[1]:
            raise ValueError("depth: the least stands first")
        return self

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [_pattern(text) for text in self.files]

    def takes(self, path: str) -> bool:
        """Whether a file belongs to it."""
        return any(pattern.fullmatch(path) for pattern in self._patterns)


class Description(_Model):
    """The whole file."""

    others: bool = Field(
        True, description="Files that no collection names: one collection per folder, or none."
    )
    collections: list[DescribedCollection] = Field([], description="The first that fits counts.")

    def collection_of(self, path: str) -> DescribedCollection | None:
        """The collection that names a file; None if none does."""
        return next((one for one in self.collections if one.takes(path)), None)

    def lists(self, path: str) -> bool:
        """Whether a file is in the catalogue, by its name."""
        return is_data(path) and (self.others or self.collection_of(path) is not None)


def _pattern(text: str) -> re.Pattern[str]:
    parts = []
    for piece in re.split(r"(\*\*/|\*\*|\*|\?)", text):
        parts.append(
            {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(
                piece, re.escape(piece)
            )
        )
    return re.compile("".join(parts))


def describe(source: FilesSource, tree: Tree) -> tuple[Description, str, Document | None]:
    """The description of a source, its text, and where its fields stand.

    Raises SourceError that names file and line of every mistake.
    """
    name, text = _text(source, tree)
    if text is None:
        return Description.model_validate({}), "", None
    try:
        # anchors make a short text a huge one
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise SourceError(f"{name}: YAML aliases (*name) can't be used here")
    except yaml.YAMLError:
        pass  # said with its line below
    try:
        document = Document(text, name)
        description = document.parse(Description)
    except SettingsError as error:
        raise SourceError(str(error), f"Correct {name}.") from error
    except RecursionError as error:
        raise SourceError(f"{name}: nested too deeply", f"Correct {name}.") from error
    seen: set[str] = set()
    for position, collection in enumerate(description.collections):
        if collection.id in seen:
            problem = document.problem(("collections", position, "id"), "this id stands twice")
            raise SourceError(problem, f"Correct {name}.")
        seen.add(collection.id)
    return description, text, document


def _text(source: FilesSource, tree: Tree) -> tuple[str, str | None]:
    if not source.description:
        return str(tree.root / NAME), tree.text(NAME, _LIMIT)
    if source.description.startswith("builtin:"):
        name = source.description.removeprefix("builtin:")
        found = importlib.resources.files("pelagos.catalogue.starter") / f"{name}.yaml"
        if not found.is_file():
            raise SourceError(
                f"there is no built-in description {name!r}", "Use builtin:starter, or a path."
            )
        return f"{name}.yaml (built-in)", found.read_text(encoding="utf-8")
    path = Path(source.description)
    try:
        if path.stat().st_size > _LIMIT:
            raise SourceError(f"{path}: larger than {_LIMIT} bytes")
        return str(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SourceError(
            f"{path}: can't be read: {reason}", "Check `description` of the source."
        ) from error
