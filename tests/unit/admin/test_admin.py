"""What an admin listener says, from a snapshot alone."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import logging
import re
import sys
from html.parser import HTMLParser

import pytest

from tuxpy.admin import admin as module
from tuxpy.admin.admin import Admin
from tuxpy.admin.page import POLICY, html
from tuxpy.admin.report import as_json, report
from tuxpy.admin.snapshot import PARKED, EngineFigures, Hot, JudgeFigures, Reloads, Slow, Snapshot, site_figures
from tuxpy.engine.http_engine import HEAD_TIMEOUT, HEAD_TOO_LONG, METRICS, Miss
from tuxpy.model import Decision, NoContent, Redirect, Refuse, Request, Serve

ZERO = {name: 0 for name, _, _ in METRICS}
HOSTILE = "/</script><script>alert(1)</script>&\u2028"


def snapshot(**more: object) -> Snapshot:
    counters = {**ZERO, "hits": 90, "repeats": 60, "judged": 10, "connections": 7, "parked_1": 90, "parked_2": 4,
                "parked_8": 1, "statuses_2": 95, "statuses_4": 5, "took_4": 100, "took_us": 9000}  # fmt: skip
    given: dict[str, object] = {
        "version": "1.2.3",
        "state": "running",
        "now_s": 1000.0,
        "started_s": 100.0,
        "backend": "epoll",
        "why": "asked for",
        "origin": "/etc/tuxpy.toml",
        "urls": ("http://127.0.0.1:8000/",),
        "engines": (EngineFigures(counters, 100, 2), EngineFigures(counters, 100, 2)),
        "sites": (site_figures("/srv/www", ("_",), ["/srv/www/_headers:1: 'x' is not a field"]),),
    }
    return Snapshot(**{**given, **more})  # type: ignore[arg-type]


def decide(path: str, snap: Snapshot | None = None, method: str = "GET", accept: str = "") -> Decision:
    fields = ((b"host", b"a"), *([(b"accept", accept.encode())] if accept else []))
    return Admin().decide(Request(method.encode(), path.encode(), b"1.1", fields), snap or snapshot())


def content(decision: Decision) -> bytes:
    assert isinstance(decision, Serve)
    return decision.content


# Places.


def test_health_and_readiness() -> None:
    draining = snapshot(state="draining")
    assert [decide("/health", snap).status for snap in (snapshot(), draining)] == [200, 200]
    assert [decide("/ready", snap).status for snap in (snapshot(), draining)] == [200, 503]
    assert content(decide("/ready", draining)) == b"draining\n"


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/status", "/status.json", "/", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT"])
def test_nothing_is_kept_anywhere(path: str, method: str) -> None:
    decision = decide(path, method=method)
    assert not decision.cacheable
    assert (b"Cache-Control", b"no-store") in decision.fields


def test_other_places_and_methods() -> None:
    assert isinstance(decide("/"), Redirect)
    assert isinstance(decide("/status", method="OPTIONS"), NoContent)
    for path, method, status in (("/x", "GET", 404), ("/status", "POST", 405), ("/status/x", "GET", 404)):
        decision = decide(path, method=method)
        assert isinstance(decision, Refuse) and decision.status == status


def test_without_the_library_metrics_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    decision = decide("/metrics")
    assert decision.status == 501
    assert content(decision) == b"metrics need the library prometheus_client: install tuxpy-server[metrics]\n"
    assert decide("/status").status == 200


# Heads.


@pytest.mark.parametrize(
    ("head", "flags", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", 0, 200),
        (b"GET /health HTTP/1.1\r\n\r\n", 0, 400),
        (b"GET /he", HEAD_TIMEOUT, 408),
        (b"GET /he", HEAD_TOO_LONG, 414),
    ],
)
def test_heads(head: bytes, flags: int, status: int) -> None:
    answer = Admin(["a"]).answer(Miss(0, 0, 3, 0, flags, head), 1e9, snapshot())
    assert (answer.status, answer.cacheable) == (status, False)


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        *[(host, True) for host in ("127.0.0.1:8001", "[::1]:8001", "[::1]", "localhost", "LOCALHOST.:1", "10.0.0.9",
                                    "x.localhost", "Metrics.example:8001", "metrics.example.")],
        *[(host, False) for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.1",
                                     "[::1].evil.example", "[evil]", "metrics.example.evil", "0x7f000001", "a:b:c")],
    ],
)  # fmt: skip
def test_9110_15_5_20_no_name_may_be_led_here_that_is_not_ours(host: str, meant: bool) -> None:
    """DNS rebinding: a page's own name that leads to us all of a sudden."""
    head = f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    absolute = f"GET http://{host}/health HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for one in (head, absolute):
        answer = Admin(["metrics.EXAMPLE"]).answer(Miss(0, 0, 3, 0, 0, one), 1e9, snapshot())
        assert answer.status in ((200,) if meant else (421, 400))
    assert Admin([], [3]).answer(Miss(0, 0, 3, 0, 0, head), 1e9, snapshot()).status in (200, 400), "a unix socket"


def test_who_names_nobody_is_no_browser() -> None:
    head = b"GET /health HTTP/1.0\r\n\r\n"
    assert Admin().answer(Miss(0, 0, 3, 0, 0, head), 1e9, snapshot()).status == 200


def test_a_fault_of_ours_is_500_and_no_exception(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "html", lambda _: 1 / 0)
    answer = Admin(["a"]).answer(Miss(0, 0, 3, 0, 0, b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n"), 1e9, snapshot())
    assert (answer.status, answer.keep) == (500, False)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_the_judge_s_own_figures_are_told() -> None:
    admin = Admin(["a"])
    admin.judging.note(b"GET /slow?q HTTP/1.1\r\n", 0.25)
    answer = admin.answer(Miss(0, 0, 3, 0, 0, b"GET /status.json HTTP/1.1\r\nHost: a\r\n\r\n"), 1e9, snapshot())
    body = b"".join(cell.content for cell in answer.chain.cells).partition(b"\r\n\r\n")[2]
    assert json.loads(body)["slowest"] == [{"target": "/slow", "seconds": 0.25}]


# The report.


def test_the_report_adds_engines_up() -> None:
    found = report(snapshot())
    assert (found["totals"]["hits"], found["statuses"]["2xx"], found["slots"], found["workers"]) == (180, 190, 200, 4)
    assert found["response"] == {"counts": (0, 0, 0, 0, 200, *(0,) * 18), "seconds": 0.018}
    assert [engine["hits"] for engine in found["engines"]] == [90, 90]
    assert not [name for name in found["totals"] if name.startswith(("took_4", "statuses_", "parked_"))]


def test_connections_are_counted_where_they_wait() -> None:
    parked = {one["state"]: one["count"] for one in report(snapshot())["parked"]}
    assert parked == {**{kind.state: 0 for kind in PARKED.values()}, "input": 8, "cold": 2, "running": 4}
    assert len({one["letter"] for one in report(snapshot())["parked"]}) == len(parked)


def test_names_of_any_bytes_can_be_told() -> None:
    strange = site_figures("/srv/\udcff\n", ("_",), ["/srv/\udcff: \x1b[2J"])
    snap = snapshot(sites=(strange,), origin="\u2028")
    assert json.loads(as_json(snap))["sites"][0]["root"] == r"/srv/\xff\x0a"
    assert b"\x1b" not in html(snap) + as_json(snap)


def test_an_answer_stays_within_its_limit() -> None:
    many = tuple(site_figures("/srv/" + "x" * 100, ("h" * 60,) * 50, ["p" * 100] * 500) for _ in range(3000))
    snap = snapshot(sites=many)
    assert len(html(snap)) < 1 << 20 and len(as_json(snap)) < 1 << 20
    assert b"and 2,800 others" in html(snap)


# The page.


class Elements(HTMLParser):
    """Every element with its attributes, and what is inside of style and script."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("style", "script") and data.strip():
            self.inside.append((self.found[-1][1].get("type") or self.found[-1][0], data))


def test_the_policy_allows_exactly_the_style_and_the_script_of_the_page() -> None:
    inside = dict(Elements(html(snapshot())).inside)
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(inside[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in POLICY.decode()
    assert POLICY.startswith(b"default-src 'none'") and b"unsafe" not in POLICY
    assert (b"Content-Security-Policy", POLICY) in decide("/status").fields


def test_nothing_comes_from_elsewhere() -> None:
    page = html(snapshot())
    for tag, attributes in Elements(page).found:
        assert not {"src", "srcset", "style", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert tag not in ("img", "iframe", "object") and str(attributes.get("href", "./")).startswith("./")
    assert not re.search(rb"url\(|@import|innerHTML\s*=[^=]|eval\(", page)


def test_what_others_have_written_stays_text() -> None:
    judge = JudgeFigures(slowest=(Slow(HOSTILE, 1.0),), hottest=(Hot(HOSTILE, 3),), looked_at=3)
    page = html(snapshot(judge=judge, origin=HOSTILE, reloads=Reloads().noted(5.0, HOSTILE)))
    assert page.count(b"<script") == 2 and b"<script>alert" not in page
    data = dict(Elements(page).inside)["application/json"]
    assert json.loads(data)["hottest"] == [{"target": HOSTILE, "count": 3}]


def test_it_is_whole_without_script() -> None:
    page = html(snapshot(reloads=Reloads(1, 0, 50.0))).decode()
    said = ("running", "up for 15 min 0 s", "95.0%", "not a field", "/etc/tuxpy.toml", "epoll: asked for", "any host")
    for words in said:
        assert words in page, words
    tables = re.findall(r"<table>.*?</table>", page, re.DOTALL)
    assert len([table for table in tables if '<th scope="col"' in table and '<th scope="row">' in table]) == 4
    assert "draining: no new connections" in html(snapshot(state="draining")).decode()


def test_a_snapshot_of_a_server_that_has_done_nothing() -> None:
    idle = dataclasses.replace(snapshot(), engines=(EngineFigures(ZERO, 1, 1),), now_s=100.0, sites=())
    assert b"No hits lately" in html(idle) and json.loads(as_json(idle))["totals"]["hits"] == 0
