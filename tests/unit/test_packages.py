from pathlib import Path

from pelagos.ops.packages import AptMirror, apt_mirror, is_debian


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
