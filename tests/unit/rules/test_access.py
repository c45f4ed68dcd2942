"""access.py: names that are never served (RFC 8615 has the exception), addresses that may ask (RFC 4291 2.5.5.2)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.rules.access import AddressRules, Network, classes, classes_of, parse_networks
from tuxpy.rules.hidden import HIDDEN_RULES, HiddenPolicy, hidden_by, is_hidden


def hidden(path: str, policy: HiddenPolicy | None = None) -> bool:
    segments = tuple(path.encode().split(b"/"))
    return is_hidden(segments) if policy is None else is_hidden(segments, policy)


# Names.


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".git/config",
        "a/.env",
        ".well-known/.htaccess",
        "a/.well-known/x",
        ".WELL-KNOWN/x",
        ".well-known./x",
        "...",
        ".htpasswd",
        "htpasswd",
        "users.htpasswd",
        "_headers",
        "_redirects",
        "index.html~",
        "#index.html#",
        "a.swp",
        "a.bak",
        "a.orig",
        "a.old/b.html",
        "a.rej",
        "a.conf.dpkg-old",
    ],
)
def test_these_are_never_served(path: str) -> None:
    assert hidden(path)


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        ".well-known/security.txt",
        ".well-known/acme-challenge/a-b_c",
        "a/_headers",
        "_headers.html",
        "~user/index.html",
        "#a",
        "a#b.html",
        "bak",
        "a.bak.html",
        "backup/a",
        "old/orig",
        "a.b.c",
        "…and more.html",
        "x\u200by.html",
    ],
)
def test_these_are(path: str) -> None:
    assert not hidden(path)


@pytest.mark.parametrize(
    "path",
    [
        "A.BAK",
        "a.Bak",
        "a.bak.",
        "a.bak...",
        "a.bak ",
        "a.bak. .",
        "_HEADERS",
        "_headers.",
        "HTPASSWD.",
        "a.html~.",
        "a.ba\u212a",  # the Kelvin sign
        "a.\u017fwp",  # the long s
        "a.b\u200bak",  # a zero-width space
        "\ufeff.git",
        "a.bak\u00ad",
    ],
)
def test_what_a_lax_file_system_takes_for_a_hidden_name_is_hidden(path: str) -> None:
    assert hidden(path)


@pytest.mark.parametrize("segment", [b"\xff.html", b"\xc0\xaf", b"a\xff"])
def test_bytes_that_are_no_text_are_compared_as_they_are(segment: bytes) -> None:
    assert not is_hidden((segment,))
    assert is_hidden((segment + b".BAK",))
    assert is_hidden((b"." + segment,))


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=3), st.sampled_from([b".git", b"a.bak", b"x~"]))
def test_whatever_stands_around_a_hidden_name_it_stays_hidden(around: list[bytes], name: bytes) -> None:
    for place in range(len(around) + 1):
        assert is_hidden((*around[:place], name, *around[place:]))


@given(st.text("ab.~_#BAKbak ", min_size=1, max_size=8))
def test_upper_case_and_dots_behind_hide_no_less(name: str) -> None:
    if hidden(name):
        assert hidden(name.upper())
        assert hidden(name + ".")


def test_each_rule_has_a_reason() -> None:
    rule = hidden_by((b"site", b"a.bak"))
    assert rule
    assert rule.pattern == b"*.bak"
    assert "before a change" in rule.why
    assert all(rule.why and rule.pattern for rule in HIDDEN_RULES)
    assert hidden_by((b"site", b"a.html")) is None


def test_a_rule_can_be_taken_away_and_the_worst_stays_hidden() -> None:
    policy = HiddenPolicy.parse(show=[".*"])
    assert not hidden(".profile", policy)
    assert hidden(".htpasswd", policy)
    assert hidden(".env.local", policy)
    assert hidden("a/.git/config", policy)
    assert hidden("a.bak", policy)


def test_an_exception_is_compared_as_it_is_and_holds_for_its_place() -> None:
    policy = HiddenPolicy.parse(show=["/.plan", "price.old"])
    assert not hidden(".plan", policy)
    assert hidden(".Plan", policy)
    assert hidden("a/.plan", policy)
    assert not hidden("a/price.old", policy)
    assert hidden(".git/price.old", policy)


def test_rules_can_be_added() -> None:
    policy = HiddenPolicy.parse(hide=["*.PSD", "/private", "?.ini"])
    assert hidden("a.psd", policy)
    assert hidden("private/x", policy)
    assert not hidden("a/private", policy)
    assert hidden("x.ini", policy)
    assert not hidden("xy.ini", policy)
    assert not hidden("a.psd")


@pytest.mark.parametrize("pattern", ["", "/", "a/b", "/a/b", "a/"])
def test_a_pattern_is_for_one_segment(pattern: str) -> None:
    with pytest.raises(ConfigError, match="give one segment"):
        HiddenPolicy.parse(hide=[pattern])


def test_no_name_makes_a_rule_work_for_long() -> None:
    policy = HiddenPolicy.parse(hide=["*a*b"])
    assert is_hidden((b"a" * 8000,), policy)
    assert not is_hidden((b"a" * 1000,), policy)
    with pytest.raises(ConfigError, match="more than 2 stars"):
        HiddenPolicy.parse(hide=["*a*b*"])


# Addresses.


def small_networks() -> st.SearchStrategy[Network]:
    """Few enough that they often hold each other; some in the mapped form, some around it."""
    four = st.builds(
        lambda bits, size: IPv4Network((bits << 24, size), strict=False), st.integers(0, 255), st.integers(0, 8)
    )
    six = st.builds(
        lambda bits, size: IPv6Network((bits << 24, size), strict=False),
        st.integers(0xFFFF00, 0xFFFFFF) | st.integers(0, 255),
        st.integers(90, 104) | st.just(0),
    )
    return four | six


ADDRESSES = st.one_of(
    st.integers(0, 255).map(lambda bits: IPv4Address(bits << 24)),
    st.integers(0xFFFF00, 0xFFFFFF).map(lambda bits: IPv6Address(bits << 24)),
    st.integers(0, 255).map(lambda bits: IPv6Address(bits << 24)),
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
)


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.version == 6 and address.ipv4_mapped) or address


def holds(network: Network, address: IPv4Address | IPv6Address) -> bool:
    """By the book: IPv4 in its mapped form is IPv4, as an address and as a network."""
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.prefixlen >= 96:
        network = IPv4Network((int(first.ipv4_mapped), network.prefixlen - 96))
    address = plain(address)
    return address.version == network.version and address in network


def length(network: Network) -> int:
    return network.prefixlen if network.version == 6 else 96 + network.prefixlen


@given(st.lists(small_networks(), max_size=6), st.lists(small_networks(), max_size=6), ADDRESSES)
def test_the_most_specific_network_decides(
    allow: list[Network], deny: list[Network], address: IPv4Address | IPv6Address
) -> None:
    try:
        rules = AddressRules.parse(map(str, allow), map(str, deny))
    except ConfigError as error:
        assert "both allowed and denied" in str(error)
        return
    listed = [(network, True) for network in allow] + [(network, False) for network in deny]
    matches = [(length(network), verdict) for network, verdict in listed if holds(network, address)]
    assert rules.allows(address) == (max(matches)[1] if matches else not allow)
    assert rules.allows(str(address)) == rules.allows(address.packed) == rules.allows(address)


@given(st.lists(small_networks(), max_size=8), ADDRESSES, ADDRESSES)
def test_a_class_says_which_networks_an_address_is_in(
    networks: list[Network], one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address
) -> None:
    classifier = classes(networks)
    innermost = classifier.outcome(one)
    matches = [network for network in networks if holds(network, one)]
    if matches:
        assert innermost is not None
        assert length(innermost) == max(map(length, matches))
        assert holds(innermost, one)
    else:
        assert innermost is None
        assert classifier.classify(one) == 0
    if classifier.classify(one) == classifier.classify(other):
        assert all(holds(network, one) == holds(network, other) for network in networks)
    assert len(classifier.outcomes) <= len(set(networks)) + 1


@given(st.lists(st.tuples(st.lists(small_networks(), max_size=3), st.booleans()), max_size=3), ADDRESSES, ADDRESSES)
def test_the_fewest_classes_tell_all_decisions_apart(
    lists: list[tuple[list[Network], bool]], one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address
) -> None:
    rules = [AddressRules.parse(**{"allow" if allow else "deny": map(str, networks)}) for networks, allow in lists]
    classifier = classes_of(rules)
    decisions = [tuple(rule.allows(address) for rule in rules) for address in (one, other)]
    assert [classifier.outcome(one), classifier.outcome(other)] == decisions
    assert (classifier.classify(one) == classifier.classify(other)) == (decisions[0] == decisions[1])
    assert classifier.outcomes[0] == tuple(rule.allows(None) for rule in rules)


def test_a_long_list_of_denials_makes_two_classes() -> None:
    """The engine keeps an answer for each class, so their number is what counts."""
    rules = AddressRules.parse(deny=[f"10.{number}.0.0/16" for number in range(0, 256, 2)])
    classifier = classes_of([rules, rules])
    assert classifier.outcomes == ((True, True), (False, False))
    assert len(classifier.starts) == 257
    assert list(classifier.starts) == sorted(set(classifier.starts))


@pytest.mark.parametrize(
    ("allow", "deny", "address", "allowed"),
    [
        ([], [], "192.0.2.1", True),
        (["192.0.2.0/24"], [], "192.0.2.1", True),
        (["192.0.2.0/24"], [], "198.51.100.1", False),
        (["192.0.2.0/24"], [], "::1", False),
        ([], ["192.0.2.0/24"], "192.0.2.1", False),
        ([], ["192.0.2.0/24"], "::ffff:192.0.2.1", False),
        ([], ["::ffff:192.0.2.0/120"], "192.0.2.1", False),
        (["all"], ["192.0.2.0/24"], "192.0.2.1", False),
        (["192.0.2.7"], ["192.0.2.0/24"], "192.0.2.7", True),
        (["192.0.2.0/24"], ["all"], "192.0.2.7", True),
        (["192.0.2.0/24"], ["all"], "2001:db8::1", False),
        ([], ["::/0"], "192.0.2.1", True),
        ([], ["::/0"], "::ffff:192.0.2.1", True),
        ([], ["0.0.0.0/0"], "::1", True),
        (["fe80::/10"], [], "fe80::1%eth0", True),
    ],
)
def test_allow_and_deny(allow: list[str], deny: list[str], address: str, allowed: bool) -> None:
    assert AddressRules.parse(allow, deny).allows(address) is allowed


def test_who_has_no_address_is_in_no_network() -> None:
    assert AddressRules.parse(deny=["all"]).allows(None)
    assert not AddressRules.parse(allow=["all"]).allows(None)
    assert classes([IPv4Network("0.0.0.0/0")]).classify(None) == 0


def test_the_ends_of_all_addresses_have_a_class() -> None:
    classifier = classes([IPv6Network("ffff::/16"), IPv6Network("::/128")])
    assert classifier.starts[0] == 0
    assert classifier.outcome("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == ip_network("ffff::/16")
    assert classifier.outcome("::") == ip_network("::/128")
    assert classifier.outcome(ip_address("::1")) is None


@pytest.mark.parametrize("address", ["", "nobody", "192.0.2", b"abc", "192.0.2.1:80"])
def test_what_is_no_address_has_no_class(address: str | bytes) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        classes([]).classify(address)


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("192.0.2.1/24", "give 192.0.2.0/24"),
        ("2001:db8::1/32", "give 2001:db8::/32"),
        ("example.org", "is not an address"),
        ("192.0.2.0/33", "is not an address"),
        ("", "is not an address"),
        ("any", "or all"),
    ],
)
def test_a_word_that_is_no_network_is_refused_with_a_remedy(word: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(remedy)):
        AddressRules.parse(allow=[word])


def test_the_same_network_cannot_be_both() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.0/24 is both"):
        AddressRules.parse(allow=["192.0.2.0/24"], deny=["::ffff:192.0.2.0/120"])


def test_words_stand_for_networks() -> None:
    assert parse_networks("all") == (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
    assert parse_networks("::ffff:0:0/96") == (IPv4Network("0.0.0.0/0"),)
    assert parse_networks("192.0.2.1") == (IPv4Network("192.0.2.1/32"),)
