"""Which addresses are contacted, and that nothing a source says leads to any other."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import ssl
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from download_source import Handler, Source, give, say, serve
from hypothesis import given, strategies
from pelagos_client.download import Engine, Fetched, Guard, Limits, Wanted, errors, fetch
from pelagos_client.download.addresses import is_public, parse, shown

HERE = Guard(named=["127.0.0.1"])
QUICK = Limits(attempts=2, first_wait=0.001, longest_wait=0.01, connect=5, silence=5)
INSIDE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "0.0.0.0", "192.0.2.1", "198.18.0.1", "224.0.0.251", "240.0.0.1",  # noqa: S104
    "255.255.255.255", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001::7f00:1", "2001:db8::1", "nonsense", "",
]  # fmt: skip
OUTSIDE = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "2a00:1450::1"]


@pytest.fixture
def source() -> Iterator[Source]:
    with serve() as running:
        yield running


def one(url: str, into: Path, guard: Guard = HERE, **options: object) -> Fetched:
    wanted = Wanted(url, "a", **options)  # type: ignore[arg-type]
    return fetch([wanted], into, guard=guard, limits=QUICK).files[0]


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://Data.Example.org", "data.example.org", 443, "/"),
        ("http://data.example.org.:8080/a?b=c#d", "data.example.org", 8080, "/a?b=c"),
        ("http://93.184.215.14/a b/é", "93.184.215.14", 80, "/a%20b/%C3%A9"),
        ("https://[2606:2800::1]:8443/x", "2606:2800::1", 8443, "/x"),
        ("https://a.org/e.nc?t[(2000)]&x<1%20", "a.org", 443, "/e.nc?t%5B(2000)%5D&x%3C1%20"),
    ],
)
def test_a_url_is_understood(url: str, host: str, port: int, target: str) -> None:
    location = parse(url)
    assert (location.host, location.port, location.target) == (host, port, target)
    assert parse(location.url) == location


@pytest.mark.parametrize(
    "url",
    [
        "", "/x", "//data.example.org/x", "ftp://a.org/x", "file:///etc/passwd", "gopher://a.org/",
        "javascript:alert(1)", "http://", "http:///x", "http:a.org/x", "https://user@a.org/",
        "https://user:secret@a.org/", "https://a.org@evil.net/", "https://evil.net\\@a.org/",
        "https://a.org\\.evil.net/", "https://a.org:/", "https://a.org:0/", "https://a.org:65536/",
        "https://a.org:8x/", "https://a.org:\u0668\u0660/", "https://a.org:-1/", "https://[::1/", "https://::1/",
        "https://[::1%25eth0]/", "https://[v1.x]/", "http://2130706433/", "http://0x7f.1/",
        "http://0x7f000001/", "http://127.1/", "http://0177.0.0.1/", "http://127.0.0.1.1/",
        "http://1.2.3.999/", "http://\uff11\uff12\uff17.0.0.1/",
        "http://127\u30020\u30020\u30021/", "http://\u24dbocalhost/",
        "http://exämple.org/", "http://a..org/", "http://.a.org/", "http://-a.org/",
        "http://a.org\r\nHost: b/", "http://a\tb.org/", "http://a.org/\x00", "http://%31.org/",
        "http://a b.org/", "http://a.org/" + "x" * 9000, "http://" + "a." * 130 + "org/",
    ],
    ids=repr,
)  # fmt: skip
def test_what_others_might_read_in_another_way_is_refused(url: str) -> None:
    with pytest.raises(errors.RefusedError) as caught:
        Guard().check(url)
    assert "secret" not in str(caught.value)


@given(
    strategies.text(max_size=60), strategies.sampled_from(["", "http://", "https://a.org", "//"])
)
def test_any_text_is_understood_in_one_way_or_refused(text: str, before: str) -> None:
    try:
        location = parse(before + text)
    except errors.RefusedError:
        return
    assert parse(location.url) == location
    assert location.url.isascii()
    assert urllib.parse.urlsplit(location.url).hostname == location.host


def test_messages_carry_no_secrets() -> None:
    assert shown("https://ada:pw@a.org/x?token=1#2") == "https://a.org/x"
    assert str(parse("https://a.org:444/x?token=1")) == "https://a.org:444/x"


@pytest.mark.parametrize("address", INSIDE)
def test_a_public_name_never_leads_inside(address: str, caplog: pytest.LogCaptureFixture) -> None:
    for addresses in ([address], [OUTSIDE[0], address]):  # one bad one refuses the name
        guard = Guard(["data.example.org"], resolve=lambda host, port, a=addresses: a)
        with pytest.raises(errors.RefusedError) as caught, caplog.at_level(logging.WARNING):
            guard.addresses(parse("https://data.example.org/x"))
        assert not address or address not in str(caught.value)  # nor does it tell what is there
        assert address in caplog.text


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_name_is_reached(address: str) -> None:
    guard = Guard(resolve=lambda host, port: [address])
    assert guard.addresses(parse("https://data.example.org/x")) == [address]
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", [a for a in INSIDE if a not in ("nonsense", "", "fe80::1%eth0")]
)
def test_an_internal_address_in_a_url_is_refused(address: str, tmp_path: Path) -> None:
    host = f"[{address}]" if ":" in address else address
    got = one(f"http://{host}/x", tmp_path, Guard())
    assert isinstance(got.error, errors.RefusedError)


def test_only_listed_hosts_are_asked() -> None:
    guard = Guard(["data.example.org", "Files.example.org.:8081"])
    for good in ("https://data.example.org./x", "http://data.example.org:8080/",
                 "http://FILES.example.org:8081/y"):  # fmt: skip
        guard.check(good)
    for bad in (
        "https://data.example.org.evil.net/", "https://xdata.example.org/", "https://evil.net/",
        "https://evil.net#@data.example.org/", "https://evil.net/?https://data.example.org/",
        "https://files.example.org/", "https://data.example.org:8081/",
    ):  # fmt: skip
        with pytest.raises(errors.RefusedError):
            guard.check(bad)


@pytest.mark.parametrize("port", [22, 25, 6379, 8081, 2375])
def test_odd_ports_are_refused_unless_named(port: int) -> None:
    with pytest.raises(errors.RefusedError, match="not a usual port"):
        Guard().check(f"http://a.org:{port}/")
    Guard(named=[f"a.org:{port}"]).check(f"http://a.org:{port}/")


@pytest.mark.parametrize(
    ("named", "url", "address"),
    [
        ("localhost:8888", "http://localhost:8888/x", "127.0.0.1"),
        ("::1", "http://[::1]:8888/x", "::1"),
        ("[::1]:8888", "http://[::1]:8888/x", "::1"),
        ("erddap", "http://erddap:8888/x", "172.18.0.4"),
        ("10.1.2.3:8888", "http://10.1.2.3:8888/x", "10.1.2.3"),
    ],
)
def test_a_private_host_that_was_named_is_reached(named: str, url: str, address: str) -> None:
    guard = Guard(named=[named], resolve=lambda host, port: [address])
    assert guard.addresses(guard.check(url)) == [address]
    if named.endswith(":8888"):  # inside, another port is another service
        with pytest.raises(errors.RefusedError):
            guard.addresses(guard.check(url.replace("8888", "8080")))


def test_a_public_name_leads_inside_only_where_the_address_was_named() -> None:
    def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.3"]

    location = parse("https://erddap.example.org/")
    with pytest.raises(errors.RefusedError):
        Guard(named=["erddap.example.org"], resolve=resolve).addresses(location)
    both = Guard(named=["erddap.example.org", "10.0.0.3"], resolve=resolve)
    assert both.addresses(location) == ["10.0.0.3"]


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1"])  # noqa: S104
def test_some_addresses_are_not_even_reached_by_name(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(errors.RefusedError):
        Guard(named=[address]).addresses(parse(f"http://{host}/"))


def test_a_second_answer_of_dns_changes_nothing(source: Source, tmp_path: Path) -> None:
    """DNS rebinding: what was checked is what is contacted, and a new connection checks anew."""
    asked: list[str] = []
    with serve() as inside:

        def rebinding(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

        source.add("/a", b"right")
        inside.add("/a", b"inside")
        guard = Guard(named=["source.internal"], resolve=rebinding)
        url = f"http://source.internal:{source.port}/a"
        got = one(url, tmp_path, guard)
        assert got.path.read_bytes() == b"right"
        assert asked == ["source.internal"]
        assert source.requests[0][1]["host"] == f"source.internal:{source.port}"
        again = fetch([Wanted(url, "b")], tmp_path, guard=guard, limits=QUICK).files[0]
        assert isinstance(again.error, errors.RefusedError)
        assert "169.254" not in str(again.error)
        assert (len(source.requests), inside.requests) == (1, [])


def test_a_name_without_address_is_told(tmp_path: Path) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    got = one("https://data.example.org/", tmp_path, Guard(resolve=unknown))
    assert isinstance(got.error, errors.AwayError)
    assert "data.example.org has no address" in str(got.error)


def test_the_next_address_is_tried(source: Source, tmp_path: Path) -> None:
    guard = Guard(
        named=["two.internal", "::1", "127.0.0.1"], resolve=lambda host, port: ["::1", "127.0.0.1"]
    )
    source.add("/a", b"a")
    assert one(f"http://two.internal:{source.port}/a", tmp_path, guard).good


# --- redirects


def to(url: str, status: int = 302) -> object:
    return say(status, b"", Location=url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(source: Source, tmp_path: Path, status: int) -> None:
    source.add("/real file", b"a")
    source.files["/real%20file"] = source.files["/real file"]
    source.always["/a"] = to("/b?signature=secret", status)
    source.always["/b?signature=secret"] = to("real file", status)
    got = one(source.url("/a"), tmp_path)
    assert got.path.read_bytes() == b"a"
    assert got.url == source.url("/real%20file")


def test_five_redirects_are_enough(source: Source, tmp_path: Path) -> None:
    for number in range(6):
        source.always[f"/{number}"] = to(f"/{number + 1}")
    source.add("/6", b"a")
    assert one(source.url("/1"), tmp_path / "five").good
    got = one(source.url("/0"), tmp_path / "six")
    assert isinstance(got.error, errors.ProtocolError)
    assert "more than 5" in str(got.error)


def test_a_circle_is_noticed(source: Source, tmp_path: Path) -> None:
    source.always["/a"] = to("/b")
    source.always["/b"] = to("/a")
    got = one(source.url("/a"), tmp_path)
    assert "in a circle" in str(got.error)
    assert len(source.requests) == 2


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data", "http://localhost:{port}/a", "http://[::1]:{port}/",
        "http://2130706433:{port}/", "http://127.1:{port}/a", "file:///etc/passwd",
        "//user@127.0.0.1:{port}/a", "http://127.0.0.1:1/", "/\\evil", "ftp://127.0.0.1/",
        "http://0x7f.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/a",
    ],
)  # fmt: skip
def test_a_redirect_is_checked_like_any_address(
    source: Source, tmp_path: Path, target: str
) -> None:
    source.always["/a"] = to(target.replace("{port}", str(source.port)))
    guard = Guard(named=[f"127.0.0.1:{source.port}"])
    got = one(source.url("/a"), tmp_path, guard)
    assert isinstance(got.error, errors.RefusedError)
    assert (len(source.requests), got.attempts) == (1, 1)


def test_headers_stay_with_the_host_that_they_are_for(source: Source, tmp_path: Path) -> None:
    with serve() as other:
        other.add("/b", b"b")
        source.always["/a"] = to("/c")
        source.always["/c"] = to(other.url("/b"))
        got = one(source.url("/a"), tmp_path, headers={"Authorization": "Bearer secret"})
    assert got.good
    told = [headers.get("authorization") for _, headers in source.requests + other.requests]
    assert told == ["Bearer secret", "Bearer secret", None]
    assert "secret" not in repr(got)


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for "localhost" that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "pem"
    encoding = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(encoding)
    )
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Source]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with serve(context) as running:
        yield running


def over_tls(url: str, into: Path, certificate: Path, named: list[str]) -> Fetched:
    trust = ssl.create_default_context(cafile=str(certificate))
    guard = Guard(named=named, resolve=lambda host, port: ["127.0.0.1"])
    with Engine(guard=guard, limits=QUICK, trust=trust) as engine:
        return engine.fetch([Wanted(url, "a")], into).files[0]


def test_tls_is_for_the_name_though_the_address_is_pinned(
    secure: Source, certificate: Path, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 10_000
    url = secure.add("/a", content)

    def cut_here(handler: Handler) -> None:
        give(handler, cut=1_000_000)

    secure.first["/a"] = [cut_here]
    got = over_tls(url, tmp_path, certificate, ["localhost"])
    assert got.path.read_bytes() == content
    assert secure.ranges("/a") == ["", "bytes=1000000-"]


def test_a_certificate_of_another_name_or_signer_is_not_trusted(
    secure: Source, certificate: Path, tmp_path: Path
) -> None:
    secure.add("/a", b"a")
    other = f"https://other.internal:{secure.port}/a"
    for got in (
        over_tls(other, tmp_path, certificate, ["other.internal"]),
        one(secure.url("/a"), tmp_path, Guard(named=["localhost", "127.0.0.1", "::1"])),
    ):
        assert isinstance(got.error, errors.AwayError)
        assert "not trusted" in str(got.error)
        assert got.attempts == 1
    assert secure.requests == []


def test_https_never_leads_to_http(
    source: Source, secure: Source, certificate: Path, tmp_path: Path
) -> None:
    source.add("/a", b"a")
    secure.always["/a"] = to(f"http://localhost:{source.port}/a")
    got = over_tls(secure.url("/a"), tmp_path, certificate, ["localhost"])
    assert isinstance(got.error, errors.RefusedError)
    assert "from https to http" in str(got.error)
    assert source.requests == []
    secure.add("/b", b"b")
    source.always["/b"] = to(secure.url("/b"))
    url = f"http://localhost:{source.port}/b"
    assert over_tls(url, tmp_path, certificate, ["localhost"]).good
