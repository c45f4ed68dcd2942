r"""Who may see what: names that are never served, and addresses that may ask. Pure.

Hidden names
  A rule is a pattern for one segment of the path, and a reason. "*" stands for anything, "?" for one byte; a slash in
  front binds the rule to the top. Directories are hidden with all that is in them.
  The file system may be laxer than we are: FAT, NTFS and ext4 with case folding find "a.bak" under "A.BAK" or, the
  first two, "a.bak. ", and case folding by Unicode also under "a.ba\u212a" (the Kelvin sign) and with signs inside that
  nobody sees. So a name is folded before rules look at it. Exceptions are compared with the name as it is.
  Short names of FAT ("GIT~1") are not known here: what is secret does not belong on such a file system.

Addresses
  The most specific network decides, whichever list it stands in. An address in no network is allowed when there are
  only denials, else denied. IPv4 in IPv6 form (::ffff:192.0.2.1) is IPv4, for addresses and for networks; ::/0 is
  therefore IPv6 alone, and "all" is both.
  Networks are nested or apart, so they cut the addresses into intervals. What is decided is constant on each; equal
  decisions get one number, the address class. The engine's key holds the class, never the address: there are as many
  as there are different decisions, and a cached answer is shared by all that may have it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain
from typing import Final, Generic, TypeVar

from ..errors import ConfigError
from ..records import dataclass

# Hidden names.


@dataclass(frozen=True, slots=True)
class HiddenRule:
    pattern: bytes
    why: str


HIDDEN_RULES: Final = tuple(
    HiddenRule(pattern, why)
    for why, patterns in (
        ("names that begin with a dot are not meant for visitors", (b".*",)),
        # The dot rule covers these; they stay hidden when it is taken away.
        ("it holds passwords or rules of a server", (b".ht*", b"htpasswd", b"*.htpasswd")),
        ("it holds the secrets of a program", (b".env", b".env.*")),
        ("it holds the history of the site with all that was ever deleted", (b".git", b".hg", b".svn")),
        ("it is a rule for the server, not a page", (b"/_headers", b"/_redirects")),
        ("it is a copy that an editor left behind", (b"*~", b"#*#", b"*.swp", b"*.swo", b"*.save")),
        ("it is what a file was before a change", (b"*.bak", b"*.backup", b"*.old", b"*.orig", b"*.rej")),
        ("it is what a package manager put aside", (b"*.dpkg-*", b"*.rpmsave", b"*.rpmnew", b"*.rpmorig")),
    )
    for pattern in patterns
)


@dataclass(frozen=True, slots=True)
class HiddenPolicy:
    """Rules, and patterns of names that are shown whatever the rules say (RFC 8615: /.well-known/ is meant)."""

    rules: tuple[HiddenRule, ...] = HIDDEN_RULES
    shown: tuple[bytes, ...] = (b"/.well-known",)
    _hide: tuple[re.Pattern[bytes], re.Pattern[bytes]] = field(init=False, repr=False, compare=False)
    _show: tuple[re.Pattern[bytes], re.Pattern[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hide", _both([_folded(rule.pattern) for rule in self.rules]))
        object.__setattr__(self, "_show", _both(self.shown))

    @classmethod
    def parse(cls, hide: Iterable[str] = (), show: Iterable[str] = ()) -> HiddenPolicy:
        """The default changed: `show` takes a rule away when it is its very pattern, else makes an exception."""
        policy = cls()
        for pattern in map(_pattern, hide):
            rule = HiddenRule(pattern, "the configuration hides it")
            policy = replace(policy, rules=(*policy.rules, rule))
        for pattern in map(_pattern, show):
            rules = tuple(rule for rule in policy.rules if rule.pattern != pattern)
            exception = (pattern,) if rules == policy.rules else ()
            policy = replace(policy, rules=rules, shown=(*policy.shown, *exception))
        return policy


def _both(patterns: Sequence[bytes]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """All patterns as one expression, for the top and for below; the number of the group is the rule's."""
    below = [_NOTHING if pattern.startswith(b"/") else _expression(pattern) for pattern in patterns]
    return _any_of([_expression(pattern.removeprefix(b"/")) for pattern in patterns]), _any_of(below)


_NOTHING: Final = rb"(?!)"


def _any_of(expressions: Sequence[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(%b)" % expression for expression in expressions) or _NOTHING, re.DOTALL)


def _expression(pattern: bytes) -> bytes:
    wild = {b"*": b".*", b"?": b"."}
    return b"".join(wild.get(part) or re.escape(part) for part in re.split(rb"([*?])", pattern))


# Default_Ignorable_Code_Point of Unicode: what case folding of ext4 and HFS+ leaves out of a comparison.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def _folded(name: bytes) -> bytes:
    """The name as the laxest file system would compare it. Bytes that are no UTF-8 are compared as they are."""
    if not name.isascii():
        try:
            # Canonical forms only: no file system takes an ellipsis for three dots.
            decomposed = unicodedata.normalize("NFD", name.decode())
            name = _IGNORABLE.sub("", decomposed.casefold()).encode()
        except UnicodeDecodeError:
            pass
    name = name.lower()
    return name.rstrip(b". ") or name


def _pattern(given: str) -> bytes:
    if not given.removeprefix("/") or "/" in given[1:]:
        raise ConfigError(f"{given!r} is no pattern of a name: give one segment, with a slash in front for the top")
    if given.count("*") > _STARS_MAX:
        raise ConfigError(f"the pattern {given!r} has more than {_STARS_MAX} stars: make two patterns of it")
    return given.encode("utf-8", "surrogateescape")


HIDDEN: Final = HiddenPolicy()

# With two stars at most, a rule's work grows with the square of the name: so much is done for no name that can be.
_STARS_MAX: Final = 2
_NAME_BYTES_MAX: Final = 1024  # file systems have 255, those in user space more
_TOO_LONG: Final = HiddenRule(b"*", "no file has so long a name")


def is_hidden(segments: Sequence[bytes], policy: HiddenPolicy = HIDDEN) -> bool:
    """Whether a path (decoded, without dot segments) must look as if nothing were there."""
    return hidden_by(segments, policy) is not None


def hidden_by(segments: Sequence[bytes], policy: HiddenPolicy = HIDDEN) -> HiddenRule | None:
    """The rule that hides a path, for its reason; None when it may be served."""
    for place, segment in enumerate(segments):
        if len(segment) > _NAME_BYTES_MAX:
            return _TOO_LONG
        below = place > 0
        if policy._show[below].fullmatch(segment) is None:
            match = policy._hide[below].fullmatch(_folded(segment))
            if match is not None:
                return policy.rules[(match.lastindex or 1) - 1]
    return None


# Addresses.

Network = IPv4Network | IPv6Network
Peer = str | bytes | IPv4Address | IPv6Address | None  # bytes: 4 or 16, as the kernel has them; None: a local socket

T = TypeVar("T", bound=Hashable)

_MAPPED: Final = 0xFFFF << 32
_ALL_IPV4: Final = IPv6Network((_MAPPED, 96))
_EVERY: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


@dataclass(frozen=True, slots=True)
class Classifier(Generic[T]):
    """Address classes: from starts[i] to the next start all addresses are of class numbers[i].

    Addresses are numbers of 128 bits, IPv4 in its mapped form. outcomes[c] is what holds for all of class c; class 0 is
    what lies in no network, and whoever has no address.
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


@dataclass(frozen=True, slots=True)
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
        remedy = "is no address and no network: give one, as in 192.0.2.0/24 or 2001:db8::/32, or all"
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
