"""Which hosts and addresses a source may lead us to."""

from __future__ import annotations

import pytest
from loopback import Reply, serve
from pelagos.catalogue.fetch import Fetcher, FetchError
from pelagos.catalogue.fetch_guard import Guard
from pelagos.settings.sources import CswSource, SourceKind

INSIDE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.251",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001::7f00:1",
    "2001:db8::1",
]
OUTSIDE = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "2a00:1450::1"]


def guard(url: str, *addresses: str, hosts: tuple[str, ...] = ()) -> Guard:
    source = CswSource(name="test", kind=SourceKind.CSW, url=url, hosts=list(hosts))
    return Guard(source, lambda host, port: list(addresses))


@pytest.mark.parametrize("address", INSIDE)
def test_a_public_source_is_never_led_inside(address: str) -> None:
    checked = guard("https://data.example.org/csw", address)
    with pytest.raises(FetchError, match="not public"):
        checked.addresses("data.example.org", 443)


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_source_is_reached(address: str) -> None:
    checked = guard("https://data.example.org/csw", address)
    assert checked.addresses("Data.Example.org.", 443) == [address]


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(FetchError, match="not public"):
        guard("https://data.example.org/", OUTSIDE[0], "10.0.0.1").addresses("data.example.org", 1)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:8080/csw", "127.0.0.1"),
        ("http://127.0.0.1:8080/csw", "127.0.0.1"),
        ("http://[::1]:8080/csw", "::1"),
        ("http://10.1.2.3:8080/csw", "10.1.2.3"),
        ("http://erddap:8080/csw", "172.18.0.4"),
        ("http://thredds.inst.internal:8080/csw", "10.1.2.3"),
    ],
)
def test_a_private_host_that_an_operator_configured_is_reached(url: str, address: str) -> None:
    checked = guard(url, address)
    host = checked.check(url).host
    assert checked.addresses(host, 8080) == [address]
    with pytest.raises(FetchError, match="not public"):
        checked.addresses(host, 80)


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1"])
def test_some_addresses_are_not_even_reached_by_configuration(address: str) -> None:
    with pytest.raises(FetchError, match="not public"):
        guard(f"http://{f'[{address}]' if ':' in address else address}/", address).addresses(
            address, 80
        )


def test_an_operator_can_name_the_private_address_of_a_public_name() -> None:
    checked = guard("https://erddap.example.org/", "10.0.0.3")
    with pytest.raises(FetchError) as caught:
        checked.addresses("erddap.example.org", 443)
    assert "`hosts` of test in pelagos.yaml; of a private host the address" in caught.value.mend
    told = guard("https://erddap.example.org/", "10.0.0.3", hosts=("10.0.0.3",))
    assert told.addresses("erddap.example.org", 443) == ["10.0.0.3"]


def test_hosts_are_compared_as_one_parser_reads_them() -> None:
    checked = guard("https://Data.Example.org/csw", hosts=("files.example.org",))
    for good in ("https://data.example.org./x", "http://FILES.example.org:8443/y"):
        checked.check(good)
    for bad in (
        "https://data.example.org.evil.net/",
        "https://evil.net\\@data.example.org/",
        "https://evil.net#@data.example.org/",
        "https://data.example.org@evil.net/",
        "https://xdata.example.org/",
        "//data.example.org/x",
        "/x",
        "",
        "javascript:alert(1)",
        "https://data.example.org\r\nX: y/",
    ):
        with pytest.raises(FetchError):
            checked.check(bad)


def test_a_name_is_looked_up_once_per_connection_and_that_address_is_used() -> None:
    asked: list[str] = []
    with serve({"/": Reply("{}")}) as server:

        def rebinding(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

        source = CswSource(
            name="test", kind=SourceKind.CSW, url=f"http://erddap:{server.port}/", rate=100
        )
        with Fetcher(source, guard=Guard(source, rebinding)) as fetcher:
            assert fetcher.get(source.url).status == 200
        assert asked == ["erddap"]


def test_a_name_without_address_is_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    source = CswSource(name="test", kind=SourceKind.CSW, url="https://data.example.org/")
    with pytest.raises(FetchError, match="has no address"):
        Guard(source, unknown).addresses("data.example.org", 443)
