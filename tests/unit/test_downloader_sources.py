"""What a source may lead the downloader to, and who gets its token."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

import pytest
from download_source import Source as Remote
from download_source import serve
from pelagos.catalogue.fetch_guard import rules_of
from pelagos.datapool.queue import Task
from pelagos.services.downloader.fetching import Fetch, Result
from pelagos.services.downloader.sources import Sources, read_tokens
from pelagos.settings import Settings
from pelagos.settings.sources import Source
from pelagos_client.access import FilePlan, Protocol
from pelagos_client.download import DownloadError, Limits
from pelagos_client.download.errors import RefusedError

QUICK = Limits(attempts=1, first_wait=0.01, connect=5, silence=5)


def source(**changes: object) -> Source:
    given = {"name": "src", "kind": "stac", "url": "https://data.example.org/stac", **changes}
    return Settings.model_validate({"catalogue": {"sources": [given]}}).catalogue.sources[0]


def fetched(known: Sources, root: Path, plan: FilePlan, place: str = "src/c/i/a.nc") -> Result:
    task = Task(1, place, "src", json.dumps(plan.to_json()), 0, 0, "", "")
    entry = known.get("src")
    assert entry
    return Fetch(task, entry, root).run()


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://data.example.org/a.nc", True),
        ("http://data.example.org/a.nc", True),
        ("https://files.example.org/a.nc", True),
        ("https://other.example.org/a.nc", False),
        ("https://data.example.org.evil.example/a.nc", False),
        ("https://data.example.org:22/a.nc", False),
        ("https://user@data.example.org/a.nc", False),
        ("http://169.254.169.254/", False),
        ("http://2130706433/", False),
    ],
)
def test_only_hosts_of_the_source_are_asked(url: str, good: bool) -> None:
    guard = rules_of(source(hosts=["files.example.org"]), lambda host, port: ["93.184.216.34"])
    if good:
        assert guard.addresses(guard.check(url)) == ["93.184.216.34"]
    else:
        with pytest.raises(RefusedError):
            guard.check(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "224.0.0.1",
        "0.0.0.0",
        "::ffff:127.0.0.1",
    ],
)
def test_a_public_name_that_leads_inside_is_not_followed(address: str) -> None:
    guard = rules_of(source(), lambda host, port: ["93.184.216.34", address])
    with pytest.raises(RefusedError) as error:
        guard.addresses(guard.check("https://data.example.org/a.nc"))
    assert address not in f"{error.value} {error.value.mend}"


def test_a_private_address_has_just_the_port_that_was_configured() -> None:
    guard = rules_of(source(url="http://127.0.0.1:8123/"))
    guard.addresses(guard.check("http://127.0.0.1:8123/a.nc"))
    for port in (8081, 80):
        with pytest.raises(RefusedError):
            guard.addresses(guard.check(f"http://127.0.0.1:{port}/a.nc"))


def test_a_name_that_is_bound_anew_leads_nowhere(tmp_path: Path) -> None:
    """DNS rebinding: public when it is looked at first, inside when it is connected to."""
    with serve() as inside:
        inside.add("/a.nc", b"internal")
        answers = [["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]]
        asked = []

        def resolve(host: str, port: int) -> list[str]:
            asked.append(host)
            return answers.pop(0) if answers else ["127.0.0.1"]

        resolve("warm-up", 0)  # whoever checks the name beforehand sees the public address
        known = Sources([source()], QUICK, {}, resolve)
        plan = FilePlan("a", "a.nc", f"http://data.example.org:{8080}/a.nc")
        result = fetched(known, tmp_path, plan)
        assert isinstance(result.error, DownloadError)
        assert "127.0.0.1" not in result.error.message
        assert len(asked) == 2, "one look per connection, and just that address is connected to"
        assert inside.requests == []
        assert not result.passing


def test_the_token_goes_to_the_sources_own_host_and_only_for_orders(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("very-secret\n")
    configured = source(token_file=str(path), hosts=["files.example.org"])
    tokens = read_tokens([configured])
    known = Sources([configured], QUICK, tokens).get("src")
    assert known
    assert "very-secret" not in repr(known)

    def headers(url: str, how: Protocol) -> dict[str, str]:
        return known.headers_for(FilePlan("a", "a.nc", url, how))

    own = "https://data.example.org/x"
    assert headers(own, Protocol.ORDER) == {"Authorization": "Bearer very-secret"}
    assert headers(own, Protocol.DIRECT) == {}
    assert headers("https://files.example.org/x", Protocol.ORDER) == {}
    assert headers("http://data.example.org/x", Protocol.ORDER) == {}


def test_a_token_that_can_not_be_read_is_logged_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert read_tokens([source(token_file=str(tmp_path / "none"))]) == {}
    assert "token of source src can't be read" in caplog.text


def folder_source(folder: Path) -> Sources:
    (folder / "sub").mkdir(parents=True)
    given = source(kind="files", url="", path=str(folder))
    return Sources([given], QUICK, {})


def test_a_file_of_a_folder_is_copied_whole(tmp_path: Path) -> None:
    known = folder_source(tmp_path / "data")
    content = os.urandom(3_000_000)
    (tmp_path / "data/sub/two words.nc").write_bytes(content)
    plan = FilePlan("a", "a.nc", "files/sub/two%20words.nc", Protocol.LOCAL, size=len(content))
    result = fetched(known, tmp_path / "pool", plan)
    assert result.got, result.error
    assert result.got.path.read_bytes() == content
    assert list((tmp_path / "pool/src/c/i").iterdir()) == [result.got.path]


def test_a_folders_file_that_changed_links_or_is_gone_is_refused(tmp_path: Path) -> None:
    known = folder_source(tmp_path / "data")
    (tmp_path / "data/a.nc").write_bytes(b"x" * 10)
    (tmp_path / "secret.nc").write_bytes(b"secret")
    (tmp_path / "data/link.nc").symlink_to(tmp_path / "secret.nc")
    for url, size in (
        ("files/a.nc", 11),
        ("files/link.nc", None),
        ("files/../secret.nc", None),
        ("files/%2e%2e/secret.nc", None),
        ("files/none.nc", None),
    ):
        plan = FilePlan("a", "a.nc", url, Protocol.LOCAL, size=size)
        result = fetched(known, tmp_path / "pool", plan)
        assert result.error is not None, url
        assert not result.passing, url
        assert not list((tmp_path / "pool").rglob("*.nc")), url


def test_a_wrong_version_under_the_name_is_replaced(tmp_path: Path) -> None:
    with serve() as remote:
        remote.add("/a.nc", b"right")
        result = _get(remote, tmp_path, b"wrong version")
        assert result.got
        assert result.got.path.read_bytes() == b"right"


def _get(remote: Remote, root: Path, before: bytes) -> Result:
    known = Sources([source(url=remote.url("/"))], QUICK, {})
    (root / "src/c/i").mkdir(parents=True)
    (root / "src/c/i/a.nc").write_bytes(before)
    try:
        return fetched(known, root, FilePlan("a", "a.nc", remote.url("/a.nc"), size=5))
    finally:
        known.close()


def test_cancelled_before_it_begins_nothing_is_asked(tmp_path: Path) -> None:
    with serve() as remote:
        remote.add("/a.nc", b"right")
        known = Sources([source(url=remote.url("/"))], QUICK, {}).get("src")
        assert known
        plan = FilePlan("a", "a.nc", remote.url("/a.nc"))
        task = Task(1, "src/c/i/a.nc", "src", json.dumps(plan.to_json()), 0, 0, "", "")
        fetch = Fetch(task, known, tmp_path)
        assert isinstance(fetch.cancel, threading.Event)
        fetch.cancel.set()
        assert fetch.run().got is None
        assert remote.requests == []
