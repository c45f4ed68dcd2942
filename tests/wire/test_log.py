"""The access log over the wire: one line for every answer, whatever way it came, with what was really sent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.client import get
from support.fixtures import Connect
from support.poll import until
from support.running import Running
from support.webroot import CONTENT

from tuxpy.config.settings import Backend, LogConfig

Logged = Callable[..., tuple[Running, Callable[[], list[dict[str, Any]]]]]


@pytest.fixture
def logged(root: Path, backend: Backend, tmp_path: Path) -> Iterator[Logged]:
    """A server that logs as JSON, and what it has logged so far."""
    started: list[Running] = []
    path = tmp_path / "access.log"

    def start(**settings: Any) -> tuple[Running, Callable[[], list[dict[str, Any]]]]:
        settings.setdefault("access_log", LogConfig(str(path), "json"))
        started.append(Running(root, backend, **settings))
        return started[-1], lambda: [json.loads(line) for line in path.read_text().split("\n")[:-1]]

    yield start
    for running in started:
        running.check_at_rest()
        running.stop()
        running.close()


def test_every_way_to_an_answer_leaves_a_line(logged: Logged, connect: Connect) -> None:
    server, lines = logged()
    client = connect(server)
    for _ in range(3):
        client.ask(get("/notes.txt", "User-Agent: a test", "Referer: http://x/"))
    fresh = connect(server)
    fresh.ask(get("/notes.txt"))
    fresh.ask(get("/notes.txt", method="HEAD"))
    fresh.ask(get("/nothing"))
    fresh.ask(get("/large.bin", "Range: bytes=10-29"))
    fresh.ask(get("/large.bin"))
    client.close()
    fresh.close()
    assert until(lambda: len(lines()) == 8, within_s=5)
    told = lines()
    size, large = len(CONTENT["notes.txt"]), len(CONTENT["large.bin"])
    assert [line["status"] for line in told] == [200, 200, 200, 200, 200, 404, 206, 200]
    assert [line["bytes"] for line in told][:5] == [size, size, size, size, 0]
    assert [line["bytes"] for line in told][6:] == [20, large]
    assert [line["source"] for line in told][:3] == ["judged", "kept", "repeat"]
    assert told[0]["user_agent"] == "a test"
    assert told[0]["referer"] == "http://x/"
    assert {line["client"] for line in told} == {"127.0.0.1"}
    assert told[4]["method"] == "HEAD"


def test_a_refused_head_and_a_pipeline(logged: Logged, connect: Connect) -> None:
    server, lines = logged()
    client = connect(server)
    client.send(get("/notes.txt") * 20)
    for _ in range(20):
        client.read()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert client.read().status == 400
    client.close()
    assert until(lambda: len(lines()) == 21, within_s=5)
    assert [line["status"] for line in lines()] == [200] * 20 + [400]


def test_a_download_that_was_cut_off_says_how_far_it_came(logged: Logged, connect: Connect) -> None:
    server, lines = logged()
    client = connect(server, receive_buffer=4096)
    client.send(get("/large.bin"))
    client.read(head_only=True)
    client.exactly(100_000)
    client.close()
    assert until(lambda: len(lines()) == 1, within_s=5)
    assert 100_000 <= lines()[0]["bytes"] < len(CONTENT["large.bin"])


def test_lines_are_whole_though_many_write(logged: Logged, connect: Connect) -> None:
    server, lines = logged(workers=2)

    def ask(number: int) -> None:
        client = connect(server)
        for _ in range(200):
            client.ask(get(f"/notes.txt?{number}", f"User-Agent: {'x' * (number * 100)}"))
        client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert until(lambda: len(lines()) == 800, within_s=10)
    assert all(re.fullmatch("x*", line["user_agent"] or "") for line in lines())


def test_a_log_that_is_rotated_goes_on_in_the_new_file(logged: Logged, connect: Connect, tmp_path: Path) -> None:
    server, lines = logged()
    path = tmp_path / "access.log"
    client = connect(server)
    client.ask(get("/notes.txt"))
    asked = 1
    assert until(lambda: path.exists() and len(lines()) == 1, within_s=5)
    path.rename(tmp_path / "access.log.1")
    assert until(path.exists, within_s=5)

    def asked_again() -> bool:  # what is logged while the files change hands belongs into the old one
        client.ask(get("/notes.txt"))
        nonlocal asked
        asked += 1
        return until(lambda: len(lines()) > 0, within_s=2)

    assert until(asked_again, within_s=10)
    assert until(lambda: len((tmp_path / "access.log.1").read_text().splitlines()) + len(lines()) == asked, within_s=5)
    client.close()
