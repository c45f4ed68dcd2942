"""An admin listener on the wire, on both back-ends: what it answers, and that its figures are those of the site."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.client import Client, Response, get
from support.poll import until
from support.watched import Watched

from tuxpy.config.settings import Backend
from tuxpy.site.respond import UNSETTLED_S

OPENMETRICS = "Accept: application/openmetrics-text;version=1.0.0"


@pytest.fixture
def watched(tmp_path: Path, backend: Backend) -> Iterator[Watched]:
    (tmp_path / "a.txt").write_bytes(b"a" * 1000)
    (tmp_path / "big.bin").write_bytes(bytes(300_000))
    time.sleep(2 * UNSETTLED_S)
    with Watched(tmp_path, backend) as one:
        yield one


def ask(address: tuple[str, int], request: bytes) -> Response:
    with Client(address) as client:
        return client.ask(request)


def told(watched: Watched) -> dict[str, Any]:
    response = ask(watched.admin_address, get("/status.json"))
    assert response.status == 200
    found: dict[str, Any] = json.loads(response.body)
    return found


def told_when(watched: Watched, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What it tells as soon as that is so: a client has its answer before the engine has counted it."""
    assert until(lambda: right(told(watched))), told(watched)
    return told(watched)


def metrics(watched: Watched) -> dict[tuple[str, str], float]:
    """Samples by name and the value of their one label."""
    response = ask(watched.admin_address, get("/metrics", OPENMETRICS))
    assert response[b"content-type"].startswith(b"application/openmetrics-text; version=1.0.0")
    return {
        (sample.name, next(iter(sample.labels.values()), "")): float(sample.value)
        for family in text_string_to_metric_families(response.body.decode())
        for sample in family.samples
    }


def test_all_that_is_there(watched: Watched) -> None:
    with Client(watched.admin_address) as client:
        for path, status in (("/health", 200), ("/ready", 200), ("/status", 200), ("/metrics", 200), ("/", 302)):
            for method in ("GET", "HEAD"):
                response = client.ask(get(path, method=method))
                assert (response.status, response[b"cache-control"]) == (status, b"no-store"), path
        assert client.ask(get("/a.txt")).status == 404
        refused = client.ask(get("/status", method="POST"))
        assert (refused.status, refused[b"allow"]) == (405, b"GET, HEAD, OPTIONS")
        assert refused.closes and client.rest() == b""


def test_nothing_is_kept(watched: Watched) -> None:
    """The same bytes again are judged again."""
    with Client(watched.admin_address) as client:
        ready = [client.ask(get("/ready")).status]
        watched.state = "draining"
        ready.append(client.ask(get("/ready")).status)
    assert ready == [200, 503]


def test_draining_is_told_until_the_end(watched: Watched) -> None:
    with Client(watched.address) as visitor:
        assert visitor.ask(get("/a.txt")).status == 200
        watched.drain()
        assert visitor.rest() == b""
    until(lambda: watched.engine.metrics()["runs"] == 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(watched.address)
    assert ask(watched.admin_address, get("/ready")).status == 503
    assert ask(watched.admin_address, get("/health")).status == 200
    assert told(watched)["state"] == "draining"


def test_figures_are_those_of_the_site(watched: Watched) -> None:
    with Client(watched.address) as client:
        sent = 0
        for path, status in (("/a.txt", 200), ("/a.txt", 200), ("/none", 404), ("/big.bin", 200)):
            response = client.ask(get(path))
            assert response.status == status
            sent += len(response.body)
        assert client.ask(get("/a.txt", "If-None-Match: *")).status == 304
        report = told_when(watched, lambda found: sum(found["statuses"].values()) == 5)
        assert report["statuses"] == {"1xx": 0, "2xx": 3, "3xx": 1, "4xx": 1, "5xx": 0}
        assert sent < report["totals"]["sent_bytes"] < sent + 5 * 500
        assert (report["totals"]["judged"], report["totals"]["hits"]) == (4, 1)
        assert sum(report["judge"]["counts"]) == 4 and report["judge"]["seconds"] > 0
        assert sum(report["response"]["counts"]) == 5 and 0 < report["response"]["seconds"] < 5
        assert report["totals"]["connections"] == 1, "the admin listener's own are not among them"
        assert {one["target"] for one in report["slowest"]} == {"/a.txt", "/none", "/big.bin"}
        found = metrics(watched)
    assert found["tuxpy_requests_total", "2xx"] == 3
    assert found["tuxpy_response_duration_seconds_count", ""] == 5
    assert found["tuxpy_response_duration_seconds_bucket", "+Inf"] == 5
    assert found["tuxpy_judged_total", ""] == 4
    assert found["tuxpy_sent_bytes_total", ""] == report["totals"]["sent_bytes"]
    assert found["process_open_fds", ""] > 3


def test_a_connection_is_where_it_waits(watched: Watched) -> None:
    def parked(found: dict[str, Any]) -> dict[str, int]:
        return {one["state"]: one["count"] for one in found["parked"] if one["count"]}

    assert parked(told(watched)) == {}
    with Client(watched.address, receive_buffer=4096) as client, Client(watched.address) as idle:
        idle.ask(get("/a.txt"))
        client.send(get("/big.bin") * 40)  # more than all buffers hold, and nobody reads
        report = told_when(watched, lambda found: "writable" in parked(found) or "sent" in parked(found))
        assert parked(report)["input"] == 1 and sum(parked(report).values()) == 2
        client.reset()
    assert parked(told_when(watched, lambda found: not parked(found))) == {}


def test_a_response_that_breaks_off_counts_what_was_sent(watched: Watched) -> None:
    with Client(watched.address, receive_buffer=4096) as client:
        client.send(get("/big.bin") * 40)
        client.read()
        client.reset()
    report = told_when(watched, lambda found: found["totals"]["failed_responses"] == 1)
    assert report["totals"]["sent_bytes"] > 300_000
    assert sum(report["response"]["counts"]) == sum(report["statuses"].values()) == report["totals"]["requests"]


def test_hits_are_sampled(watched: Watched) -> None:
    with Client(watched.address) as client:
        def hot(found: dict[str, Any]) -> bool:
            client.ask(get("/a.txt?secret"))
            return bool(found["hottest"])

        report = told_when(watched, hot)
    assert report["hottest"][0]["target"] == "/a.txt"
    assert 0 < report["looked_at"] <= report["totals"]["hits"]  # a slow machine has each of them sampled


def test_many_ask_at_once(watched: Watched) -> None:
    """Whoever asks the same while it is judged joins; nothing can be found, so each is judged himself."""
    statuses: list[int] = []
    crowd = [
        threading.Thread(target=lambda: statuses.append(ask(watched.admin_address, get("/metrics")).status))
        for _ in range(40)
    ]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert statuses == [200] * 40


def test_it_is_no_less_strict_than_a_site(watched: Watched) -> None:
    for request, status in (
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /../health HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000, 414),
    ):
        with Client(watched.admin_address) as client:
            client.send_until_refused(request)
            assert client.read().status == status
