import shutil
from pathlib import Path

import pytest
from pelagos.errors import SettingsError
from pelagos.images import ImageGraph

ROOT = Path(__file__).resolve().parents[2]
GRAPH = """
debian: {suite: trixie, image: "debian:trixie-slim"}
images:
  child: {parent: base, title: C, description: C, sources: [child], smoke_notebook: s}
  base: {parent: debian, title: B, description: B, sources: [base], smoke_notebook: s}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("base", "child", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "images.yaml").write_text(GRAPH)
    (tmp_path / "base" / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "child" / "Dockerfile").write_text("FROM y\n")
    return tmp_path


def test_parents_come_before_children(checkout: Path) -> None:
    graph = ImageGraph(checkout)
    assert graph.names == ["base", "child"]
    assert graph["child"].ancestry == ["base", "child"]


def test_a_changed_recipe_changes_the_names_of_it_and_its_children(checkout: Path) -> None:
    before = {image.name: image.reference for image in ImageGraph(checkout)}
    (checkout / "base" / "Dockerfile").write_text("FROM z\n")
    after = {image.name: image.reference for image in ImageGraph(checkout)}
    assert before["base"] != after["base"]
    assert before["child"] != after["child"]


def test_a_changed_child_leaves_its_parent_alone(checkout: Path) -> None:
    before = ImageGraph(checkout)["base"].reference
    (checkout / "child" / "extra").write_text("")
    assert ImageGraph(checkout)["base"].reference == before


def test_the_name_does_not_depend_on_time_place_or_caches(checkout: Path, tmp_path: Path) -> None:
    before = ImageGraph(checkout)["child"].reference
    (checkout / "child" / "__pycache__").mkdir()
    (checkout / "child" / "__pycache__" / "x.pyc").write_text("")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(checkout, elsewhere, ignore=shutil.ignore_patterns("elsewhere"))
    assert ImageGraph(elsewhere)["child"].reference == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("parent: debian", "parent: child", "images.yaml:4: images.child.parent: no way from"),
        ("sources: [child]", "sources: [nowhere]", "no such source nowhere"),
        ("title: C", "titel: C", "images.yaml:4: images.child.titel"),
    ],
)
def test_a_broken_graph_is_refused(checkout: Path, old: str, new: str, words: str) -> None:
    path = checkout / "images" / "images.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(SettingsError, match=words):
        ImageGraph(checkout)


def test_the_real_graph_has_what_the_demo_offers(graph: ImageGraph) -> None:
    assert graph["python"].ancestry == ["base", "python"]
    for image in graph:
        assert image.smoke_notebook.is_file()
        assert all(path.is_file() for path in image.requirements)


def test_what_a_build_leaves_behind_changes_no_name(checkout: Path) -> None:
    place = checkout / "extensions/labextension"
    (place / "jupyterlab_pelagos/labextension/static").mkdir(parents=True)
    (place / "src/map/__tests__").mkdir(parents=True)
    graph = checkout / "images" / "images.yaml"
    graph.write_text(GRAPH.replace("[base]", "[base, extensions]"))
    before = ImageGraph(checkout)["child"].reference
    (place / "jupyterlab_pelagos/labextension/static/main.js").write_text("")
    (place / "src/map/coastline.json").write_text("")
    (place / "src/map/__tests__/map.spec.ts").write_text("")
    (place / "node_modules").mkdir()
    (place / "node_modules/package.json").write_text("")
    assert ImageGraph(checkout)["child"].reference == before
    (place / "src/map/map.ts").write_text("")
    assert ImageGraph(checkout)["child"].reference != before


def test_a_checkout_may_have_any_place(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "node_modules" / "labextension"
    shutil.copytree(checkout, elsewhere, ignore=shutil.ignore_patterns("node_modules"))
    assert ImageGraph(elsewhere)["child"].reference == ImageGraph(checkout)["child"].reference


def test_what_no_name_depends_on_never_goes_to_the_engine() -> None:
    kept_back = (ROOT / ".dockerignore").read_text().splitlines()
    for name in ("node_modules", ".yarn", "__pycache__"):
        assert f"**/{name}" in kept_back
    for name in ("jupyterlab_pelagos/labextension", "lib", "src/**/coastline.json"):
        assert f"extensions/labextension/{name}" in kept_back
