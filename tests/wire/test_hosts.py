"""Which site a request means (RFC 9110 7.2, RFC 9112 3.2.2), and 421 when it means none (RFC 9110 15.5.20)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support import webroot
from support.access import basic, write_users
from support.both_ways import ask_both_ways
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.renewal import seen_within_a_second
from support.running import Running

from tuxpy.config.sites import SiteConfig
from tuxpy.http.mediatypes import MediaType
from tuxpy.rules.cors import CorsRule
from tuxpy.rules.defaults import EVERYTHING
from tuxpy.rules.fields import FieldRule, field
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import RedirectRule

HOSTS = {
    "exact": ("example.org", "EXAMPLE.com"),
    "wild": ("*.example.org",),
    "deeper": ("*.deep.example.org",),
    "literal": ("[::1]", "127.0.0.1"),
    "probe": ("a",),
}


def make(top: Path, names: Sequence[str]) -> Path:
    """A root for each name, with pages that say whose they are."""
    for name in names:
        for page in ("index.html", "page.html", "notes.txt"):
            webroot.write(top / name / page, f"{name} {page}".encode())
    webroot.settle()
    return top


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Roots that nobody changes."""
    return make(tmp_path_factory.mktemp("hosts"), (*HOSTS, "default"))


def configs(roots: Path, default: bool) -> tuple[SiteConfig, ...]:
    sites = tuple(SiteConfig(str(roots / name), hosts=hosts) for name, hosts in HOSTS.items())
    return (*sites, SiteConfig(str(roots / "default"))) if default else sites


@pytest.fixture
def closed(serve: Serve, roots: Path) -> Running:
    """Some sites, and nobody for all other hosts."""
    return serve(sites=configs(roots, default=False))


@pytest.fixture
def open_(serve: Serve, roots: Path) -> Running:
    """The same sites, and one for all other hosts."""
    return serve(sites=configs(roots, default=True))


SERVED = [
    *(("example.org", "exact"), ("Example.ORG", "exact"), ("example.org.", "exact"), ("example.com", "exact")),
    *(("example.org:80", "exact"), ("example.org:65535", "exact"), ("EXAMPLE.org.:8080", "exact")),
    *(("example.org:", "exact"), ("www.example.org", "wild"), ("a.b.example.org", "wild")),
    *(("WWW.example.org.:81", "wild"), ("x_y.example.org", "wild")),
    *(("deep.example.org", "wild"), ("a.deep.example.org", "deeper"), ("a.b.deep.example.org", "deeper")),
    *(("[::1]", "literal"), ("[::1]:8000", "literal"), ("[0:0:0:0:0:0:0:1]", "literal"), ("[0000::0001]:1", "literal")),
    *(("127.0.0.1", "literal"), ("127.0.0.1:81", "literal"), ("a", "probe"), ("A.", "probe")),
]
UNKNOWN = [
    *("example.net", "example.orgs", "xexample.org", "org", "", ":80", "b", "www.example.com", "example", "_", "*"),
    *(".example.org", "..example.org", "www..example.org", "example.org..", "-.example.org", "example%2eorg"),
    *("*.example.org", "[::2]", "[1::1]", "127.0.0.2", "127.1", "[::ffff:127.0.0.1]"),
    *("a." * 126 + "example.org", "x" * 64 + ".example.org", "example.org,a", "a;example.org"),
]


@pytest.mark.parametrize(("host", "site"), SERVED)
def test_9110_7_2_host_says_which_site_is_meant(closed: Running, connect: Connect, host: str, site: str) -> None:
    """RFC 9110 4.2.3: case does not matter; a port says where, not who; RFC 1034 3.1: nor does a dot at the end."""
    answer = ask_both_ways(closed, connect, get("/", host=host), kept=True)
    assert (answer.status, answer.body) == (200, f"{site} index.html".encode())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", UNKNOWN)
def test_9110_15_5_20_a_host_that_is_no_site_gets_421(
    closed: Running, connect: Connect, host: str, method: str
) -> None:
    """None of these may ever reach a site. The connection stays."""
    request = get("/", host=host, method=method) if host else get("/", "Host:", host="", method=method)
    answer = ask_both_ways(closed, connect, request, kept=True)
    assert (answer.status, answer.closes) == (421, False)


@pytest.mark.parametrize(
    "host", ["[::1", "::1", "a/b", "a@b", "a?b", "a:b", "exam\\ple.org", "a b", "gr\xfcn.test", "%4"]
)
def test_9112_3_2_a_host_that_is_none_is_400(open_: Running, connect: Connect, host: str) -> None:
    """Not even the default takes it."""
    assert ask_both_ways(open_, connect, get("/", host=host), kept=False).status == 400


@pytest.mark.parametrize("host", UNKNOWN)
def test_9110_7_2_the_default_takes_what_is_no_other(open_: Running, connect: Connect, host: str) -> None:
    request = get("/", host=host) if host else get("/", "Host:", host="")
    assert ask_both_ways(open_, connect, request, kept=True).body == b"default index.html"


@pytest.mark.parametrize(("host", "site"), SERVED)
def test_9110_7_2_the_default_takes_nothing_from_others(open_: Running, connect: Connect, host: str, site: str) -> None:
    assert connect(open_).ask(get("/", host=host)).body == f"{site} index.html".encode()


# Forms of the target.


@pytest.mark.parametrize("host", ["a", "nobody.test", "www.example.org"])
@pytest.mark.parametrize(
    ("target", "site"),
    [
        *(("http://example.org/", "exact"), ("HTTP://EXAMPLE.ORG/", "exact"), ("https://www.example.org/", "wild")),
        *(("http://example.org:81/", "exact"), ("http://[::1]:8000/", "literal"), ("http://a", "probe")),
        *(("http://example.org./?x", "exact"), ("http://example.org?x", "exact")),
        ("http://a.deep.example.org/", "deeper"),
    ],
)
def test_9112_3_2_2_the_target_wins_over_host(
    closed: Running, connect: Connect, target: str, site: str, host: str
) -> None:
    """Host is ignored when the target is in absolute-form."""
    assert ask_both_ways(closed, connect, get(target, host=host), kept=True).body == f"{site} index.html".encode()


@pytest.mark.parametrize("target", ["http://example.net/", "http://nobody:80", "https://[::2]/", "http://%61/"])
def test_9112_3_2_2_also_when_it_means_nobody(closed: Running, connect: Connect, target: str) -> None:
    assert ask_both_ways(closed, connect, get(target, host="example.org"), kept=True).status == 421


@pytest.mark.parametrize("target", ["http:///", "http://@a/", "http://x@example.org/", "http://:80/", "http://a b/"])
def test_9112_3_2_2_an_authority_that_is_none_is_400(open_: Running, connect: Connect, target: str) -> None:
    """RFC 9110 4.2.1, 4.2.4: a host is never empty, and userinfo is an error. Host does not help out."""
    assert ask_both_ways(open_, connect, get(target, host="example.org"), kept=False).status == 400


def test_9112_3_2_2_the_place_of_the_host_is_only_the_start_of_the_target(closed: Running, connect: Connect) -> None:
    """An address within the path or the query is neither."""
    for target in ("/?http://example.org/", "//example.org/", "/http://example.org/"):
        assert b"exact" not in connect(closed).ask(get(target)).body
    assert connect(closed).ask(get("http://a/?http://example.org/", host="example.org")).body == b"probe index.html"


def test_9112_3_2_a_request_without_host_is_for_the_default(open_: Running, connect: Connect) -> None:
    """HTTP/1.0 has no Host, but may have one; HTTP/1.1 must have it."""
    assert ask_both_ways(open_, connect, get("/", host="", version="1.0"), kept=True).body == b"default index.html"
    assert connect(open_).ask(get("http://a/", host="", version="1.0")).body == b"probe index.html"
    assert connect(open_).ask(get("/", host="a", version="1.0")).body == b"probe index.html"
    assert connect(open_).ask(get("/", host="")).status == 400


def test_9110_15_5_20_without_a_default_it_is_for_nobody(closed: Running, connect: Connect) -> None:
    assert ask_both_ways(closed, connect, get("/", host="", version="1.0"), kept=True).status == 421


def test_9112_3_2_two_hosts_are_none(open_: Running, connect: Connect) -> None:
    for second in ("Host: a", "Host: example.org", "hOST: b"):
        assert ask_both_ways(open_, connect, get("/", second), kept=False).status == 400


def test_9112_3_2_4_the_asterisk_has_a_host_too(closed: Running, connect: Connect) -> None:
    assert ask_both_ways(closed, connect, get("*", method="OPTIONS"), kept=True).status == 204


def test_9110_15_5_20_the_asterisk_may_mean_nobody(closed: Running, connect: Connect) -> None:
    assert ask_both_ways(closed, connect, get("*", method="OPTIONS", host="nobody"), kept=True).status == 421


# One connection.


def test_9112_9_3_each_request_of_a_connection_has_its_own_host(open_: Running, connect: Connect) -> None:
    """One after the other and pipelined, whatever was asked before on it, judged and kept."""
    hosts = ["example.org", "www.example.org", "a", "nobody", "a.deep.example.org", "[::1]", "example.org:81"]
    sites = ["exact", "wild", "probe", "default", "deeper", "literal", "exact"]
    client = connect(open_)
    for order in (1, -1, 1):
        wanted = [f"{site} index.html".encode() for site in sites[::order]]
        assert [client.ask(get("/", host=host)).body for host in hosts[::order]] == wanted
        client.send(b"".join(get("/", host=host) for host in hosts[::order]))
        assert [client.read().body for _ in hosts] == wanted


def test_9112_9_3_a_misdirected_request_does_not_end_it(closed: Running, connect: Connect) -> None:
    client = connect(closed)
    for host, status in (("a", 200), ("nobody", 421), ("a", 200), ("nobody", 421), ("example.org", 200)):
        assert client.ask(get("/", host=host)).status == status
    client.send(get("/", host="nobody") + get("/", host="a") + get("/", host="nobody", method="HEAD") + get("/"))
    statuses = [client.read(head_only=number == 2).status for number in range(4)]
    assert statuses == [421, 200, 421, 200]


# What each site has of its own.


def body(answer: Response) -> tuple[int, bytes]:
    return answer.status, answer.body


def test_each_site_has_its_own_policy(serve: Serve, connect: Connect, roots: Path, tmp_path: Path) -> None:
    """Index, types, fields, redirects, pages, gates, origins: none reaches another site, judged or kept."""
    users = write_users(tmp_path / "users", ann="right")
    origin = "https://app.example.org"
    first = Policy(
        index=(b"page.html",),
        types={b"txt": MediaType(b"text/x-first", "a test")},
        rules=(FieldRule(EVERYTHING, set=(field("X-Site", "first"),), where="a test"),),
        redirects=(RedirectRule.parse("/old", "/new"),),
        cors=CorsRule.parse([origin]),
        listing=True,
    )
    second = Policy(gates=(Gate.parse("/page.html", login=Login(users, realm="second")),), clean=True)
    running = serve(
        sites=(
            SiteConfig(str(roots / "exact"), first, ("first",)),
            SiteConfig(str(roots / "wild"), second, ("second",)),
            SiteConfig(str(roots / "default")),
        )
    )
    client = connect(running)
    for _ in range(2):
        for host, root in (("first", "exact"), ("second", "wild"), ("other", "default")):
            is_first, is_second = host == "first", host == "second"
            page = client.ask(get("/", host=host))
            assert body(page) == (200, f"{root} {'page' if is_first else 'index'}.html".encode())
            assert (b"x-site" in page) is is_first
            notes = client.ask(get("/notes.txt", f"Origin: {origin}", host=host))
            assert notes[b"content-type"].startswith(b"text/x-first" if is_first else b"text/plain")
            assert (b"access-control-allow-origin" in notes) is is_first
            assert client.ask(get("/old", host=host)).status == (301 if is_first else 404)
            assert client.ask(get("/page.html", host=host)).status == (401 if is_second else 200)
            assert client.ask(get("/page", host=host)).status == (401 if is_second else 404)
            known = client.ask(get("/page.html", basic("ann", "right"), host=host))
            assert known.status == (301 if is_second else 200), "its clean address is another"


def test_gates_by_address_are_those_of_the_site(serve: Serve, connect: Connect, roots: Path) -> None:
    """The classes of addresses are of all sites together; each gate is asked about its own."""
    here, there = ["127.0.0.1"], ["127.0.0.2"]
    sites = [
        SiteConfig(str(roots / name), Policy(gates=gates), (name,))
        for name, gates in (
            ("exact", (Gate.parse("/page.html", deny=here), Gate.parse("/notes.txt", allow=here))),
            ("wild", ()),
            ("deeper", (Gate.parse("/page.html", allow=here), Gate.parse("/notes.txt", allow=there))),
        )
    ]
    client = connect(serve(sites=tuple(sites)))
    wanted = {"exact": [403, 200, 200], "wild": [200, 200, 200], "deeper": [200, 403, 200]}
    for _ in range(2):
        for host, statuses in wanted.items():
            assert [client.ask(get(path, host=host)).status for path in ("/page.html", "/notes.txt", "/")] == statuses


def test_sites_may_share_a_root(serve: Serve, connect: Connect, roots: Path) -> None:
    """The same file under two policies: what is kept for one host is not for the other."""
    open_, shut = SiteConfig(str(roots / "exact"), hosts=("open",)), Policy(gates=(Gate.parse("/*", deny=["all"]),))
    client = connect(serve(sites=(open_, SiteConfig(str(roots / "exact"), shut, ("shut",)))))
    for _ in range(2):
        assert client.ask(get("/", host="open")).status == 200
        assert client.ask(get("/", host="shut")).status == 403
        assert client.ask(get("http://shut/", host="open")).status == 403
        assert client.ask(get("http://open/", host="shut")).status == 200


@pytest.mark.slow
def test_rules_files_and_roots_are_renewed_for_each_site(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """All of them within a second, also when another one has changed too."""
    make(tmp_path, ("one", "two", "next"))
    (tmp_path / "link").symlink_to("two")
    sites = (SiteConfig(str(tmp_path / "one"), hosts=("one",)), SiteConfig(str(tmp_path / "link"), hosts=("two",)))
    running = serve(sites=sites)
    client = connect(running)
    assert [client.ask(get("/", host=host)).body for host in ("one", "two")] == [b"one index.html", b"two index.html"]
    (tmp_path / "one" / "_headers").write_text("/*\n  X-Site: one\n")
    (tmp_path / "fresh").symlink_to("next")
    (tmp_path / "fresh").rename(tmp_path / "link")
    assert seen_within_a_second(running, lambda: b"x-site" in client.ask(get("/", host="one")))
    assert seen_within_a_second(running, lambda: client.ask(get("/", host="two")).body == b"next index.html")
    assert b"x-site" not in client.ask(get("/", host="two"))
