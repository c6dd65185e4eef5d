"""The image graph of images/images.yaml, and names that change when a recipe does.

An image's reference carries a fingerprint of everything its build reads, its parents' recipes
included. So "is it built and fresh?" is "does this reference exist?", two checkouts never fight
over one tag, and a running server keeps the image that it was started from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field

from pelagos.errors import SettingsError
from pelagos.settings.load import read
from pelagos.settings.models import Model, Name

DEBIAN = "debian"
# what programs, tests and builds leave behind: .dockerignore keeps it from the engine as well
_IGNORED = {
    "__pycache__",
    "__tests__",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".yarn",
    "coastline.json",
    "node_modules",
}
_MADE = (Path("extensions/labextension/jupyterlab_pelagos/labextension"),)


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

    def _fingerprint(self) -> str:
        above = self.parent.fingerprint if self.parent else ""
        try:
            return fingerprint(self.root, self.recipe.sources, above)
        except FileNotFoundError as error:
            problem = f"images/images.yaml: {self.name}: no such source {error}"
            raise SettingsError([problem]) from error


def fingerprint(root: Path, sources: Iterable[str], above: str = "") -> str:
    """Twelve hex digits that change with any source's content, name or executable bit.

    `above`: a fingerprint of what these build on. Raises FileNotFoundError with a source's name.
    """
    digest = hashlib.sha256(above.encode())
    for path in _files(root, sources):
        # the executable bit reaches the image, the rest of the mode depends on the umask
        mark = "x" if path.stat().st_mode & 0o100 else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root)}\0{mark}\0{content}\n".encode())
    return digest.hexdigest()[:12]


def _files(root: Path, sources: Iterable[str]) -> Iterator[Path]:
    for source in sources:
        path = root / source
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not _left_out(root, p))
        else:
            raise FileNotFoundError(source)


def _left_out(root: Path, path: Path) -> bool:
    # below the checkout only: its own place may have any name
    own = path.relative_to(root)
    return bool(_IGNORED & set(own.parts)) or any(own.is_relative_to(made) for made in _MADE)


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
