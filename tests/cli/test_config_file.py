"""Configuration files: what their keys mean, what is wrong with them and on which line, and who wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuxpy.config import load
from tuxpy.config.file import source_of
from tuxpy.config.keys import SECTIONS
from tuxpy.config.loading import Loaded, assemble
from tuxpy.config.problems import Problems
from tuxpy.config.settings import Address, Config
from tuxpy.config.sites import MassHosting
from tuxpy.errors import ConfigError
from tuxpy.rules.cors import CorsRule
from tuxpy.rules.defaults import EVERYTHING, SECURITY_RULE
from tuxpy.rules.fields import FieldRule
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.hidden import HiddenPolicy
from tuxpy.rules.patterns import Pattern
from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import RedirectRule
from tuxpy.rules.tries import TryRule

SITE = '[site]\nroot = "www"\n'


def loaded(text: str, environ: dict[str, str] | None = None, **flags: object) -> Loaded:
    """The configuration in /etc/tuxpy.toml; nothing is looked for on the disk."""
    return assemble(source_of("/etc/tuxpy.toml", text.encode()), environ or {}, flags, on_disk=False)


def config_of(text: str, environ: dict[str, str] | None = None, **flags: object) -> Config:
    return loaded(text, environ, **flags).config


def policy_of(text: str, **flags: object) -> Policy:
    """The policy of a site with these keys."""
    return config_of(SITE + text, **flags).sites[0].policy


def problems(text: str, environ: dict[str, str] | None = None, **flags: object) -> list[str]:
    with pytest.raises(Problems) as caught:
        loaded(text, environ, **flags)
    return [str(problem).removeprefix("/etc/tuxpy.toml:") for problem in caught.value.problems]


# What keys mean.


def test_the_server() -> None:
    config = config_of(
        """
        server = { listen = ["0.0.0.0:80", "[::]", ":0"], workers = 2, backend = "Epoll", max_connections = 10 }
        timeouts = { head = "500ms", idle = "2m", send = "1h", drain = "1d" }
        log = { level = "warning", color = "never" }
        """
    )
    assert config.binds == (Address("0.0.0.0", 80, True), Address("::", 8000), Address("127.0.0.1", 0, True))
    assert (config.workers, config.backend, config.max_connections) == (2, "epoll", 10)
    assert (config.head_timeout_s, config.idle_timeout_s, config.send_timeout_s) == (0.5, 120.0, 3600.0)
    assert (config.drain_timeout_s, config.log_level, config.log_color) == (86400.0, "warning", "never")
    assert config.sites[0].root == str(Path.cwd())


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", {}),
        ('index = ["a.html", "b.htm"]', {"index": (b"a.html", b"b.htm")}),
        ("listing = true", {"listing": True}),
        ("clean_urls = true", {"clean": True}),
        ("spa = true", {"fallback": b"index.html"}),
        ('spa = "/app/é.html"', {"fallback": "app/é.html".encode()}),
        ("not_found = false", {"not_found": None}),
        ('not_found = "missing.html"', {"not_found": b"missing.html"}),
        ('error_pages = { 403 = "/no.html", 416 = "e/r.html" }', {"error_pages": {403: b"no.html", 416: b"e/r.html"}}),
        ('hide = ["*.map"]\nshow = [".env"]', {"hidden": HiddenPolicy.parse(["*.map"], [".env"])}),
        ("compress = false", {"compress": False}),
        ('etag = "content"', {"tag": "content"}),
        ('symlinks = "none"', {"links": "none"}),
        ('rules_files = "off"', {"rules_files": None}),
        ('rules_files = "cloudflare"', {"rules_files": "cloudflare"}),
        ("security_headers = true", {"rules": (SECURITY_RULE,)}),
        ('cors = ["*"]', {"cors": CorsRule.parse(["*"])}),
        (
            (
                '[site.cors]\norigins = ["https://a.example"]\nmethods = ["PUT"]\nrequest_headers = ["X-A"]\n'
                'expose = ["X-B"]\ncredentials = true\nmax_age = "1m"'
            ),
            {
                "cors": CorsRule.parse(
                    ["https://a.example"], methods=["PUT"], request_headers=["X-A"], expose=["X-B"], credentials=True,
                    max_age_s=60,
                )
            },
        ),
        (
            (
                '[[site.headers]]\npath = "/a/*"\nset = { A = "b" }\nremove = ["C"]\nstatuses = [200]\n'
                '[[site.headers]]\npath = "*"\nappend = { D = ["e", "f"], G = "h" }'
            ),
            {
                "rules": (
                    FieldRule.parse("/a/*", [("A", "b")], remove=["C"], statuses=[200], where="/etc/tuxpy.toml:3"),
                    FieldRule.parse("*", append=[("D", "e"), ("D", "f"), ("G", "h")], where="/etc/tuxpy.toml:8"),
                )
            },
        ),
        (
            (
                '[[site.redirects]]\nfrom = "/a/:id"\nto = "/b/:id"\nstatus = 302\nforce = true\npass_query = false\n'
                'query = { x = ":y" }'
            ),
            {
                "redirects": (
                    RedirectRule.parse(
                        "/a/:id", "/b/:id", 302, force=True, query=[("x", ":y")], pass_query=False,
                        where="/etc/tuxpy.toml:3",
                    ),
                )
            },
        ),
        (
            '[[site.try]]\npath = "/app/*"\nnames = ["$uri", "/app.html"]',
            {"tries": (TryRule.parse("/app/*", ["$uri", "/app.html"], "/etc/tuxpy.toml:3"),)},
        ),
        (
            (
                '[[site.access]]\npath = "/in/*"\nexcept = ["/in/x"]\nallow = ["10.0.0.0/8"]\ndeny = ["10.1.0.0/16"]\n'
                'password_file = "u"\nusers = ["a"]\nrealm = "R"\nsatisfy = "any"'
            ),
            {
                "gates": (
                    Gate.parse(
                        "/in/*", excepted=["/in/x"], allow=["10.0.0.0/8"], deny=["10.1.0.0/16"],
                        login=Login("/etc/u", frozenset("a"), "R"), either=True, where="/etc/tuxpy.toml:3",
                    ),
                )
            },
        ),
    ],
)  # fmt: skip
def test_the_policy(text: str, changed: dict[str, Any]) -> None:
    assert policy_of(text) == Policy(**changed)


def test_the_type_that_an_extension_has_anyway_is_said_without_charset() -> None:
    """So the page's own <meta charset> counts."""
    types = policy_of('types = { html = "text/html", htm = "text/html; charset=koi8-r", md = "text/plain" }').types
    assert {extension: kind.value for extension, kind in types.items()} == {
        b"html": b"text/html", b"htm": b"text/html; charset=koi8-r", b"md": b"text/plain; charset=utf-8"
    }  # fmt: skip


def test_types_say_their_charset_when_nothing_else_is_written() -> None:
    types = policy_of('types = { md = "text/plain", ".GLB" = "model/x", txt = "text/plain; charset=latin1" }').types
    assert {extension: kind.value for extension, kind in types.items()} == {
        b"md": b"text/plain; charset=utf-8", b"glb": b"model/x", b"txt": b"text/plain; charset=latin1",
    }  # fmt: skip


def test_several_sites() -> None:
    config = config_of(
        """
        [[site]]
        root = "/srv/a"
        hosts = ["a.example", "*.a.example"]
        [[site.redirects]]
        from = "/a"
        to = "/b"
        [[site]]
        root = "b"
        host_directories = { strip_www = false, hash_level = 2 }
        """
    )
    first, second = config.sites
    assert (first.root, first.hosts, first.mass) == ("/srv/a", ("a.example", "*.a.example"), None)
    assert (second.root, second.hosts, second.mass) == ("/etc/b", ("_",), MassHosting(False, 2))
    assert len(first.policy.redirects) == 1 and not second.policy.redirects


def test_variables_and_words_where_numbers_are_expected() -> None:
    text = """
    server = { listen = ["0.0.0.0:${PORT:-8080}"], max_connections = "${MANY}", workers = "${W:-1}" }
    site.root = "${ROOT}"
    site.listing = "${LIST:-yes}"
    site.spa = "${SPA:-false}"
    site.headers = [{ path = "*", set = { A = "$$${MANY}" } }]
    """
    config = config_of(text, {"MANY": "77", "ROOT": "/srv"})
    assert (config.binds[0].port, config.max_connections, config.workers) == (8080, 77, 1)
    site = config.sites[0]
    assert (site.root, site.policy.listing, site.policy.fallback) == ("/srv", True, None)
    assert site.policy.rules[0].set == ((b"A", b"$77"),)
    assert problems('server = { max_connections = "77" }') == [
        "1: server.max_connections: expected a whole number, not '77'"
    ]


# What is wrong with them.

WAY = ("/a", "/b"), ("/b", "/c"), ("/c", "/a#x")
CIRCLE = SITE + "".join(f"[[site.redirects]]\nfrom = '{one}'\nto = '{other}'\n" for one, other in WAY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[site]\nroot = 'w'\nindex = 5\n", "3: site.index: expected a list of names, not a number"),
        ("[site]\nroot = 'w'\nindx = []\n", "3: unknown key site.indx: did you mean index?"),
        ("[servr]\n", "1: unknown key servr: did you mean server?"),
        ("\n[server]\nroot = 1\n", "3: unknown key server.root: did you mean site.root?"),
        ("[log]\nzzz = 1\n", "2: unknown key log.zzz: there are level, color"),
        ("[site]\n", "1: site: the key root is missing: name the directory to serve"),
        ("server = 5\n", "1: server: expected a table, not a number"),
        ("[log]\nlevel = 'loud'", "2: log.level: expected one of debug, info, warning, error, not 'loud'"),
        ("[timeouts]\nidle = 30", '2: timeouts.idle: expected a duration such as "30s", not a number'),
        ("[timeouts]\nidle = '0s'", "2: timeouts.idle: the idle timeout is out of range: give a millisecond to a day"),
        ("[server]\nlisten = [1]", "2: server.listen: expected a list of addresses, not a list with a number in it"),
        ("[server]\nlisten = []", "2: server.listen: there is no address to listen at: give at least one"),
        ("[server]\nworkers = 0", "2: server.workers: '0' is not a number of engines: give 1 to 1024, or auto"),
        ("[server]\nworkers = true", "2: server.workers: expected a number or auto, not true"),
        ("[server]\nworkers = '3'", "2: server.workers: expected a number or auto, not '3'"),
        ("[server]\nworkers = 9\nmax_connections = 8", "3: server.max_connections: 8 connections cannot be: give 9"),
        ("[site]\nroot = ''", "2: site.root: the text is empty: write something, or remove the key"),
        (SITE + "headers = {}", "3: site.headers: expected an array of tables, not a table"),
        (SITE + "headers = [1]", "3: site.headers: expected an array of tables, not a list with a number in it"),
        (SITE + "[[site.try]]\nnames = ['$uri']", "3: site.try: the key path is missing: paths that"),
        (SITE + "[[site.headers]]\npath = 5", "4: site.headers.path: expected a text, not a number"),
        (SITE + "error_pages = { 200 = 'a' }", "3: site.error_pages: '200' is not an error status: give a number"),
        (SITE + "spa = '../a'", "3: site.spa: '../a' is not a file beneath the root: give a name such as index.html"),
        (SITE + "index = ['a/b']", "3: site.index: 'a/b' is not a file name: give it without a slash"),
        (SITE + "types = { a = 'text' }", "3: site.types: 'text' is not a media type: give two names with a slash"),
        (SITE + "hide = ['a/b']", "3: site.hide: 'a/b' is not a pattern for names: give one segment, with a slash in"),
        (SITE + "cors = ['x']", "3: site.cors: 'x' is not an origin: give a scheme, a host and perhaps a port"),
        (SITE + "host_directories = { hash_level = 4 }", "3: site.host_directories.hash_level: hosts cannot be spread"),
        (SITE + "[[site.access]]\npath = '*'", "3: site.access: a rule for access has no conditions: give addresses"),
        (SITE + "[[site.access]]\npath = '*'\ndeny = ['all']\nusers = ['a']", "3: site.access: users and realm need"),
        (CIRCLE, "3: site.redirects: the redirects /a -> /b -> /c -> /a lead in a circle: take one of them out"),
        ("[limits]\nhead_size = '1B'", "2: limits.head_size: heads cannot be limited to 1 bytes: give 256B to 64KiB"),
        ("[limits]\nburst = 0", "2: limits.burst: a burst of 0 requests is out of range: give 1 to 1000000"),
        ("[limits]\nconnections_per_address = -1", "2: limits.connections_per_address: -1 is out of range: give"),
        ("[limits]\nrequests_per_address = '5'", "2: limits.requests_per_address: '5' is not a rate: give"),
        ("[limits]\nrequests_per_address = 5", '2: limits.requests_per_address: expected a rate such as "20/s", or'),
        ("[limits]\nbandwidth_per_connection = 5", "2: limits.bandwidth_per_connection: 5 bytes per second are"),
        ("[limits]\nexempt = ['x']", "2: limits.exempt: 'x' is not an address or a network: give one, as in"),
        ("[limits]\nwhen_full = 'x'", "2: limits.when_full: expected one of refuse, wait, not 'x'"),
        ("[server]\ntrusted_proxies = ['x']", "2: server.trusted_proxies: 'x' is not an address or a network"),
        ("[server]\nclient_field = 'x'", "2: server.client_field: expected one of x-forwarded-for, forwarded, off"),
        ("[server]\nlisten = ['proxy::80']", "2: server.listen: nobody is trusted to say at proxy:127.0.0.1:80 who"),
        ("[server]\nlisten = [':80', 'proxy::80']", "2: server.listen: the address 127.0.0.1:80 is given twice"),
        (SITE + "hosts = []", "3: site.hosts: no request means this site: give a host, or _ for all others"),
        (SITE + "listing = '${A}'", "3: site.listing: the variable A is not set: set it, or write ${A:-otherwise}"),
        ("a = 1979-05-27", "1: unknown key a: there are server, timeouts, limits, log, admin, site"),
        (SITE + "index = 1979-05-27", "3: site.index: expected a list of names, not a date or time"),
    ],
)  # fmt: skip
def test_one_problem(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(said)


def test_all_problems_are_told_in_the_order_of_their_lines() -> None:
    text = """\
[server]
listen = ["x y", "[::1", ":80", "80"]
lisen = 1

[site]
root = "www"
listing = "no"
[[site.redirects]]
from = "a/b"
to = "/c"
[[site.redirects]]
from = "/b"
to = 5
[[site.headers]]
path = "*"
set = { Connection = "x" }
[[site.access]]
path = "*"
deny = [
    "10.0.0.1/8",
]
"""
    said = problems(text, port="x")
    assert [line.partition(":")[0] for line in said] == ["--port", "2", "2", "2", "3", "7", "8", "13", "14", "17"]
    assert said[0] == "--port: 'x' is not a port: give a number from 0 (any free one) to 65535"
    assert said[-1] == "17: site.access: '10.0.0.1/8' has bits behind its prefix: give 10.0.0.0/8"


@pytest.mark.parametrize(
    ("text", "line"),
    [("[site\n", 1), (SITE + "root = 'x'\n", 3), ("[log]\n\n[log]\n", 3), ("a = '''\n\n", 3), ("a = 1 b\n", 1)],
)
def test_what_is_no_toml_has_a_line_too(text: str, line: int) -> None:
    (said,) = problems(text)
    assert said.startswith(f"{line}: ") and "Traceback" not in said


def test_a_host_means_one_site() -> None:
    text = """\
[[site]]
root = "a"
hosts = ["A.example.", "a.example", "x y", "*.b.example"]
[[site]]
root = "b"
hosts = ["c.example", "*.B.example"]
[[site]]
root = "c"
[[site]]
root = "d"
"""
    assert problems(text) == [
        "3: site.hosts: 'x y' is not a host: give example.org, *.example.org, or _ for all others",
        "3: site.hosts: the host a.example is given twice: leave one out",
        "6: site.hosts: the host *.b.example means another site too (/etc/tuxpy.toml:3): give each site its hosts",
        "9: site.hosts: all other hosts mean another site too (/etc/tuxpy.toml:7): give each site its hosts",
    ]


def test_a_file_that_is_no_text() -> None:
    with pytest.raises(Problems, match=r"f:2: the line is not UTF-8"):
        source_of("f", b"a = 1\nb = \xff\n")
    assert config_of("\ufeff[log]\r\nlevel = 'error'\r\n").log_level == "error"
    assert problems("a = " + "[" * 10000) == ["1: this is not a configuration: lists are nested too deep"]


# Who wins.


def test_an_option_wins_over_a_variable_over_the_file_over_the_default() -> None:
    text = '[log]\nlevel = "error"\n[timeouts]\nidle = "5s"\n'
    assert config_of(text).log_level == "error"
    assert config_of(text, {"TUXPY_LOG_LEVEL": "WARNING"}).log_level == "warning"
    both = {"TUXPY_LOG_LEVEL": "warning", "TUXPY_SERVE_LOG_LEVEL": "debug"}
    assert config_of(text, both).log_level == "debug"
    assert config_of(text, both, log_level="info").log_level == "info"
    assert config_of(text, {"TUXPY_LOG_LEVEL": ""}).log_level == "error"
    assert config_of("").log_level == "info"


@pytest.mark.parametrize(
    ("flags", "binds"),
    [
        ({}, ["0.0.0.0:80", "[::]:81"]),
        ({"bind": ["localhost"]}, ["localhost:8000"]),
        ({"bind": [":82"], "host": "::1", "port": "83"}, ["[::1]:82"]),
        ({"port": "84"}, ["0.0.0.0:84", "[::]:84"]),
        ({"host": "127.0.0.1"}, ["127.0.0.1:80", "127.0.0.1:81"]),
        ({"host": "127.0.0.1", "port": "85"}, ["127.0.0.1:85"]),
    ],
)
def test_addresses(flags: dict[str, object], binds: list[str]) -> None:
    config = config_of('[server]\nlisten = ["0.0.0.0:80", "[::]:81"]', **flags)
    assert [str(bind) for bind in config.binds] == binds


def test_options_for_sites_reach_every_site() -> None:
    text = '[[site]]\nroot = "a"\nhosts = ["a"]\nhide = ["x"]\nerror_pages = { 403 = "a" }\n[[site]]\nroot = "b"\n'
    config = config_of(text, {"TUXPY_HIDE": "y z"}, listing=True, error_page=["403=/b", "404=/c"], no_compress=True)
    for site in config.sites:
        assert site.policy.listing and not site.policy.compress
        assert site.policy.error_pages == {403: b"b", 404: b"c"}
    assert config.sites[0].policy.hidden == HiddenPolicy.parse(["x", "y", "z"])
    assert config.sites[1].policy.hidden == HiddenPolicy.parse(["y", "z"])
    assert problems(text, dir="c") == [
        "DIR: there are 2 sites in the file, and it is no root for all: leave it out"
    ]


def test_the_root_of_an_option_is_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_of(SITE).sites[0].root == "/etc/www"
    assert config_of("[site]\n", dir="x").sites[0].root == str(tmp_path / "x")
    assert config_of(SITE, {"TUXPY_DIR": "y"}).sites[0].root == str(tmp_path / "y")


def test_rules_of_options_come_behind_those_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[[site.headers]]\npath = "/a"\nset = { A = "1" }\n[[site.access]]\npath = "/a"\ndeny = ["all"]'
    flags: dict[str, object] = {
        "header": ["A: 2", "B:3", "Link: <a>", "Link: <b>"], "auth_file": "/u", "allow": ["10.0.0.0/8"],
        "deny": ["10.0.0.1"],
    }  # fmt: skip
    policy = policy_of(text, **flags)
    assert policy.rules[1] == FieldRule(
        EVERYTHING, set=((b"A", b"2"), (b"B", b"3"), (b"Link", b"<a>")), append=((b"Link", b"<b>"),), where="--header"
    )
    everything = Pattern.parse("*")
    assert [(gate.pattern.text, gate.where) for gate in policy.gates] == [
        ("/a", "/etc/tuxpy.toml:6"), ("*", "--allow, --deny"), ("*", "--auth-file")
    ]  # fmt: skip
    assert policy.gates[1] == Gate.parse("*", allow=["10.0.0.0/8"], deny=["10.0.0.1"], where="--allow, --deny")
    assert policy.gates[2] == Gate(everything, login=Login("/u"), where="--auth-file")


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        ({"TUXPY_LISTING": "1", "TUXPY_CLEAN_URLS": "off"}, {"listing": True}),
        ({"TUXPY_NO_COMPRESS": "yes"}, {"compress": False}),
        ({"TUXPY_INDEX": "a.html b.html"}, {"index": (b"a.html", b"b.html")}),
        ({"TUXPY_SPA": "app.html"}, {"fallback": b"app.html"}),
        ({"TUXPY_SPA": "true"}, {"fallback": b"index.html"}),
        ({"TUXPY_ERROR_PAGE": "403=a 416=b"}, {"error_pages": {403: b"a", 416: b"b"}}),
        ({"TUXPY_SECURITY_HEADERS": "true"}, {"rules": (SECURITY_RULE,)}),
        (
            {"TUXPY_HEADER": "A: b c\n\nD: e\n"},
            {"rules": (FieldRule(EVERYTHING, set=((b"A", b"b c"), (b"D", b"e")), where="TUXPY_HEADER"),)},
        ),
        ({"TUXPY_CORS": "https://a.example https://b.example"},
         {"cors": CorsRule.parse(["https://a.example", "https://b.example"])}),
    ],
)  # fmt: skip
def test_variables_say_what_options_say(environ: dict[str, str], changed: dict[str, Any]) -> None:
    assert config_of(SITE, environ).sites[0].policy == Policy(**changed)


@pytest.mark.parametrize(
    ("environ", "flags", "said"),
    [
        ({"TUXPY_LISTING": "maybe"}, {}, "TUXPY_LISTING: expected true or false, not 'maybe'"),
        ({"TUXPY_MAX_CONNECTIONS": "1_0"}, {}, "TUXPY_MAX_CONNECTIONS: expected a whole number, not '1_0'"),
        ({}, {"etag": "size"}, "--etag: expected one of file, time, content, not 'size'"),
        ({}, {"error_page": ["403"]}, "--error-page: '403' is not a status and page: give both, as in 403=/no.html"),
        ({}, {"header": ["A"]}, "--header: 'A' is not a field: give name, colon and value"),
        ({}, {"header": ["Date: x"]}, "--header: Date cannot be set by a rule: the server frames its messages itself"),
        ({}, {"spa": "/"}, "--spa: '/' is not a file beneath the root: give a name such as index.html"),
        ({}, {"allow": ["x"]}, "--allow: 'x' is not an address or a network"),
        ({}, {"bind": ["::1"]}, "--bind: '::1' is ambiguous: put the IPv6 address into brackets, as in [::1]:8000"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(environ: dict[str, str], flags: dict[str, object], said: str) -> None:
    (problem,) = problems("", environ, **flags)
    assert problem.startswith(said)


# On the disk.


def test_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "www").mkdir()
    file = tmp_path / "tuxpy.toml"
    file.write_text(SITE + 'listing = "${LIST:-false}"\n')
    config = load(str(file), {"LIST": "true", "TUXPY_PORT": "0"}, {"workers": "1"})
    assert (config.sites[0].root, config.sites[0].policy.listing) == (str(tmp_path / "www"), True)
    assert (config.binds, config.workers) == ((Address(port=0, port_was_asked=True),), 1)
    assert load(str(file), {"TUXPY_PORT": "0"}, {"workers": "1"}) != config
    with pytest.raises(ConfigError, match="cannot read the configuration file"):
        load(str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)
    assert load(None).sites[0].root == str(tmp_path)


def test_what_is_missing_or_faulty_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "users").write_text("alice:$apr1$x$y\n")
    file = tmp_path / "tuxpy.toml"
    file.write_text(
        '[[site]]\nroot = "none"\nhosts = ["a"]\n[[site]]\nroot = "file"\n[[site.access]]\npath = "/a"\n'
        'password_file = "nobody"\n[[site.access]]\npath = "/b"\npassword_file = "users"\n'
    )
    with pytest.raises(Problems) as caught:
        load(str(file))
    root, no_directory, none, weak = caught.value.problems
    assert str(root) == f"{file}:2: site.root: there is no directory 'none': make it, or name another one"
    assert str(no_directory).endswith(":5: site.root: 'file' is not a directory: name the one that the files are in")
    assert str(none).startswith(f"{file}:8: site.access.password_file: cannot read the password file")
    assert str(weak).startswith(f"{file}:11: site.access.password_file: {tmp_path}/users:1: the password of alice is")


def test_doubts(tmp_path: Path) -> None:
    (tmp_path / "_headers").write_text("/*\n  nothing\n")
    file = tmp_path / "tuxpy.toml"
    file.write_text('[site]\nroot = "."\nspa = true\nerror_pages = { 403 = "no.html" }\n')
    found = assemble(source_of(str(file), file.read_bytes()), {}, {})
    rule, spa, pages = map(str, found.doubts())
    assert spa == f"{file}:3: site.spa: there is no file 'index.html' beneath the root"
    assert pages == f"{file}:4: site.error_pages: there is no file 'no.html' beneath the root"
    assert rule.startswith(f"{tmp_path}/_headers:2: 'nothing' is not a field")


# Whatever is written.

ODD = [
    *["5", "-1", "99999999999999999999999", "1.5", "nan", "true", "1979-05-27"],
    *['""', '"x"', '"/"', '"\\u0000"', '"${"', '"a\\nb:"', '"1h"', '"all"'],
    *["[]", "[1]", "[[]]", "[{}]", '[""]', '["x", "x"]', '["\\u0000", "é", "/", "*"]', '[{ path = "*" }]'],
    *["{}", "{ a = 1 }", '{ a = "b" }', '{ "" = "" }', '{ 404 = "\\u0000" }', '{ origins = ["null", "*"] }'],
]
MANY = [key.nested for section in SECTIONS.values() for key in section.keys if key.many]


@pytest.mark.parametrize(
    ("section", "key"), [(name, key.name) for name, section in SECTIONS.items() for key in section.keys]
)
def test_any_value_of_any_key_means_something_or_is_refused(section: str, key: str) -> None:
    """Refused by a sentence with a line: no other exception leaves the configuration."""
    root = SITE if section.startswith("site") and (section, key) != ("site", "root") else ""
    header = f"[[{section}]]" if section in MANY else f"[{section}]" if section else ""
    if root and section == "site":
        header = ""
    for value in ODD:
        try:
            loaded(f"{root}{header}\n{key} = {value}\n").show()
        except Problems as error:
            assert all(problem.where.startswith("/etc/tuxpy.toml:") for problem in error.problems)
