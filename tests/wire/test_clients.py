"""Clients as they are: half-closed, vanished, in a hurry, slow. RFC 9112 sections 8 and 9.6."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import socket
import threading

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import CONTENT, LARGE_BYTES

from tuxpy.config.bounds import ClientLimits

LARGE_SHA256 = hashlib.sha256(CONTENT["large.bin"]).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["notes.txt", "in-memory.bin", "from-file.bin", "large.bin", "empty.txt"])
def test_9112_9_6_a_client_that_has_said_its_last_gets_the_whole_answer(
    server: Running, connect: Connect, name: str
) -> None:
    """A half-closed connection: the client has shut down its side and waits for the answer."""
    for _ in range(2):
        client = connect(server)
        client.send(get("/" + name))
        client.finish()
        assert sha256(client.read().body) == sha256(CONTENT[name])
        assert client.rest() == b""


def test_9112_9_6_all_that_was_pipelined_before_the_end_is_answered(server: Running, connect: Connect) -> None:
    client = connect(server)
    requests = [get("/notes.txt"), get("/from-file.bin"), get("/nothing"), get("/", method="HEAD")] * 10
    client.send(b"".join(requests))
    client.finish()
    answers = client.read_all(requests)
    assert [answer.status for answer in answers] == [200, 200, 404, 200] * 10
    assert client.rest() == b""


@pytest.mark.parametrize("part", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n", b"\r\n\r"])
def test_9112_8_an_incomplete_request_is_not_answered_as_if_it_were_whole(
    server: Running, connect: Connect, part: bytes
) -> None:
    """RFC 9112 8: a server that receives an incomplete request MAY send an error response before it closes."""
    client = connect(server)
    client.send(part)
    client.finish()
    rest = client.rest()
    assert not rest or rest.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("vanish", [Client.reset, Client.close], ids=["reset", "end"])
@pytest.mark.parametrize(("target", "count"), [("/large.bin", 1), ("/in-memory.bin", 100), ("/from-file.bin", 100)])
def test_9112_9_5_a_client_that_vanishes_within_an_answer(
    server: Running, connect: Connect, target: str, count: int, vanish: object
) -> None:
    assert callable(vanish)
    clients = [connect(server, receive_buffer=4096) for _ in range(8)]
    for client in clients:
        client.send(get(target) * count)
    for client in clients:
        client.exactly(1000)
        vanish(client)
    assert until(lambda: server.metric("connections") == 0)
    assert connect(server).ask(get("/notes.txt")).status == 200


@pytest.mark.parametrize("vanish", [Client.reset, Client.close], ids=["reset", "end"])
@pytest.mark.parametrize("data", [b"", b"GET", get("/notes.txt"), get("/never-seen"), get("/large.bin"), b"\0\r\n\r\n"])
def test_9112_9_5_a_client_that_leaves_without_reading(
    server: Running, connect: Connect, data: bytes, vanish: object
) -> None:
    assert callable(vanish)
    for _ in range(30):
        client = connect(server)
        client.send(data)
        vanish(client)
    if data:  # who says nothing before a reset is gone before anybody has to accept
        server.wait_for("accepted", 30)
    assert until(lambda: server.metric("connections") == 0)
    assert connect(server).ask(get("/notes.txt")).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("receive_buffer", [None, 2048], ids=["wide", "narrow"])
def test_9110_6_4_every_byte_of_a_large_file(server: Running, connect: Connect, receive_buffer: int | None) -> None:
    client = connect(server, receive_buffer)
    for _ in range(3):
        assert sha256(client.ask(get("/large.bin")).body) == LARGE_SHA256
    assert server.metric("judged") <= 2


@pytest.mark.slow
def test_9110_6_4_every_byte_to_a_slow_reader(server: Running, connect: Connect) -> None:
    client = connect(server, receive_buffer=16384)
    client.send(get("/large.bin"))
    assert sha256(client.read_slowly(32768, pause_s=0.002).body) == LARGE_SHA256


@pytest.mark.slow
def test_9110_6_4_every_byte_to_many_at_once(server: Running, connect: Connect) -> None:
    sums: list[str] = []

    def download(client: Client) -> None:
        client.send(get("/large.bin"))
        sums.append(sha256(client.read().body))

    threads = [threading.Thread(target=download, args=(connect(server),)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [LARGE_SHA256] * 12


def test_9110_8_6_an_empty_file_has_length_0(server: Running, connect: Connect) -> None:
    client = connect(server)
    for _ in range(3):
        answer = client.ask(get("/empty.txt"))
        assert (answer.status, answer[b"content-length"], answer.body) == (200, b"0", b"")


@pytest.mark.parametrize("name", ["in-memory.bin", "from-file.bin"])
def test_9110_8_6_files_about_the_size_that_is_kept_in_memory(server: Running, connect: Connect, name: str) -> None:
    client = connect(server)
    for _ in range(3):
        assert client.ask(get("/" + name)).body == CONTENT[name]


def test_9112_9_4_a_large_file_does_not_hold_up_small_ones(server: Running, connect: Connect) -> None:
    downloads = [connect(server, receive_buffer=4096) for _ in range(16)]
    for client in downloads:
        client.send(get("/large.bin"))
    other = connect(server)
    for _ in range(200):
        assert other.ask(get("/notes.txt")).status == 200
    assert {len(client.read().body) for client in downloads[:2]} == {LARGE_BYTES}


@pytest.mark.slow
@pytest.mark.parametrize("most", [100, 4096])
@pytest.mark.parametrize("workers", [1, 2])
def test_9112_9_4_hundreds_of_clients_at_once(serve: Serve, connect: Connect, most: int, workers: int) -> None:
    """Perhaps more than there are connections; all are answered in the end."""
    server = serve(max_connections=most, workers=workers, limits=ClientLimits(when_full="wait"))
    clients = [connect(server) for _ in range(400)]
    for number, client in enumerate(clients):
        client.send(get("/notes.txt", f"User-Agent: {number}", "Connection: close"))
    assert {client.read().body for client in clients} == {CONTENT["notes.txt"]}
    assert server.metric("accepted") == 400


@pytest.mark.slow
@pytest.mark.parametrize("most", [256, 4096])
def test_9112_9_4_who_pipelines_and_does_not_read_takes_nothing_from_others(
    serve: Serve, connect: Connect, most: int
) -> None:
    """Input that nobody reads waits with its sender; the server's buffers are for everybody."""
    server = serve(max_connections=most)
    greedy = [connect(server, receive_buffer=2048) for _ in range(100)]
    for client in greedy:
        client.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(1000):
                client.socket.send(get("/from-file.bin") * 100)
    for _ in range(20):
        other = connect(server)
        assert other.ask(get("/notes.txt", "X: " + "x" * 8000)).status == 200
        other.close()


def test_9112_9_5_without_descriptors_clients_wait(serve: Serve) -> None:
    """EMFILE at accept: clients wait, and once there are descriptors again all are served."""
    server = serve(look_after_s=60.0)  # a look at a kept answer would need a descriptor
    server.forgiven.add("accept_errors")
    with Client(server.address) as client:
        assert [client.ask(get("/style.css")).status for _ in range(2)] == [200, 200], "it needs no descriptor any more"
    sockets = [socket.socket() for _ in range(30)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as ends:
        for one in sockets:
            ends.enter_context(one)
            one.settimeout(5)
        ends.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(one.fileno() for one in sockets) + 3, hard))
        for one in sockets:
            one.connect(server.address)
            one.sendall(get("/style.css"))
        server.wait_for("accept_errors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in sockets:
            assert one.recv(15) == b"HTTP/1.1 200 OK"
