"""HAProxy, Varnish and nginx in front of the server: they keep, revalidate and pass on, and nothing is lost on the way.

A relay between the proxy and the server tells what the proxy has really asked.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.poll import until

from . import proxies
from .content import MODIFIED_S, html, write
from .fixtures import Launch, Record
from .programs import MARKS
from .proxies import Answer, Front, Kind, ask
from .relay import Relay

pytestmark = MARKS

_ASSET = "/app.3f2a9c1b.js"
_SCRIPT = b"// " + b"a comment that goes on and on " * 200 + b"\ndocument.title = 'application';\n"
_STYLE = b"a { color: red } /* " + b"red as it gets " * 200 + b"*/\n"
_LARGE = random.Random(4).randbytes((3 << 20) + 17)
_TARGETS = ("/", "/style.css", _ASSET, "/large.bin", "/passed/large.bin", "/gr%C3%BC%C3%9Fe%20%26%20%25.txt")
_OWN = ("content-type", "etag", "last-modified", "cache-control", "content-length", "vary", "x-content-type-options")


@pytest.fixture
def site(root: Path) -> Path:
    write(root / "index.html", html("<p>home"))
    write(root / "404.html", html("<p>nothing here"))
    write(root / "style.css", _STYLE)
    write(root / _ASSET[1:], _SCRIPT)
    write(root / "grüße & %.txt", "unusual\n")
    for folder in ("", "passed/", "sliced/", "old/"):
        write(root / f"{folder}large.bin", _LARGE)
    return root


@dataclass(frozen=True)
class Way:
    """A proxy, the relay behind it, and the server's own port."""

    front: Front
    relay: Relay
    port: int

    def directly(self, target: str, method: str = "GET", **fields: str) -> Answer:
        """Past the proxy and the relay."""
        connection = proxies.connect(self.port)
        try:
            return ask(connection, target, method, **fields)
        finally:
            connection.close()


Stand = Callable[[Callable[[Path, int], Front]], Way]


@pytest.fixture
def stand(launch: Launch, record: Record, site: Path, tmp_path: Path) -> Iterator[Stand]:
    """Put a proxy in front of a server."""
    with ExitStack() as ends:

        def stand_(make: Callable[[Path, int], Front]) -> Way:
            here = tmp_path / "proxy"
            here.mkdir()
            port = launch(site)
            relay = record(port)
            front = ends.enter_context(closing(make(here, relay.port)))
            front.wait()
            return Way(front, relay, port)

        yield stand_


@pytest.fixture(params=proxies.KINDS)
def way(request: pytest.FixtureRequest, stand: Stand) -> Way:
    """Each of the proxies."""
    kind: Kind = request.param
    return stand(proxies.MAKERS[kind])


def _own(answer: Answer) -> dict[str, str]:
    """The fields that are the server's to say."""
    return {name: value for name, value in answer.fields.items() if name in _OWN}


def _both(way: Way) -> tuple[Callable[..., Answer], Callable[..., Answer]]:
    """Through the proxy, and past it."""
    return way.front.ask, way.directly


def test_rfc9110_7_7_content_is_not_changed(way: Way) -> None:
    """Fetched and, where it is kept, from the cache: fields and content as the server gives them.

    HAProxy gives the plain form, if it has that, to whoever accepts gzip: it is as acceptable (RFC 9110 12.5.3).
    """
    for target in _TARGETS:
        for accepted in ("identity", "gzip"):
            for _ in range(2):
                found = way.front.ask(target, accept_encoding=accepted)
                coding = found.fields.get("content-encoding", "identity")
                assert coding in ("identity", accepted)
                direct = way.directly(target, accept_encoding=coding)
                assert direct.fields.get("content-encoding", "identity") == coding
                assert (found.status, found.body) == (direct.status, direct.body) == (200, direct.body), target
                assert _own(found) == _own(direct), target


def test_rfc9111_4_3_revalidation(way: Way, site: Path) -> None:
    """RFC 9110 13.1.2 and 15.4.5: If-None-Match with the tag that was given, and 304 until the file is another."""
    first = way.front.ask("/style.css")
    tag = {"if_none_match": first.fields["etag"]} if way.front.kind == "haproxy" else {}

    def revalidated() -> bool:
        again = way.front.ask("/style.css", **tag)
        assert (again.status, again.body) == ((304, b"") if tag else (200, _STYLE))
        assert again.fields["etag"] == first.fields["etag"]
        return any(one.status == 304 for one in way.relay.passed("/style.css"))

    assert until(revalidated)
    passed = way.relay.passed("/style.css")
    assert [one.status for one in passed[:2]] == [200, 304]
    assert passed[1].request["if-none-match"] == first.fields["etag"] == passed[1].answer["etag"]
    changed = b"a { color: blue }\n"
    write(site / "new.css", changed, MODIFIED_S + 60)
    (site / "new.css").rename(site / "style.css")
    assert until(lambda: way.front.ask("/style.css", **tag).body == changed)
    last = way.relay.passed("/style.css")[-1]
    assert (last.status, last.request["if-none-match"]) == (200, first.fields["etag"])


def test_rfc9111_4_1_vary(way: Way) -> None:
    """Who has not asked for gzip does not get it, whoever asked before; each form is fetched once and then kept."""
    for coding in ("gzip", "identity", "gzip", "identity"):
        found = way.front.ask(_ASSET, accept_encoding=coding)
        assert found.fields.get("content-encoding", "identity") == coding
        assert (gzip.decompress(found.body) if coding == "gzip" else found.body) == _SCRIPT
        assert found.fields["vary"] == "Accept-Encoding"
    tags = [one.answer["etag"] for one in way.relay.passed(_ASSET)]
    assert len(tags) == len(set(tags)) == 2  # RFC 9110 8.8.1: strong tags, so each form has its own


def test_rfc9111_4_3_2_a_client_revalidates_with_the_cache(way: Way) -> None:
    """What is kept and fresh is compared by the proxy: the server is not asked."""
    first = way.front.ask(_ASSET)
    found = way.front.ask(_ASSET, if_none_match=first.fields["etag"])
    assert (found.status, found.body) == (304, b"")
    assert len(way.relay.passed(_ASSET)) == 1
    other = way.front.ask(_ASSET, if_none_match='"another"')
    assert (other.status, other.body) == (200, _SCRIPT)


def test_rfc9110_14_ranges(way: Way) -> None:
    """Cut by the proxy or by the server, they are the same bytes; what nobody keeps is cut by the server."""
    size = len(_LARGE)
    for target in ("/large.bin", "/passed/large.bin"):
        whole = way.front.ask(target)
        for asked, first, last in (("0-0", 0, 0), ("5-1048600", 5, 1048600), ("-7", size - 7, size - 1)):
            found = way.front.ask(target, range=f"bytes={asked}")
            assert (found.status, found.body) == (206, _LARGE[first : last + 1]), (target, asked)
            assert found.fields["content-range"] == f"bytes {first}-{last}/{size}"
        outside = way.front.ask(target, range=f"bytes={size}-")
        assert (outside.status, outside.fields["content-range"]) == (416, f"bytes */{size}")
        for guard, status in ((whole.fields["etag"], 206), ('"another"', 200)):
            assert way.front.ask(target, range="bytes=1-2", if_range=guard).status == status
    assert [one.status for one in way.relay.passed("/passed/large.bin")] == [200, 206, 206, 206, 416, 206, 200]
    if way.front.kind != "varnish":  # which answers 503: "Invalid range header (Trailing stuff)", whatever comes back
        found, direct = (ask_("/passed/large.bin", range="bytes=0-1,500000-500009") for ask_ in _both(way))
        assert found.status == 206 and found.fields["content-type"].startswith("multipart/byteranges; boundary=")
        assert (found.fields["content-type"], found.body) == (direct.fields["content-type"], direct.body)


def test_rfc9110_9_3_2_head(way: Way) -> None:
    """The fields of a GET and no content, and the connection goes on (RFC 9112 6.3)."""
    connection = way.front.connect()
    try:
        for target in ("/passed/large.bin", "/large.bin", _ASSET):
            head = ask(connection, target, "HEAD")
            whole = ask(connection, target)
            assert (head.status, head.body) == (200, b"")
            assert _own(head) == _own(whole)
            assert ask(connection, target, "HEAD").fields["content-length"] == str(len(whole.body))
    finally:
        connection.close()
    assert [one.request.method for one in way.relay.passed("/passed/large.bin")] == ["HEAD", "GET", "HEAD"]


def test_rfc9110_15_errors_are_passed_on(way: Way) -> None:
    unmet = {"if_match": '"another"'}
    for target, method, status in (("/nothing", "GET", 404), ("/", "DELETE", 405), ("/passed/large.bin", "GET", 412)):
        direct, found = way.directly(target, method, **unmet), way.front.ask(target, method, **unmet)
        assert (direct.status, found.status) == (status, status)
        assert found.body == direct.body
        assert found.fields["content-type"] == direct.fields["content-type"]
    assert b"nothing here" in way.front.ask("/nothing").body


def test_rfc9112_9_3_connections_to_the_server_are_kept(way: Way) -> None:
    """Clients come and go, one after another; through 304, 404, HEAD and ranges the proxy uses what it has.

    A second one is opened when a client comes before the proxy is done with the last.
    """
    tag = way.directly("/passed/large.bin").fields["etag"]
    for number in range(5):
        assert way.front.ask(f"/nothing?{number}").status == 404
        assert way.front.ask("/passed/large.bin", "HEAD").status == 200
        assert way.front.ask("/passed/large.bin", if_none_match=tag).status == 304
        assert way.front.ask("/passed/large.bin", range="bytes=0-99").status == 206
    assert len(way.relay.passed()) == 20
    assert way.relay.connections <= 2
    assert all("connection" not in one.answer for one in way.relay.passed())


def test_what_proxies_add_changes_nothing(way: Way) -> None:
    """X-Forwarded-For and its like, Via and Forwarded (RFC 9110 7.6.3, RFC 7239): sent by the proxy, or made up."""
    direct = way.directly("/passed/large.bin")
    made_up = {
        "x_forwarded_for": "203.0.113.9, unknown, [2001:db8::1]:80",
        "forwarded": 'for="[2001:db8::1]";proto=https;host=example.org',
        "x_real_ip": "203.0.113.9",
        "via": "1.1 other",
        "x_forwarded_prefix": "/elsewhere",
    }
    for extra in ({}, made_up, {"x_forwarded_for": "a" * 2000}):
        found = way.front.ask("/passed/large.bin", **extra)
        assert (found.status, found.body, _own(found)) == (200, direct.body, _own(direct))
    for one in way.relay.passed("/passed/large.bin"):
        assert "127.0.0.1" in one.request["x-forwarded-for"]
        assert one.request["x-forwarded-proto"] == "http"
        assert one.request["x-forwarded-host"] == f"127.0.0.1:{way.front.port}"


# One of them alone.


def test_haproxy_finds_the_server_well(stand: Stand) -> None:
    """Its plainest check is OPTIONS / HTTP/1.0 without Host (RFC 9112 3.2 asks it of HTTP/1.1 alone), then a reset."""
    way = stand(lambda here, upstream: proxies.haproxy(here, upstream, "option httpchk", "50ms"))
    checks = way.relay.wait_for("/", 5)
    assert {one.request.line for one in checks} == {"OPTIONS / HTTP/1.0"}
    assert {one.status for one in checks} == {204}
    assert way.front.ask("/passed/large.bin").body == _LARGE


def test_varnish_decodes_for_who_cannot(stand: Stand) -> None:
    """It asks for gzip alone and keeps that; RFC 9110 8.8.1: the tag it gives with the decoded form is weak."""
    way = stand(lambda here, upstream: proxies.varnish(here, upstream, gzip=True))
    plain, coded = way.front.ask(_ASSET), way.front.ask(_ASSET, accept_encoding="gzip")
    assert plain.body == gzip.decompress(coded.body) == _SCRIPT
    until(lambda: way.relay.passed(_ASSET))
    assert [one.request["accept-encoding"] for one in way.relay.passed(_ASSET)] == ["gzip"]
    assert plain.fields["etag"] == f"W/{coded.fields['etag']}"


def test_nginx_puts_slices_together(stand: Stand) -> None:
    """It asks for a mebibyte at a time and wants one version in all of them; RFC 9110 15.3.7.3."""
    way = stand(proxies.nginx)
    for _ in range(2):
        found = way.front.ask("/sliced/large.bin")
        assert (found.status, found.body) == (200, _LARGE)
    part = way.front.ask("/sliced/large.bin", range="bytes=1048570-2097160")
    assert (part.status, part.body) == (206, _LARGE[1048570:2097161])
    passed = way.relay.passed("/sliced/large.bin")
    assert [one.request["range"] for one in passed] == [f"bytes={at << 20}-{((at + 1) << 20) - 1}" for at in range(4)]
    assert {one.status for one in passed} == {206}
    assert {one.answer["etag"] for one in passed} == {found.fields["etag"]}


def test_nginx_as_it_is_without_configuration(stand: Stand) -> None:
    """HTTP/1.0 and a connection for every request; RFC 9112 9.3: the server closes it, with nothing cut off."""
    way = stand(proxies.nginx)
    for status, fields in ((200, {}), (206, {"range": "bytes=7-"}), (200, {})):
        found = way.front.ask("/old/large.bin", **fields)
        assert (found.status, found.body) == (status, _LARGE[7:] if status == 206 else _LARGE)
    passed = way.relay.passed("/old/large.bin")
    assert {one.request.line for one in passed} == {"GET /old/large.bin HTTP/1.0"}
    assert [one.answer.get("connection") for one in passed] == ["close"] * 3
    assert way.relay.connections == 3
