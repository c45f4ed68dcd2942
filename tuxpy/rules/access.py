"""Addresses that may ask. Pure.

The most specific network decides, whichever list it stands in. An address in no network is allowed when there are
only denials, else denied. IPv4 in IPv6 form (::ffff:192.0.2.1) is IPv4, for addresses and for networks; ::/0 is
therefore IPv6 alone, and "all" is both.
Networks are nested or apart, so they cut the addresses into intervals. What is decided is constant on each; equal
decisions get one number, the address class. The engine's key holds the class, never the address: there are as many
as there are different decisions, and a cached answer is shared by all that may have it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain
from typing import Final, Generic, TypeVar

from ..errors import ConfigError
from ..values import value_class

Network = IPv4Network | IPv6Network
Peer = str | bytes | IPv4Address | IPv6Address | None  # bytes: 4 or 16, as the kernel has them; None: a local socket

T = TypeVar("T", bound=Hashable)

_MAPPED: Final = 0xFFFF << 32
_ALL_IPV4: Final = IPv6Network((_MAPPED, 96))
_EVERY: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


@value_class(frozen=True, slots=True)
class Classifier(Generic[T]):
    """Address classes: from starts[i] to the next start all addresses are of class numbers[i].

    Addresses are numbers of 128 bits, IPv4 in its mapped form. outcomes[c] is what holds for all of class c; class 0 is
    what lies in no network, and a client without an address.
    """

    starts: tuple[int, ...]
    numbers: tuple[int, ...]
    outcomes: tuple[T, ...]

    def classify(self, address: Peer) -> int:
        """The class of an address; ValueError when it is none."""
        if address is None:
            return 0
        return self.numbers[bisect_right(self.starts, _place(address)) - 1]

    def outcome(self, address: Peer) -> T:
        return self.outcomes[self.classify(address)]


def classes(networks: Iterable[Network]) -> Classifier[Network | None]:
    """A class for each network, its outcome: the most specific network that an address is in."""
    return _numbered(_sweep({_wide(network): _narrow(network) for network in networks}, None), None)


def classes_of(rules: Sequence[AddressRules]) -> Classifier[tuple[bool, ...]]:
    """The fewest classes that tell the decisions of all rules apart; an outcome holds one for each, in their order."""
    starts = sorted({start for rule in rules for start in rule.table.starts} | {0})
    cuts = [(start, tuple(rule.allows(IPv6Address(start)) for rule in rules)) for start in starts]
    return _numbered(cuts, tuple(rule.allows(None) for rule in rules))


@value_class(frozen=True, slots=True)
class AddressRules:
    """Who may ask, by address. `table` has one class for yes and one for no."""

    table: Classifier[bool]

    @classmethod
    def parse(cls, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> AddressRules:
        """Rules from words: an address, a network, or "all". Raises ConfigError, naming the remedy."""
        verdicts: dict[IPv6Network, bool] = {}
        lists = [(True, list(chain(*map(parse_networks, allow)))), (False, list(chain(*map(parse_networks, deny))))]
        for verdict, networks in lists:
            for network in networks:
                if verdicts.setdefault(_wide(network), verdict) != verdict:
                    raise ConfigError(f"{network} is both allowed and denied: leave one out")
        default = not lists[0][1]
        return cls(_numbered(_sweep(verdicts, default), default))

    def allows(self, address: Peer) -> bool:
        return self.table.outcome(address)


def parse_networks(word: str) -> tuple[Network, ...]:
    """The networks that a word of the configuration stands for."""
    if word == "all":
        return _EVERY
    try:
        return (_narrow(ip_network(word)),)
    except ValueError:
        pass
    try:
        remedy = f"has bits behind its prefix: give {ip_network(word, strict=False)}"
    except ValueError:
        remedy = "is not an address or a network: give one, as in 192.0.2.0/24 or 2001:db8::/32, or all"
    raise ConfigError(f"{word!r} {remedy}")


def _place(address: str | bytes | IPv4Address | IPv6Address) -> int:
    found = ip_address(address)
    return int(found) | _MAPPED if found.version == 4 else int(found)


def _wide(network: Network) -> IPv6Network:
    if isinstance(network, IPv6Network):
        return network
    return IPv6Network((_MAPPED | int(network.network_address), 96 + network.prefixlen))


def _narrow(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_ALL_IPV4):
        return IPv4Network((int(network.network_address) - _MAPPED, network.prefixlen - 96))
    return network


def _sweep(values: dict[IPv6Network, T], default: T) -> Iterator[tuple[int, T]]:
    """(start, value) from low to high, each holding up to the next; the innermost network has its way.

    IPv4 is a network too, with nothing to say: so it does not inherit from the IPv6 networks around its mapped form.
    """
    values = {_ALL_IPV4: default, **values}
    cuts: dict[int, T] = {0: default}  # a later cut at the same place is further in, or further behind
    around: list[tuple[int, T]] = [(1 << 128, default)]

    def leave(upto: int) -> None:
        while len(around) > 1 and around[-1][0] <= upto:
            end, _ = around.pop()
            cuts[end] = around[-1][1]

    for network in sorted(values, key=lambda network: (int(network.network_address), network.prefixlen)):
        start = int(network.network_address)
        leave(start)
        cuts[start] = values[network]
        around.append((start + network.num_addresses, values[network]))
    leave(1 << 128)
    return ((start, value) for start, value in cuts.items() if start < 1 << 128)


def _numbered(cuts: Iterable[tuple[int, T]], default: T) -> Classifier[T]:
    """Equal outcomes get equal numbers, `default` the number 0; neighbours with the same number become one."""
    numbers: dict[T, int] = {default: 0}
    starts: list[int] = []
    found: list[int] = []
    for start, outcome in cuts:
        number = numbers.setdefault(outcome, len(numbers))
        if not found or found[-1] != number:
            starts.append(start)
            found.append(number)
    return Classifier(tuple(starts), tuple(found), tuple(numbers))
