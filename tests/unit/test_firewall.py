import ipaddress
from pathlib import Path

import pytest
from pelagos.node.firewall import Policy, forward_rules, host_resolvers, input_rules

POLICY = Policy("plg-abc123", (8081, 8083), ("10.0.0.2",), ("10.20.0.0/24",))


def verdict(address: str, port: int, protocol: str = "tcp") -> str:
    """What the forward rules do with a new packet to an address: their own logic, replayed."""
    for rule in forward_rules(POLICY):
        words = rule.split()
        if "conntrack" in words:
            continue
        network = ipaddress.ip_network(words[words.index("-d") + 1])
        if "--dport" in words and (
            int(words[words.index("--dport") + 1]) != port or protocol not in words
        ):
            continue
        if ipaddress.ip_address(address) in network:
            return words[words.index("-j") + 1]
    return "RETURN"


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.17.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "100.64.0.1"],
)
def test_private_and_link_local_addresses_are_refused(address: str) -> None:
    assert verdict(address, 80) == "REJECT"


def test_the_internet_is_reached() -> None:
    assert verdict("8.8.8.8", 443) == "RETURN"


def test_a_private_resolver_answers_on_port_53_only() -> None:
    assert verdict("10.0.0.2", 53, "udp") == "RETURN"
    assert verdict("10.0.0.2", 80) == "REJECT"


def test_an_allowed_network_is_reached() -> None:
    assert verdict("10.20.0.7", 8080) == "RETURN"
    assert verdict("10.20.1.7", 8080) == "REJECT"


def test_of_the_host_only_the_hub_is_reached() -> None:
    rules = input_rules(POLICY)
    assert "--dport 8081 -j ACCEPT" in rules[1]
    assert rules[-1].startswith("-j REJECT")


def test_chain_names_fit_into_iptables() -> None:
    assert len(POLICY.forward_chain) <= 28
    assert len(POLICY.bridge) <= 15


def test_loopback_and_ipv6_resolvers_get_no_rule(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# comment\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 10.0.0.2\n"
        "options edns0\nnameserver 2001:db8::1\n"
    )
    assert host_resolvers(path) == ("10.0.0.2",)
