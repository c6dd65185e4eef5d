"""The image graph of images/images.yaml, and names that change when a recipe does.

An image's reference carries a fingerprint of everything its build reads, its parents' recipes
included. So "is it built and fresh?" is "does this reference exist?", two checkouts never fight
over one tag, and a running server keeps the image that it was started from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from pelagos.errors import SettingsError
from pelagos.settings.load import read
from pelagos.settings.models import Model, Name

DEBIAN = "debian"
_IGNORED = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


class Debian(Model):
    """What the graph stands on."""

    suite: str = Field(description="Debian release, as debootstrap knows it.")
    image: str = Field(description="Reference to pull where a registry answers.")


class Recipe(Model):
    """How one image is made, and what it is for."""

    parent: str = Field(description="Another image of the graph, or `debian`.")
    title: str = Field(description="Short name for the spawn page.")
    description: str = Field(description="One sentence for a scientist.")
    language: str = Field("python", description="Language of its default kernel.")
    sources: list[str] = Field(description="Files and folders that its build reads.")
    requirements: str = Field("", description="Lock file; also makes a process environment.")
    smoke_notebook: str = Field(description="Notebook that proves the image.")
    read_only_root: bool = Field(True, description="Runs with a read-only root file system.")


class _Graph(Model):
    debian: Debian
    images: dict[Name, Recipe]


class Image:
    """One image of the graph, with its place in it."""

    def __init__(self, name: str, recipe: Recipe, parent: Image | None, root: Path) -> None:
        self.name = name
        self.recipe = recipe
        self.parent = parent
        self.root = root
        self.fingerprint = self._fingerprint()

    @property
    def ancestry(self) -> list[str]:
        """Names from the root of the graph to this image."""
        return [*(self.parent.ancestry if self.parent else []), self.name]

    @property
    def repository(self) -> str:
        """Its name in the engine, without a tag."""
        return f"pelagos/{self.name}"

    @property
    def reference(self) -> str:
        """Its full name in the engine: it changes whenever a recipe in its ancestry does."""
        return f"{self.repository}:{self.fingerprint}"

    @property
    def requirements(self) -> list[Path]:
        """Lock files from the root of the graph to this image."""
        own = [self.root / self.recipe.requirements] if self.recipe.requirements else []
        return [*(self.parent.requirements if self.parent else []), *own]

    @property
    def smoke_notebook(self) -> Path:
        """The notebook that proves the image."""
        return self.root / self.recipe.smoke_notebook

    def _files(self) -> Iterator[Path]:
        for source in self.recipe.sources:
            path = self.root / source
            if path.is_file():
                yield path
            elif path.is_dir():
                yield from sorted(
                    p for p in path.rglob("*") if p.is_file() and not _IGNORED & set(p.parts)
                )
            else:
                raise SettingsError([f"images/images.yaml: {self.name}: no such source {source}"])

    def _fingerprint(self) -> str:
        digest = hashlib.sha256((self.parent.fingerprint if self.parent else "").encode())
        for path in self._files():
            # the executable bit reaches the image, the rest of the mode depends on the umask
            mark = "x" if path.stat().st_mode & 0o100 else "-"
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(self.root)}\0{mark}\0{content}\n".encode())
        return digest.hexdigest()[:12]


class ImageGraph:
    """The images of images/images.yaml, parents before children."""

    def __init__(self, root: Path) -> None:
        """Read the graph of the checkout at `root`.

        Raises SettingsError for a wrong file, an unknown parent or a circle.
        """
        document = read(root / "images" / "images.yaml")
        graph = document.parse(_Graph)
        self.debian = graph.debian
        self._images: dict[str, Image] = {}
        waiting = dict(graph.images)
        while waiting:
            ready = [
                name
                for name, recipe in waiting.items()
                if recipe.parent == DEBIAN or recipe.parent in self._images
            ]
            if not ready:
                raise SettingsError(
                    [
                        document.problem(
                            ("images", name, "parent"), f"no way from {recipe.parent!r} to debian"
                        )
                        for name, recipe in waiting.items()
                    ]
                )
            for name in ready:
                recipe = waiting.pop(name)
                parent = None if recipe.parent == DEBIAN else self._images[recipe.parent]
                self._images[name] = Image(name, recipe, parent, root)

    def __getitem__(self, name: str) -> Image:
        return self._images[name]

    def __contains__(self, name: object) -> bool:
        return name in self._images

    def __iter__(self) -> Iterator[Image]:
        return iter(self._images.values())

    @property
    def names(self) -> list[str]:
        """Names of all images, parents before children."""
        return list(self._images)


def load_graph(root: Path) -> ImageGraph:
    """The image graph of the checkout at `root`. Raises SettingsError."""
    return ImageGraph(root)
