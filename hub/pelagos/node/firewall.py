"""Packet-filter rules that keep people's servers apart from the host and its private networks.

Two chains of our own, entered for packets from the servers' bridge only:

- from DOCKER-USER (forwarded packets): answers pass, the host's resolvers and the operator's
  allow-list pass, every private and link-local network is refused, the internet passes;
- from INPUT (packets to the host itself): answers pass, the ports of the hub and of its services
  for servers pass, the rest is refused.

Server-to-server traffic on the bridge is cut by the network's own `enable_icc=false`.
Which addresses are private: IANA's special-purpose registry, RFC 6890.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pelagos.errors import NetworkError

CHAIN_PREFIX = "PELAGOS-"
PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",  # with 169.254.169.254, where clouds hand out credentials
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
_OURS = f" -j {CHAIN_PREFIX}"
_TIMEOUT = 30  # seconds; iptables waits for its lock that long


@dataclass(frozen=True)
class Policy:
    """What one VRE's servers may reach. `bridge` is the network interface on the host.

    Several VREs of one host have a policy each; their rules bear on their own bridge only.
    """

    bridge: str
    ports: tuple[int, ...]
    resolvers: tuple[str, ...]
    allow: tuple[str, ...] = ()

    @property
    def forward_chain(self) -> str:
        """Chain for packets that leave the host."""
        return f"{CHAIN_PREFIX}{self.bridge}-FWD"

    @property
    def input_chain(self) -> str:
        """Chain for packets to the host."""
        return f"{CHAIN_PREFIX}{self.bridge}-IN"


def host_resolvers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """IPv4 name servers of the host, which servers may ask on port 53."""
    found = []
    for line in resolv_conf.read_text().splitlines():
        match = re.match(r"\s*nameserver\s+(\S+)", line)
        if not match:
            continue
        try:
            address = ipaddress.ip_address(match.group(1))
        except ValueError:
            continue  # a scoped IPv6 address, such as fe80::1%eth0
        # Docker's own resolver asks a loopback resolver for them, from the host's side
        if address.version == 4 and not address.is_loopback:
            found.append(str(address))
    return tuple(found)


def forward_rules(policy: Policy) -> list[str]:
    """Rules of the forward chain, in order, as iptables arguments."""
    rules = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    for resolver in policy.resolvers:
        rules += [f"-d {resolver}/32 -p {p} -m {p} --dport 53 -j RETURN" for p in ("udp", "tcp")]
    rules += [f"-d {network} -j RETURN" for network in policy.allow]
    rules += [f"-d {network} -j REJECT --reject-with icmp-port-unreachable" for network in PRIVATE]
    return rules


def input_rules(policy: Policy) -> list[str]:
    """Rules of the input chain, in order, as iptables arguments."""
    return [
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        *(f"-p tcp -m tcp --dport {port} -j ACCEPT" for port in policy.ports),
        "-j REJECT --reject-with icmp-port-unreachable",
    ]


def _iptables(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return _run("iptables", "-w", str(_TIMEOUT), *arguments, check=check)


def _run(*command: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_TIMEOUT + 5, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkError(
            f"Packet-filter rules can't be set: {error}.",
            "Install iptables, and run as root with NET_ADMIN.",
        ) from error
    if check and done.returncode != 0:
        raise NetworkError(
            f"Packet-filter rules can't be set: {done.stderr.strip()}.",
            "Run as root with NET_ADMIN; ./pelagos doctor looks closer.",
        )
    return done


def _jumps(policy: Policy) -> list[tuple[str, str]]:
    """Built-in chain, and the rule in it that enters ours."""
    return [
        ("DOCKER-USER", f"-i {policy.bridge} -j {policy.forward_chain}"),
        ("INPUT", f"-i {policy.bridge} -j {policy.input_chain}"),
    ]


def _stands_first(builtin: str, jump: str) -> bool:
    """Whether `jump` stands in `builtin` with nothing but other bridges' jumps before it."""
    done = _iptables("-S", builtin, check=False)
    for line in done.stdout.splitlines():
        if line == f"-A {builtin} {jump}":
            return True
        if line.startswith("-A ") and _OURS not in line:
            return False
    return False


def missing(policy: Policy) -> list[str]:
    """What is not as it should be, one sentence each; empty if all rules stand."""
    wrong = []
    for chain, rules in (
        (policy.forward_chain, forward_rules(policy)),
        (policy.input_chain, input_rules(policy)),
    ):
        done = _iptables("-S", chain, check=False)
        wanted = [f"-A {chain} {rule}" for rule in rules]
        have = [line for line in done.stdout.splitlines() if line.startswith("-A ")]
        if done.returncode != 0:
            wrong.append(f"chain {chain} is missing")
        elif have != wanted:
            wrong.append(f"chain {chain} was changed")
    for builtin, jump in _jumps(policy):
        if not _stands_first(builtin, jump):
            wrong.append(f"{builtin} does not enter our chain first")
    return wrong


def apply(policy: Policy) -> list[str]:
    """Set every rule; what was missing before. Safe to repeat. Raises NetworkError."""
    wrong = missing(policy)
    if not wrong:
        return []
    # one transaction of the kernel: at no moment do half of the rules stand
    lines = ["*filter"]
    for chain, rules in (
        (policy.forward_chain, forward_rules(policy)),
        (policy.input_chain, input_rules(policy)),
    ):
        lines += [f":{chain} - [0:0]", f"-F {chain}"]
        lines += [f"-A {chain} {rule}" for rule in rules]
    lines.append("COMMIT")
    _run("iptables-restore", "-w", str(_TIMEOUT), "--noflush", text="\n".join(lines) + "\n")
    for builtin, jump in _jumps(policy):
        if _iptables("-S", builtin, check=False).returncode != 0:
            raise NetworkError(
                f"The packet filter has no chain {builtin}.",
                "Docker makes it: start Docker with its iptables support on.",
            )
        while _iptables("-D", builtin, *jump.split(), check=False).returncode == 0:
            pass  # it stood, but not first, or more than once
        _iptables("-I", builtin, "1", *jump.split())
    return wrong


def remove(policy: Policy) -> None:
    """Take every rule of this policy away. Safe to repeat."""
    for builtin, jump in _jumps(policy):
        while _iptables("-D", builtin, *jump.split(), check=False).returncode == 0:
            pass
    for chain in (policy.forward_chain, policy.input_chain):
        _iptables("-F", chain, check=False)
        _iptables("-X", chain, check=False)
