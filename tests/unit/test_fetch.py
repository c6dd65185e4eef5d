"""The fetcher against a server that misbehaves in every way we could think of."""

from __future__ import annotations

import dataclasses
import email.utils
import gzip
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from loopback import Asked, Loopback, Reply, serve
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.fetch_network import Patience, tls_context
from pelagos.catalogue.fetch_unpack import decoded
from pelagos.settings.sources import CswSource, SourceKind

QUICK = Patience(
    connect=5,
    silence=0.3,
    whole=1.0,
    stream=1.0,
    window=0.2,
    least=1000,
    attempts=3,
    first_wait=0.01,
    longest_wait=0.02,
    retry_after=5,
)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serve({}) as running:
        yield running


@pytest.fixture
def fetcher(server: Loopback) -> Iterator[Fetcher]:
    with Fetcher(source(server), "https://vre.example.org/contact", patience=QUICK) as made:
        yield made


def source(server: Loopback, **fields: object) -> CswSource:
    fields = {"rate": 100, "size_limit": 2**20} | fields
    return CswSource(name="test", kind=SourceKind.CSW, url=server.url + "/", **fields)


def head(asked: Asked, *lines: str) -> None:
    text = "HTTP/1.1 200 OK\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
    asked.handler.wfile.write(text.encode())
    asked.handler.close_connection = True


def trickle(asked: Asked, piece: bytes, pause: float = 0.02) -> None:
    while not asked.server.stopping.wait(pause):
        asked.handler.wfile.write(piece)


def in_turn(*replies: Reply | Callable[[Asked], Reply | None]) -> Callable[[Asked], Reply | None]:
    left = list(replies)

    def answer(asked: Asked) -> Reply | None:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(asked) if callable(reply) else reply

    return answer


def test_it_says_who_asks_and_whom_to_write_to(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply('{"a": 1}')
    assert fetcher.get(server.url + "/", params={"q": "ß&"}).json() == {"a": 1}
    assert server.requests[0].headers["user-agent"].startswith("Pelagos/")
    assert "(+https://vre.example.org/contact)" in server.requests[0].headers["user-agent"]
    assert server.requests[0].query == {"q": "ß&"}


def test_parameters_join_those_of_the_address(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply("{}")
    fetcher.get(server.url + "/?map=a", params={"q": "b"})
    assert server.requests[0].query == {"map": "a", "q": "b"}


def test_a_question_is_posted(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = lambda asked: Reply(asked.body)
    assert fetcher.post(server.url + "/", content=b"<q/>").content == b"<q/>"


def test_what_has_not_changed_is_not_sent_again(server: Loopback, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == '"1"':
            return Reply(status=304)
        return Reply("{}", headers={"ETag": '"1"', "Last-Modified": "yesterday"})

    server.routes["/"] = answer
    known: dict[str, str] = {}
    assert not fetcher.get(server.url + "/", known=known).unchanged
    assert known == {"etag": '"1"', "modified": "yesterday"}
    assert fetcher.get(server.url + "/", known=known).unchanged
    with fetcher.stream(server.url + "/", known=known) as pieces:
        assert pieces is None


def test_a_304_that_nobody_asked_for_is_an_error(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply(status=304)
    with pytest.raises(FetchError, match="answered 304"):
        fetcher.get(server.url + "/")


def test_a_stream_that_breaks_off_is_not_remembered(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply(b"short", headers={"ETag": '"1"', "Content-Length": "100"})
    known: dict[str, str] = {}

    def answer(asked: Asked) -> None:
        head(asked, "Content-Length: 100", 'ETag: "1"')
        asked.handler.wfile.write(b"short")

    server.routes["/"] = answer
    with (
        pytest.raises(FetchError, match="broke off"),
        fetcher.stream(server.url + "/", known=known) as pieces,
    ):
        list(pieces or ())
    assert known == {}


def test_a_server_that_recovers_is_asked_again(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = in_turn(Reply(status=500), Reply(status=503), Reply("{}"))
    assert fetcher.get(server.url + "/").status == 200
    assert len(server.requests) == 3


def test_a_server_that_stays_broken_is_given_up(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply("oh", status=502)
    with pytest.raises(FetchError, match=r"127.*: answered 502 Bad Gateway to GET") as caught:
        fetcher.get(server.url + "/?token=secret")
    assert caught.value.status == 502
    assert "secret" not in caught.value.sentence
    assert len(server.requests) == 3


def test_what_a_refusal_says_is_told_as_plain_text(server: Loopback, fetcher: Fetcher) -> None:
    said = "<h1>Sorry</h1><script>x</script>No such <b>query</b>" + " word" * 10_000
    server.routes["/"] = Reply(said, "text/html", 400)
    with pytest.raises(FetchError, match=r"/: Sorry No such query word") as caught:
        fetcher.get(server.url + "/")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_refusal_is_not_asked_again(server: Loopback, fetcher: Fetcher, status: int) -> None:
    server.routes["/"] = Reply(status=status)
    with pytest.raises(FetchError) as caught:
        fetcher.get(server.url + "/")
    assert (caught.value.status, len(server.requests)) == (status, 1)


def test_retry_after_is_obeyed(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = in_turn(Reply(status=429, headers={"Retry-After": "1"}), Reply("{}"))
    before = time.monotonic()
    fetcher.get(server.url + "/")
    assert time.monotonic() - before >= 1  # what was promised, not how fast we are


def test_retry_after_may_be_a_date(server: Loopback, fetcher: Fetcher) -> None:
    past = email.utils.formatdate(time.time() - 5, usegmt=True)
    server.routes["/"] = in_turn(Reply(status=503, headers={"Retry-After": past}), Reply("{}"))
    assert fetcher.get(server.url + "/").status == 200


@pytest.mark.parametrize(
    "wait",
    ["86400", "99999999999999999", email.utils.formatdate(time.time() + 86400)],
    ids=["seconds", "for ever", "date"],
)
def test_a_long_wait_ends_the_run_and_says_when(
    server: Loopback, fetcher: Fetcher, wait: str
) -> None:
    server.routes["/"] = Reply(status=429, headers={"Retry-After": wait})
    with pytest.raises(FetchError, match="asks to come back in") as caught:
        fetcher.get(server.url + "/")
    assert "UTC" in caught.value.mend
    assert len(server.requests) == 1


def test_an_unreadable_wait_counts_as_none(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = in_turn(Reply(status=429, headers={"Retry-After": "soon²"}), Reply("{}"))
    assert fetcher.get(server.url + "/").status == 200


def test_requests_to_one_host_keep_the_rate_whoever_asks(server: Loopback) -> None:
    server.routes["/"] = Reply("{}")
    before = time.monotonic()
    with (
        Fetcher(source(server, rate=10), patience=QUICK) as one,
        Fetcher(source(server, rate=10), patience=QUICK) as other,
    ):
        for fetcher in (one, other, one, other):
            fetcher.get(server.url + "/")
    assert time.monotonic() - before >= 0.3


# --- slow and endless


def test_a_body_that_trickles_is_given_up(server: Loopback, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> None:
        head(asked, "Content-Length: 100000")
        trickle(asked, b"x")

    server.routes["/"] = answer
    with pytest.raises(FetchError, match="trickles"):
        fetcher.get(server.url + "/")
    with pytest.raises(FetchError, match="trickles"), fetcher.stream(server.url + "/") as pieces:
        list(pieces or ())
    assert len(server.requests) == 2


def test_headers_that_trickle_are_given_up(server: Loopback, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> None:
        asked.handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        trickle(asked, b"x")

    server.routes["/"] = answer
    with pytest.raises(FetchError, match="trickles"):
        fetcher.get(server.url + "/")


def test_chunk_sizes_that_trickle_are_given_up(server: Loopback, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> None:
        head(asked, "Transfer-Encoding: chunked")
        asked.handler.wfile.write(b"1;x=")
        trickle(asked, b"y")

    server.routes["/"] = answer
    with pytest.raises(FetchError, match="trickles"):
        fetcher.get(server.url + "/")


def test_an_answer_that_never_ends_meets_the_limit(server: Loopback, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> None:
        head(asked)
        while not asked.server.stopping.is_set():
            asked.handler.wfile.write(b"x" * 65536)

    server.routes["/"] = answer
    with pytest.raises(FetchError, match="more than 100000 bytes"):
        fetcher.get(server.url + "/", limit=100_000)
    with pytest.raises(FetchError, match="1048576 bytes"), fetcher.stream(server.url + "/") as all_:
        for _ in all_ or ():
            pass


def test_an_answer_that_is_slow_for_too_long_meets_the_deadline(server: Loopback) -> None:
    def answer(asked: Asked) -> None:
        head(asked)
        trickle(asked, b"x" * 2000)

    server.routes["/"] = answer
    with (
        Fetcher(source(server), patience=QUICK) as fetcher,
        pytest.raises(FetchError, match="not complete after 1 s"),
    ):
        fetcher.get(server.url + "/")


def test_silence_is_asked_again_and_given_up(server: Loopback, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> None:
        asked.server.stopping.wait(30)

    server.routes["/"] = answer
    with pytest.raises(FetchError, match="stopped answering"):
        fetcher.get(server.url + "/")
    assert len(server.requests) == 3


def test_nobody_there(server: Loopback) -> None:
    configured = source(server)
    server.stop()
    with (
        Fetcher(configured, patience=QUICK) as fetcher,
        pytest.raises(FetchError, match=r"127\.0\.0\.1: no connection"),
    ):
        fetcher.get(configured.url)


# --- broken


@pytest.mark.parametrize("packed", [False, True])
def test_a_connection_lost_in_the_body_is_asked_again(
    server: Loopback, fetcher: Fetcher, packed: bool
) -> None:
    body = gzip.compress(b"whole answer") if packed else b"whole answer"
    headers = {"Content-Encoding": "gzip"} if packed else {}

    def short(asked: Asked) -> None:
        head(asked, f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items()))
        asked.handler.wfile.write(body[:5])

    server.routes["/"] = in_turn(short, Reply(body, headers=headers))
    assert fetcher.get(server.url + "/").content == b"whole answer"


def test_a_packed_body_that_ends_early_is_an_error(server: Loopback, fetcher: Fetcher) -> None:
    packed = gzip.compress(b"0123456789" * 1000)
    server.routes["/"] = Reply(packed[:-12], headers={"Content-Encoding": "gzip"})
    server.routes["/file.gz"] = Reply(packed[:-12], "application/gzip")
    with pytest.raises(FetchError, match="ends before its end"):
        fetcher.get(server.url + "/")
    with (
        pytest.raises(FetchError, match="ends before its end"),
        fetcher.stream(server.url + "/file.gz") as pieces,
    ):
        list(pieces or ())


def test_a_packed_body_that_is_damaged_is_an_error(server: Loopback, fetcher: Fetcher) -> None:
    packed = bytearray(gzip.compress(bytes(range(256)) * 100))
    packed[-6] ^= 0xFF  # in its checksum
    server.routes["/"] = Reply(bytes(packed), headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="not what it is packed as"):
        fetcher.get(server.url + "/")


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]) + b"\0" * 100),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("identity", bytes),
    ],
)
def test_packed_answers_are_unpacked(
    server: Loopback, fetcher: Fetcher, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    content = bytes(range(256)) * 2000
    server.routes["/"] = Reply(pack(content), headers={"Content-Encoding": encoding})
    assert fetcher.get(server.url + "/").content == content


@pytest.mark.parametrize("content", [b"", b"\x1f", b"plain", b"x" * 600_000])
def test_streams_give_files_unpacked_or_as_they_are(
    server: Loopback, fetcher: Fetcher, content: bytes
) -> None:
    server.routes["/plain"] = Reply(content)
    server.routes["/packed.gz"] = Reply(gzip.compress(content), "application/gzip")
    server.routes["/mislabelled.gz"] = Reply(
        gzip.compress(content), headers={"Content-Encoding": "gzip"}
    )
    for path in server.routes:
        known: dict[str, str] = {}
        with fetcher.stream(server.url + path, known=known) as pieces:
            assert b"".join(pieces or ()) == content


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_given_up_at_the_limit(server: Loopback, fetcher: Fetcher, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = pack(bytes(50 * 2**20))
    server.routes["/"] = Reply(bomb, headers={"Content-Encoding": encoding})
    with pytest.raises(FetchError, match="more than 1000000 bytes unpacked"):
        fetcher.get(server.url + "/", limit=1_000_000)
    with fetcher.stream(server.url + "/") as pieces:
        seen: list[int] = []
        with pytest.raises(FetchError, match="unpacked"):
            seen.extend(len(piece) for piece in pieces or ())
    assert sum(seen) <= 2**20


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_a_packing_that_nobody_asked_for_is_refused(
    server: Loopback, fetcher: Fetcher, encoding: str
) -> None:
    server.routes["/"] = Reply(b"xxxx", headers={"Content-Encoding": encoding})
    with pytest.raises(FetchError, match="nobody asked for"):
        fetcher.get(server.url + "/")
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("junk", [b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 1000])
def test_what_is_no_http_is_an_error(server: Loopback, fetcher: Fetcher, junk: bytes) -> None:
    def answer(asked: Asked) -> None:
        asked.handler.wfile.write(junk)
        asked.handler.close_connection = True

    server.routes["/"] = answer
    with pytest.raises(FetchError, match="broke off or is no HTTP"):
        fetcher.get(server.url + "/")


@pytest.mark.parametrize(
    "content", [b"<html>Sorry</html>", b"", b"{", b"[" * 200_000, b'"\xe9"', b"9" * 10_000]
)
def test_what_is_no_json_is_an_error(server: Loopback, fetcher: Fetcher, content: bytes) -> None:
    server.routes["/"] = Reply(content)
    with pytest.raises(FetchError, match="JSON"):
        fetcher.get(server.url + "/").json()


@pytest.mark.parametrize(
    ("content", "declared", "text"),
    [
        ("Tèmpérature".encode(), "text/plain", "Tèmpérature"),
        ("\ufeffa".encode(), "text/plain", "a"),
        ("Tèmp".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Tèmp"),
        ("Tèmp".encode("utf-16"), "text/plain; charset=utf-16", "Tèmp"),
    ],
)
def test_text_is_read_as_it_declares(
    server: Loopback, fetcher: Fetcher, content: bytes, declared: str, text: str
) -> None:
    server.routes["/"] = Reply(content, declared)
    assert fetcher.get(server.url + "/").text() == text


@pytest.mark.parametrize("charset", ["utf-8", "rot13", "nonsense", "ascii", "zlib"])
def test_text_in_no_known_encoding_is_an_error(
    server: Loopback, fetcher: Fetcher, charset: str
) -> None:
    server.routes["/"] = Reply(b"T\xe8mp\xff", f"text/plain; charset={charset}")
    with pytest.raises(FetchError, match="text"):
        fetcher.get(server.url + "/").text()


@given(
    st.binary(max_size=2000),
    st.lists(st.integers(1, 400), min_size=1, max_size=20),
    st.sampled_from(["gzip", "zlib", "bare"]),
)
def test_bodies_are_unpacked_however_they_are_cut(
    content: bytes, cuts: list[int], kind: str
) -> None:
    packed = gzip.compress(content) if kind == "gzip" else zlib.compress(content)
    packed = packed[2:-4] if kind == "bare" else packed
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(packed[at : at + cut])
        at += cut
    pieces.append(packed[at:])
    encoding = "gzip" if kind == "gzip" else "deflate"
    assert b"".join(decoded([p for p in pieces if p], "here", encoding)) == content


# --- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Loopback]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve({"/": Reply('{"a": 1}')}, tls=context) as running:
        yield running


@pytest.mark.parametrize("trusted", [True, False])
def test_certificates_are_checked(
    secure: Loopback, certificate: Path, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_context.cache_clear()
    try:
        with Fetcher(source(secure), patience=QUICK) as fetcher:
            if trusted:
                assert fetcher.get(secure.url + "/").json() == {"a": 1}
            else:
                with pytest.raises(FetchError, match="its certificate is not trusted"):
                    fetcher.get(secure.url + "/")
    finally:
        tls_context.cache_clear()


def test_a_trickle_under_tls_is_noticed(
    secure: Loopback, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(asked: Asked) -> None:
        head(asked, "Content-Length: 100000")
        trickle(asked, b"x")

    secure.routes["/"] = answer
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_context.cache_clear()
    try:
        with (
            Fetcher(source(secure), patience=QUICK) as fetcher,
            pytest.raises(FetchError, match="trickles"),
        ):
            fetcher.get(secure.url + "/")
    finally:
        tls_context.cache_clear()


def test_a_server_that_never_shakes_hands_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configured = CswSource(
            name="test",
            kind=SourceKind.CSW,
            url=f"https://127.0.0.1:{silent.getsockname()[1]}/",
            rate=100,
        )
        patience = dataclasses.replace(QUICK, connect=0.1)
        with (
            Fetcher(configured, patience=patience) as fetcher,
            pytest.raises(FetchError, match="no connection in time"),
        ):
            fetcher.get(configured.url)


# --- redirects


def test_redirects_on_the_same_host_are_followed(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply(status=302, headers={"Location": "/there?x=1"})
    server.routes["/there"] = Reply("{}")
    answer = fetcher.get(server.url + "/")
    assert answer.url == server.url + "/there?x=1"


def test_a_redirect_loop_ends(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply(status=301, headers={"Location": "/"})
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetcher.get(server.url + "/")
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://elsewhere.example.org/", "not one of the hosts"),
        ("http://localhost:{port}/", "not one of the hosts"),
        ("http://2130706433:{port}/", "written in an unusual way"),
        ("http://169.254.169.254/latest", "not one of the hosts"),
        ("http://user@127.0.0.1:{port}/", "name or password"),
        ("file:///etc/passwd", "only complete http"),
        ("ftp://127.0.0.1/", "only complete http"),
        ("http://127.0.0.1:99999/", "there is no port 99999"),
        ("http://[bad", "written in an unusual way"),
        ("http://127.0.0.1:1/", "1 is not a usual port"),
    ],
)
def test_a_redirect_elsewhere_is_refused(
    server: Loopback, fetcher: Fetcher, location: str, reason: str
) -> None:
    server.routes["/"] = Reply(status=302, headers={"Location": location.format(port=server.port)})
    with pytest.raises(FetchError, match=reason):
        fetcher.get(server.url + "/")
    assert len(server.requests) == 1


def test_a_redirect_to_a_listed_host_is_followed_without_secrets(server: Loopback) -> None:
    with (
        serve({"/": Reply("{}")}) as other,
        Fetcher(source(server, hosts=["localhost"]), patience=QUICK) as fetcher,
    ):
        server.routes["/"] = Reply(
            status=307, headers={"Location": f"http://localhost:{other.port}/"}
        )
        fetcher.get(server.url + "/", headers={"Authorization": "token x", "X-Other": "y"})
        assert server.requests[0].headers["authorization"] == "token x"
        assert "authorization" not in other.requests[0].headers
        assert other.requests[0].headers["x-other"] == "y"


def test_a_posted_question_is_not_turned_into_another(server: Loopback, fetcher: Fetcher) -> None:
    server.routes["/"] = Reply(status=302, headers={"Location": "/there"})
    server.routes["/kept"] = Reply(status=308, headers={"Location": "/there"})
    server.routes["/there"] = lambda asked: Reply(asked.method + asked.body.decode())
    with pytest.raises(FetchError, match="redirects POST"):
        fetcher.post(server.url + "/", content=b"q")
    assert fetcher.post(server.url + "/kept", content=b"q").content == b"POSTq"
