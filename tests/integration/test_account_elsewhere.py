"""An account on somebody else's WebDAV server is tried before it is kept: a real Apache."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pelagos.errors import AccountError
from pelagos.services.workspace import elsewhere
from pelagos.vault import Account
from support import free_port
from webdav_peers import Apache, apache_server

pytestmark = pytest.mark.engine  # installs Apache


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    with apache_server() as server:
        yield server


def of(apache: Apache, path: str = "/dav/{user}/") -> Account:
    return elsewhere.account(f"{apache.origin}{path}", apache.user, apache.password)


def refusal(wanted: Account) -> str:
    with pytest.raises(AccountError) as caught:
        elsewhere.check(wanted)
    assert wanted.password not in caught.value.sentence
    assert caught.value.mend
    return caught.value.sentence


def test_the_right_password_is_taken_and_nothing_is_left_behind(apache: Apache) -> None:
    wanted = of(apache)
    assert wanted.url == f"{apache.origin}/dav/ada%40elsewhere/"
    elsewhere.check(wanted)
    assert list((apache.files / apache.user).iterdir()) == []


def test_a_wrong_password_is_said_so(apache: Apache) -> None:
    sentence = refusal(replace(of(apache), password="wrong"))
    assert "does not take this user name and password" in sentence
    assert "app password" in sentence


def test_a_password_without_ascii_letters_is_sent(apache: Apache) -> None:
    apache.set_password("pässwörd ✓")
    try:
        elsewhere.check(replace(of(apache), password="pässwörd ✓"))
    finally:
        apache.set_password(apache.password)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/dav/nobody/", "no such folder"),
        ("/", "not a WebDAV folder"),
        ("/dav/closed/", "does not let you open the folder"),
        ("/dav/read-only/", "does not let you write in the folder"),
        ("/elsewhere/", "sends to another address (http://127.0.0.1:9/dav/)"),
        ("/full/", "is full"),
    ],
)
def test_each_way_to_refuse_has_a_sentence(apache: Apache, path: str, sentence: str) -> None:
    assert sentence in refusal(of(apache, path))


def test_a_server_that_is_down_is_said_so(apache: Apache) -> None:
    down = Account(f"http://127.0.0.1:{free_port()}/dav/", "ada", "p-of-ada")
    assert "refuses connections" in refusal(down)


def test_a_name_that_nobody_has_is_said_so() -> None:
    assert "no server called nobody.invalid" in refusal(
        Account("https://nobody.invalid/dav/", "ada", "p-of-ada")
    )


def test_only_a_certificate_that_this_machine_trusts_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with apache_server(tls=True) as server:
        assert "certificate" in refusal(of(server))
        monkeypatch.setenv("SSL_CERT_FILE", str(server.root / "cert.pem"))
        elsewhere.check(of(server))


def multistatus(body: bytes) -> bytes:
    return b"HTTP/1.1 207 Multi-Status\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


FULL = (
    b'<multistatus xmlns="DAV:"><response><propstat><prop><resourcetype><collection/>'
    b"</resourcetype><quota-available-bytes>0</quota-available-bytes></prop></propstat>"
    b"</response></multistatus>"
)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "no WebDAV folder"),
        (multistatus(b"<html"), "no WebDAV folder"),
        (multistatus(b'<!DOCTYPE a [<!ENTITY b "c">]>' + FULL), "no WebDAV folder"),
        (multistatus(b"x" * 999_999), "too long"),
        (b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "broke"),
        (multistatus(FULL), "is full"),
    ],
    ids=["web", "html", "entities", "long", "down", "ssh", "full"],
)
def test_an_answer_that_is_no_webdav_is_said_so(answer: bytes, sentence: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.settimeout(10)
                try:
                    connection.sendall(answer)
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass  # the other side had enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        assert sentence in refusal(Account(f"http://127.0.0.1:{port}/", "ada", "p-of-ada"))
        thread.join(20)
