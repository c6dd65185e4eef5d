from pathlib import Path

import pytest
from pelagos.ops.packages import AptMirror, apt_mirror, is_debian, npm_settings


def configured(tmp_path: Path, files: dict[str, str]) -> AptMirror | None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return apt_mirror(tmp_path, debian=True)


def test_the_mirror_is_read_from_deb822_sources(tmp_path: Path) -> None:
    text = """Types: deb
# a comment inside the stanza
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
"""
    mirror = configured(tmp_path, {"sources.list.d/debian.sources": text})
    assert mirror == AptMirror(
        "http://mirror.example.org/debian", "http://mirror.example.org/debian-security"
    )


def test_the_mirror_is_read_from_one_line_sources(tmp_path: Path) -> None:
    text = """# deb http://old.example.org/debian bookworm main
deb [arch=amd64] http://mirror.example.org/debian bookworm main contrib
deb http://mirror.example.org/debian bookworm-updates main
deb http://sec.example.org/debian-security bookworm-security main
"""
    mirror = configured(tmp_path, {"sources.list": text})
    assert mirror == AptMirror(
        "http://mirror.example.org/debian", "http://sec.example.org/debian-security"
    )


def test_another_vendors_repository_is_not_taken_for_debian(tmp_path: Path) -> None:
    files = {
        "sources.list.d/a-vendor.list": "deb https://vendor.example.org/apt stable main\n",
        "sources.list.d/node.sources": (
            "Types: deb\nURIs: https://node.example.org/x\nSuites: nodistro\nComponents: main\n"
        ),
    }
    assert configured(tmp_path, files) is None


def test_a_machine_without_apt_has_no_mirror(tmp_path: Path) -> None:
    assert apt_mirror(tmp_path / "nothing", debian=True) is None


def test_the_archive_of_a_relative_is_not_debians(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "deb http://archive.example.org/ubuntu noble main\n"
        "deb http://archive.example.org/ubuntu noble-updates main\n"
    )
    assert apt_mirror(tmp_path, debian=False) is None
    release = tmp_path / "os-release"
    release.write_text('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n')
    assert not is_debian(release)
    release.write_text("ID=debian\nVERSION_ID=12\n")
    assert is_debian(release)


def test_credentials_of_a_mirror_do_not_reach_an_image() -> None:
    mirror = AptMirror("https://me:secret@mirror.example.org/debian", "")
    assert mirror.without_credentials().archive == "https://mirror.example.org/debian"


def test_sources_for_another_release_name_its_updates() -> None:
    lines = AptMirror("http://m/debian", "http://m/sec").sources("trixie").splitlines()
    assert lines == [
        "deb http://m/debian trixie main",
        "deb http://m/debian trixie-updates main",
        "deb http://m/sec trixie-security main",
    ]


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER"):
        monkeypatch.delenv(name, raising=False)


def test_the_npm_registry_is_read_from_npms_files(tmp_path: Path, no_npm: None) -> None:
    assert npm_settings(tmp_path, [tmp_path / "etc"]) == {}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "npmrc").write_text("registry=https://machine.example.org/npm/\n")
    found = npm_settings(tmp_path, [tmp_path / "etc"])
    assert found == {"YARN_NPM_REGISTRY_SERVER": "https://machine.example.org/npm/"}
    # a person's own goes before the machine's
    (tmp_path / ".npmrc").write_text('; mine\nregistry = "http://own.example.org:4873"\n')
    assert npm_settings(tmp_path, [tmp_path / "etc"]) == {
        "YARN_NPM_REGISTRY_SERVER": "http://own.example.org:4873",
        "YARN_UNSAFE_HTTP_WHITELIST": "own.example.org",
    }


def test_a_token_goes_to_the_registry_that_it_is_for(
    tmp_path: Path, no_npm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".npmrc").write_text(
        "registry=https://own.example.org/npm\n"
        "//own.example.org/npm/:_authToken=${OWN_TOKEN}\n"
        "//other.example.org/:_authToken=not-for-this-one\n"
    )
    monkeypatch.setenv("OWN_TOKEN", "s3cret")
    assert npm_settings(tmp_path, []) == {
        "YARN_NPM_REGISTRY_SERVER": "https://own.example.org/npm",
        "YARN_NPM_AUTH_TOKEN": "s3cret",
        "YARN_NPM_ALWAYS_AUTH": "true",
    }


def test_a_variable_goes_before_files(
    tmp_path: Path, no_npm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".npmrc").write_text("registry=https://own.example.org/\n")
    monkeypatch.setenv("npm_config_registry", "https://variable.example.org/")
    assert npm_settings(tmp_path, []) == {
        "YARN_NPM_REGISTRY_SERVER": "https://variable.example.org/"
    }
