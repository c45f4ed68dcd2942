"""However many connect to an admin listener and say nothing whole, /ready, /status.json and /metrics are answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from support.client import get
from support.fixtures import Serve
from support.running import Running

from tuxpy.config.settings import Address

CROWD = 300  # the listener has 64 connections


@pytest.fixture
def admin(serve: Serve) -> tuple[str, int]:
    running: Running = serve(admin=(Address("127.0.0.1", 0, True),))
    place = urlsplit(running.server.admin_urls[0])
    assert place.hostname and place.port
    return place.hostname, place.port


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def crowd(ends: ExitStack, place: tuple[str, int], said: bytes, answered: bool) -> None:
    """All from one address: each has said this much, and stays."""
    for _ in range(CROWD):
        one = ends.enter_context(socket.create_connection(place, 10))
        one.sendall(said)
        if answered:
            assert one.recv(65536).startswith(b"HTTP/1.1 ")


def asked(place: tuple[str, int], target: str, source: str) -> bytes:
    with socket.create_connection(place, 10, (source, 0)) as client:
        client.sendall(get(target, "Connection: close", host="localhost"))
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize(
    ("said", "answered"),
    [(b"GET /ready HTTP/1.1\r\nHo", False), (get("/ready", host="localhost"), True)],
    ids=["half a head", "idle"],
)
def test_a_crowd_of_one_address_keeps_nobody_out(
    admin: tuple[str, int], ends: ExitStack, said: bytes, answered: bool, source: str
) -> None:
    """Neither others nor that very address: whoever has waited longest makes room."""
    crowd(ends, admin, said, answered)
    for target, words in (("/ready", b"\r\n\r\nready\n"), ("/status.json", b'"totals"'), ("/metrics", b" ")):
        answer = asked(admin, target, source)
        assert answer.startswith(b"HTTP/1.1 200 ") or (target == "/metrics" and b" 501 " in answer)
        assert words in answer


def test_a_local_socket_is_answered_beside_the_crowd(serve: Serve, ends: ExitStack) -> None:
    running: Running = serve(admin=(Address("127.0.0.1", 0, True), Address(unix="@tuxpy-test-crowd")))
    place = urlsplit(running.server.admin_urls[0])
    assert place.hostname and place.port
    crowd(ends, (place.hostname, place.port), b"GET /ready HTTP/1.1\r\n", False)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect("\0tuxpy-test-crowd")
        client.sendall(get("/ready", "Connection: close", host="localhost"))
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"ready\n")
