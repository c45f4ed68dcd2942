"""Pages of other origins: the CORS protocol of the Fetch standard, on every kind of answer."""

from __future__ import annotations

import pytest
from support.client import get
from support.fixtures import Connect, Serve

from tuxpy.rules.cors import CorsRule
from tuxpy.rules.policy import Policy

LISTED, OTHER = "https://app.example.org", "https://evil.example"
POLICY = Policy(cors=CorsRule.parse([LISTED], request_headers=["x-token"]))
ANSWERS = ("/notes.txt", "/large.bin", "/nothing", "/docs")


@pytest.mark.parametrize("target", ANSWERS)
@pytest.mark.parametrize("origin", [LISTED, OTHER, None])
def test_fetch_a_grant_is_on_every_answer(serve: Serve, connect: Connect, target: str, origin: str | None) -> None:
    """Listed or not, Vary says that it depends on Origin; judged and kept answers are alike."""
    client = connect(serve(policy=POLICY))
    fields = [f"Origin: {origin}"] if origin else []
    for _ in range(2):
        answer = client.ask(get(target, *fields))
        names = dict(answer.fields)
        assert b"Origin" in names[b"Vary"]
        wanted = LISTED.encode() if origin == LISTED else None
        assert names.get(b"Access-Control-Allow-Origin") == wanted


def test_fetch_a_304_has_it_too(serve: Serve, connect: Connect) -> None:
    client = connect(serve(policy=POLICY))
    tag = client.ask(get("/notes.txt"))[b"etag"].decode()
    answer = client.ask(get("/notes.txt", f"If-None-Match: {tag}", f"Origin: {LISTED}"))
    assert answer.status == 304
    assert answer[b"access-control-allow-origin"] == LISTED.encode()


@pytest.mark.parametrize(("origin", "granted"), [(LISTED, True), (OTHER, False)])
def test_fetch_preflight(serve: Serve, connect: Connect, origin: str, granted: bool) -> None:
    client = connect(serve(policy=POLICY))
    asked = (f"Origin: {origin}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-token")
    for _ in range(2):
        answer = client.ask(get("/notes.txt", *asked, method="OPTIONS"))
        names = dict(answer.fields)
        assert answer.status == 204
        assert (b"Access-Control-Allow-Methods" in names) is granted
        assert b"Access-Control-Request-Method" in names[b"Vary"]


def test_fetch_without_a_rule_nothing_is_granted(serve: Serve, connect: Connect) -> None:
    answer = connect(serve()).ask(get("/notes.txt", f"Origin: {LISTED}"))
    assert not any(name.lower().startswith(b"access-control") for name, _ in answer.fields)
