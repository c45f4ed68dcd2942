"""hosts.py: RFC 9110 7.2 and 4.2.3, RFC 3986 3.2.2; and the directories of mass hosting."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.http.target import valid_authority
from tuxpy.rules.hosts import HostTable, directory_of, is_name, name_of

TABLE = HostTable(
    [
        ("example.org", "exact"),
        ("*.example.org", "wild"),
        ("*.deep.example.org", "deep"),
        ("www.deep.example.org", "www"),
        ("[0:0:0:0:0:0:0:1]", "six"),
        ("192.0.2.1", "four"),
        ("_", "rest"),
    ]
)
NAME = st.lists(st.sampled_from(["a", "b", "www", "x-1", "xn--a", "x_y", "org"]), min_size=1, max_size=4).map(".".join)
HOSTS = st.one_of(
    st.binary(max_size=40),
    NAME.map(str.encode),
    st.lists(
        st.sampled_from([b".", b"..", b"/", b"\\", b"a", b"www.", b"-", b"_", b"%2e", b"\0", b":80", b"[", b"]"]),
        max_size=8,
    ).map(b"".join),
)


# Names (RFC 9110 4.2.3: scheme and host in lower case; RFC 3986 3.2.2).


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"Example.ORG", b"example.org"),
        (b"example.org:8080", b"example.org"),
        (b"example.org:", b"example.org"),
        (b"example.org.", b"example.org"),
        (b"example.org.:80", b"example.org"),
        (b"[::1]", b"[::1]"),
        (b"[::1]:8080", b"[::1]"),
        (b"[2001:DB8:0:0::1]:80", b"[2001:db8::1]"),
        (b"[v1.x]", b"[v1.x]"),
        (b"[::1", b"[::1]"),
        (b"", b""),
        (b".", b""),
        (b":80", b""),
        (None, b""),
    ],
)
def test_rfc_9110_7_2_case_port_and_trailing_dot_do_not_count(host: bytes | None, name: bytes) -> None:
    assert name_of(host) == name


@given(HOSTS)
def test_a_name_is_its_own_name(host: bytes) -> None:
    name = name_of(host)
    if is_name(name):
        assert name_of(name) == name
        assert name_of(name.upper() + b".:443") == name


@pytest.mark.parametrize(
    "name",
    [b"", b".", b"..", b"a..b", b".a", b"a.", b"-a", b"a-", b"a b", b"a/b", b"A", b"a" * 64, b"a." * 126 + b"aa"],
)
def test_rfc_1035_2_3_4_what_is_no_name(name: bytes) -> None:
    assert not is_name(name)


# The table.


@pytest.mark.parametrize(
    ("host", "served", "rule"),
    [
        (b"example.org", "exact", "example.org"),
        (b"EXAMPLE.org.:80", "exact", "example.org"),
        (b"a.example.org", "wild", "*.example.org"),
        (b"a.b.example.org", "wild", "*.example.org"),
        (b"deep.example.org", "wild", "*.example.org"),
        (b"a.deep.example.org", "deep", "*.deep.example.org"),
        (b"www.deep.example.org", "www", "www.deep.example.org"),
        (b"x.www.deep.example.org", "deep", "*.deep.example.org"),
        (b"[::1]:80", "six", "[::1]"),
        (b"192.0.2.1:80", "four", "192.0.2.1"),
        (b"evilexample.org", "rest", "_"),
        (b".example.org", "rest", "_"),
        (b"*.example.org", "rest", "_"),
        (b"a%2eexample.org", "rest", "_"),
        (b"org", "rest", "_"),
        (b"_", "rest", "_"),
        (b"[::2]", "rest", "_"),
        (b"", "rest", "_"),
        (None, "rest", "_"),
    ],
)
def test_exact_before_longest_wildcard_before_default(host: bytes | None, served: str, rule: str) -> None:
    assert TABLE.find(host) == served
    assert TABLE.rule(host) == rule


def test_without_a_default_a_stranger_is_nobody() -> None:
    """RFC 9110 15.5.20: the caller has 421 for it."""
    table = HostTable([("example.org", 1)])
    assert table.find(b"example.com") is None
    assert table.rule(b"") is None


@given(HOSTS)
def test_every_host_gets_an_answer_and_case_never_matters(host: bytes) -> None:
    assert TABLE.find(host) is not None
    assert TABLE.find(host) == TABLE.find(host.upper())


@given(st.dictionaries(NAME, st.booleans(), max_size=6), NAME)
def test_the_table_agrees_with_a_search_by_rule(names: dict[str, bool], host: str) -> None:
    table = HostTable([("*." + name if wild else name, name) for name, wild in names.items()])
    exact = [name for name, wild in names.items() if not wild and name == host]
    ends = [name for name, wild in names.items() if wild and host.endswith("." + name)]
    expected = exact[0] if exact else max(ends, key=len) if ends else None
    assert table.find(host.encode()) == expected


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (["a.org", "A.org."], "twice"),
        (["_", "_"], "twice"),
        (["[::1]", "[0::1]"], "twice"),
        (["*"], "give _"),
        (["example.org:80"], "the name alone"),
        (["[::1]:80"], "without a port"),
        (["::1"], "in brackets"),
        (["[x]"], "in brackets"),
        (["*.[::1]"], "is not an IPv6 host"),
        (["www.*"], "is not a host"),
        (["*.*.org"], "is not a host"),
        (["*."], "is not a host"),
        ([""], "is not a host"),
        (["http://a"], "the name alone"),
        (["bücher.example"], "xn--"),
    ],
)
def test_a_name_that_no_request_has_is_refused_with_a_remedy(names: list[str], remedy: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(remedy)):
        HostTable([(name, 0) for name in names])


# Mass hosting.


@pytest.mark.parametrize(
    ("host", "strip", "level", "directory"),
    [
        (b"www.some.site.com", True, 0, b"some.site.com"),
        (b"www.some.site.com", False, 0, b"www.some.site.com"),
        (b"WWW.Some.Site.com.:80", True, 2, b"s/so/some.site.com"),
        (b"some.site.com", True, 1, b"s/some.site.com"),
        (b"www.org", True, 0, b"www.org"),
        (b"www.www.org", True, 0, b"www.org"),
        (b"a", True, 3, b"a/a/a/a"),
        (b"192.0.2.1", True, 0, b"192.0.2.1"),
        (b"xn--bcher-kva.example", True, 1, b"x/xn--bcher-kva.example"),
        (b"[::1]", True, 0, None),
        (b"", True, 0, None),
        (None, True, 0, None),
        (b"..", True, 0, None),
        (b"...", True, 0, None),
        (b".git", True, 0, None),
        (b"www..git", True, 0, None),
        (b"www...", True, 0, None),
        (b"a/b", True, 0, None),
        (b"..%2f..", True, 0, None),
        (b"a\0", True, 0, None),
        (b"a..b", True, 0, None),
    ],
)
def test_a_host_has_a_directory(host: bytes | None, strip: bool, level: int, directory: bytes | None) -> None:
    assert directory_of(host, strip, level) == directory


@given(HOSTS, st.booleans(), st.integers(0, 3))
@example(b"a.b", True, 2)
def test_no_directory_leads_anywhere_else(host: bytes, strip: bool, level: int) -> None:
    directory = directory_of(host, strip, level)
    if directory is None:
        return
    parts = directory.split(b"/")
    assert len(parts) == level + 1  # so that a host's directory never holds another host's
    for part in parts:
        assert re.fullmatch(rb"[a-z0-9_][a-z0-9_.-]*", part)
    assert valid_authority(parts[-1])
    assert directory_of(parts[-1], False, level) == directory


@pytest.mark.parametrize("level", [-1, 4])
def test_a_spread_over_too_many_levels_is_refused(level: int) -> None:
    with pytest.raises(ConfigError, match="give 0 to 3"):
        directory_of(b"a", hash_level=level)
