"""The fields of an answer: RFC 9110 sections 6.6, 8.3 and 8.8."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from support.client import get
from support.fixtures import Ask, Connect
from support.poll import until
from support.running import Running
from support.webroot import MODIFIED

from tuxpy.http import httpdate

ANSWERS = {
    "200": get("/notes.txt"),
    "200-from-a-file": get("/from-file.bin"),
    "301": get("/docs"),
    "304": get("/notes.txt", "If-None-Match: *"),
    "400": b"nonsense\r\n\r\n",
    "404": get("/nothing"),
    "405": get("/", method="POST"),
    "412": get("/notes.txt", 'If-Match: "x"'),
    "417": get("/", "Expect: x"),
    "501": get("/", method="BREW"),
    "505": get("/", version="3.0"),
}


@pytest.mark.parametrize("request_", ANSWERS.values(), ids=ANSWERS.keys())
def test_9110_6_6_1_every_answer_has_a_date(server: Running, connect: Connect, request_: bytes) -> None:
    """An origin server with a clock MUST generate Date in all 2xx, 3xx and 4xx answers. The client checks the value."""
    answer = connect(server).ask(request_)
    assert b"date" in answer


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/notes.txt", "/from-file.bin"])
def test_9110_6_6_1_the_date_of_a_kept_answer_is_that_of_its_sending(
    server: Running, connect: Connect, target: str
) -> None:
    client = connect(server)
    first = client.ask(get(target))[b"date"]
    later = until(lambda: (date := client.ask(get(target))[b"date"]) != first and date, within_s=3)
    assert later
    assert httpdate.parse(later) == httpdate.parse(first) + 1 or server.metrics()["judged"] == 1
    assert abs((httpdate.parse(later) or 0) - time.time()) < 3


@pytest.mark.slow
def test_9110_6_6_1_a_new_second_does_not_touch_what_is_being_sent(server: Running, connect: Connect) -> None:
    """Clients that read slowly, over the turn of a second, get every answer with one whole date."""
    clients = [connect(server, receive_buffer=2048) for _ in range(4)]
    for client in clients:
        client.send(get("/in-memory.bin") * 40)
    dates: Counter[bytes] = Counter()
    end = time.monotonic() + 1.3
    for _ in range(40):
        for client in clients:
            dates[client.read()[b"date"]] += 1  # strictly read: date, length, content
        until(lambda: time.monotonic() > end, within_s=0.03)
    assert dates.total() == 160


def test_9110_8_8_2_last_modified(ask: Ask) -> None:
    assert ask(get("/notes.txt"))[b"last-modified"] == MODIFIED
    assert ask(get("/from-file.bin"))[b"last-modified"] == MODIFIED


def test_9110_8_8_3_etag_is_an_entity_tag(ask: Ask) -> None:
    """RFC 9110 8.8.3: entity-tag = [ weak ] opaque-tag."""
    tags = [ask(get(target))[b"etag"] for target in ("/notes.txt", "/style.css", "/from-file.bin", "/empty.txt")]
    assert all(re.fullmatch(rb'(W/)?"[\x21\x23-\x7e\x80-\xff]*"', tag) for tag in tags)
    assert len(set(tags)) == 4


@pytest.mark.parametrize("target", ["/nothing", "/docs", "/.env"])
def test_9110_8_8_pages_of_our_own_have_no_validators(ask: Ask, target: str) -> None:
    answer = ask(get(target))
    assert b"etag" not in answer
    assert b"last-modified" not in answer


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", b"text/html; charset=utf-8"),
        ("/docs/", b"text/html; charset=utf-8"),
        ("/notes.txt", b"text/plain; charset=utf-8"),
        ("/style.css", b"text/css; charset=utf-8"),
        ("/from-file.bin", b"application/octet-stream"),
        ("/with%20space.txt", b"text/plain; charset=utf-8"),
        ("/nothing", b"text/html; charset=utf-8"),
        ("/docs", b"text/html; charset=utf-8"),
    ],
)
def test_9110_8_3_content_type_with_its_charset(ask: Ask, target: str, kind: bytes) -> None:
    answer = ask(get(target))
    assert answer[b"content-type"].lower() == kind
    assert answer[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("request_", ANSWERS.values(), ids=ANSWERS.keys())
def test_9110_10_2_4_server_names_the_product_and_nothing_more(
    server: Running, connect: Connect, request_: bytes
) -> None:
    """RFC 9110 10.2.4: an origin server SHOULD NOT generate needlessly fine-grained detail."""
    assert connect(server).ask(request_)[b"server"] == b"tuxpy"


def test_9110_15_5_the_page_of_an_error_repeats_nothing(ask: Ask) -> None:
    answer = ask(get("/%3Cscript%3Ealert(1)%3C/script%3E?<b>", "Referer: <i>"))
    assert answer.status == 404
    assert b"script" not in answer.body
    assert b"<b>" not in answer.body
    assert b"<i>" not in answer.body


def test_9111_5_2_pages_are_asked_for_again_and_hashed_names_never(ask: Ask) -> None:
    """RFC 9111 5.2.2.4 and RFC 8246: what may change is revalidated, what carries its hash need not be."""
    assert ask(get("/"))[b"cache-control"] == b"no-cache"
    tag = ask(get("/notes.txt"))[b"etag"].decode()
    assert ask(get("/notes.txt", f"If-None-Match: {tag}"))[b"cache-control"] == b"no-cache"
    assert b"Cache-Control" not in dict(ask(get("/nothing")).fields)
