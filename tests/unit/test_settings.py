from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.errors import SettingsError
from pelagos.images import ImageGraph
from pelagos.settings import Settings, load_settings

RECIPES = ["base", "python"]


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "pelagos.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, RECIPES)
    return [problem.replace(str(tmp_path) + "/", "") for problem in caught.value.problems]


def test_without_a_file_a_demo_with_two_virtual_labs_is_configured() -> None:
    settings = load_settings(None, RECIPES)
    assert len(settings.virtual_labs) == 2
    assert all(lab.open for lab in settings.virtual_labs)


def test_the_example_file_is_valid(root: Path, graph: ImageGraph) -> None:
    settings = load_settings(root / "deploy" / "pelagos.example.yaml", graph.names)
    assert settings.site.name == "Ocean VRE"


def test_the_example_file_shows_every_key(root: Path) -> None:
    text = (root / "deploy" / "pelagos.example.yaml").read_text()
    keys = set(Settings.model_json_schema()["properties"])
    for definition in Settings.model_json_schema()["$defs"].values():
        keys |= set(definition.get("properties", {}))
    assert [key for key in sorted(keys) if f"{key}:" not in text] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "catalogue:\n  sources:\n  - {name: sea, kind: csw, url: 'http://a/b', foo: 1}\n",
            "pelagos.yaml:3: catalogue.sources.0.foo: Extra inputs are not permitted",
        ),
        (
            "catalogue:\n  sources:\n  - name: sea\n    kind: wms\n",
            "pelagos.yaml:3: catalogue.sources.0: unknown kind 'wms'; known are files, csw, "
            "erddap, argo-index, cdi, stac, ena, obis, ecotaxa, icos",
        ),
        (
            "catalogue:\n  sources:\n  - name: sea\n",
            "pelagos.yaml:3: catalogue.sources.0: needs a kind",
        ),
        (
            "catalogue:\n  sources:\n  - {name: sea, kind: files}\n",
            "pelagos.yaml:3: catalogue.sources.0: kind files needs either a path or the url of a "
            "THREDDS catalogue",
        ),
        (
            "catalogue:\n  sources:\n  - {name: sea, kind: cdi, url: 'http://a/'}\n"
            "  - {name: sea, kind: cdi, url: 'http://b/'}\n",
            "pelagos.yaml:4: catalogue.sources.1.name: 'sea' stands twice; names must differ",
        ),
        (
            "catalogue:\n  sources:\n  - {name: sea, kind: cdi, url: 'file:///etc/passwd'}\n",
            "pelagos.yaml:3: catalogue.sources.0.url: String should match pattern "
            "'^https?://[^\\s/?#@]+(/[^\\s#]*)?$'",
        ),
        (
            "virtual_labs:\n- name: reef\n  open: true\n  catalogue: {featured: [bio.*]}\n",
            "pelagos.yaml:4: virtual_labs.0.catalogue.featured.0: 'bio.*' is of no configured "
            "source (starter); write SOURCE.ID",
        ),
        (
            "site:\n  name: X\nvirtual_labs:\n  - name: reef\n    open: true\n    limits:\n"
            "      memry: 2 GiB\n",
            "pelagos.yaml:7: virtual_labs.0.limits.memry: Extra inputs are not permitted",
        ),
        (
            "sizes:\n  - {name: tiny, cores: many, memory: 1 GiB}\n",
            "pelagos.yaml:2: sizes.0.cores: Input should be a valid number, "
            "unable to parse string as a number",
        ),
        (
            "sizes:\n  - name: tiny\n    cores: 1\n    memory: 1 Gigabyte\n",
            "pelagos.yaml:4: sizes.0.memory: unknown unit 'Gigabyte' in '1 Gigabyte' "
            "(known: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)",
        ),
        (
            "virtual_labs:\n- {name: reef, open: true}\n- {name: reef, open: true}\n",
            "pelagos.yaml:3: virtual_labs.1.name: 'reef' stands twice; names must differ",
        ),
        (
            "images: [python, matlab]\n",
            "pelagos.yaml:1: images.1: unknown image 'matlab' (images/images.yaml has: "
            "base, python)",
        ),
        (
            "virtual_labs:\n- name: reef\n  open: true\n  images: [julia]\n",
            "pelagos.yaml:4: virtual_labs.0.images.0: unknown image 'julia' "
            "(configured: python, base)",
        ),
        (
            "virtual_labs:\n- name: reef\n  open: true\n  sizes: [large]\n"
            "  limits: {cores: 4, memory: 8 GiB}\n",
            "pelagos.yaml:4: virtual_labs.0.sizes.0: size 'large' has 8 cores, more than the "
            "4 cores that virtual lab 'reef' allows",
        ),
        (
            "sizes:\n- {name: big, cores: 16, memory: 8 GiB}\n"
            "- {name: small, cores: 1, memory: 1 GiB}\n"
            "virtual_labs: [{name: reef, open: true}]\n",
            "pelagos.yaml:2: sizes.0: no virtual lab may use it: size 'big' has 16 cores, more "
            "than the 8 cores that virtual lab 'reef' allows; raise `limits`, or take it out",
        ),
        (
            "virtual_labs:\n- name: reef\n",
            "pelagos.yaml:2: virtual_labs.0: nobody can use it: give members or managers, or set "
            "open: true",
        ),
        ("site:\n  name: A\n  name: B\n", "pelagos.yaml:3: site.name: this key stands twice"),
        ("backend: cloud\n", "pelagos.yaml:1: backend: Input should be 'auto', 'docker' or"),
        ("site: [\n", "pelagos.yaml:2: not valid YAML"),
        ("virtual_labs:\n- name: ../etc\n  open: true\n", "pelagos.yaml:2: virtual_labs.0.name:"),
        ("network:\n  allow: [10.0.0.300/8]\n", "pelagos.yaml:2: network.allow.0:"),
        (
            "images:\n- name: python\n  reference: x/y\n",
            "pelagos.yaml:2: images.0.name: 'python' is an image of images/images.yaml",
        ),
        ("- a list\n", "pelagos.yaml:1: (the whole file): Input should be a valid dictionary"),
        (
            "storage:\n  workspace:\n    kind: webdav\n",
            "pelagos.yaml:2: storage.workspace: kind webdav needs a url",
        ),
        (
            "storage:\n  workspace:\n    url: https://cloud.example.org/dav/\n",
            "pelagos.yaml:3: storage.workspace.url: only with kind: webdav",
        ),
        (
            "storage:\n  workspace:\n    kind: webdav\n    url: https://{user}.example.org/dav/\n",
            "pelagos.yaml:4: storage.workspace.url: {user} may stand in the path only",
        ),
        (
            "storage:\n  dataspace:\n    expiry: 24 hours\n",
            "pelagos.yaml:3: storage.dataspace.expiry: unknown unit 'hours'",
        ),
        (
            "storage:\n  dataspace:\n    path: scratch\n",
            "pelagos.yaml:3: storage.dataspace.path: String should match pattern",
        ),
        (
            "virtual_labs:\n  - {name: pool, open: true}\n",
            "pelagos.yaml:2: virtual_labs.0.name: 'pool' is the name of an area",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(tmp_path, text)), problems(
        tmp_path, text
    )


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = "site:\n  nme: X\nservers:\n  idle_timeout: soon\n"
    assert len(problems(tmp_path, text)) == 2


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "none.yaml", RECIPES)


def test_a_file_that_is_not_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "pelagos.yaml"
    path.write_bytes(b"site: \xff\xfe\n")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(path, RECIPES)


yaml_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["site", "sizes", "virtual_labs", "images", "name", "limits"]), inner
        )
    ),
    max_leaves=8,
)


@given(yaml_like)
def test_whatever_the_file_holds_it_is_settings_or_a_settings_error(data: object) -> None:
    import tempfile

    import yaml

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(data, file)
        file.flush()
        problems = []
        try:
            load_settings(Path(file.name), RECIPES)
        except SettingsError as error:
            problems = error.problems
        assert all(problem.startswith(file.name) for problem in problems)
