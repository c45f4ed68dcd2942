"""Chains as people would write them: servers and readers without any HTTP; and odd ones that are allowed as well."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from struct import pack

import pytest
from support.client import Client, get
from support.poll import until

from tuxpy.atoms import Cell, Chain, Frozen, Reason

from .conftest import Make
from .rig import Rig, judged, listening

OPEN = pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening() as listener:
        yield listener


# An echo server.


def echo() -> Frozen:
    c = Chain("echo")
    connection, buffer, n = c.fd("connection"), c.buffer(4096), c.int("n")
    c.accept4(c.param("listener", writable=False), 0, label="accept", ret=connection, stop_on="negative")
    c.recv(connection, buffer, 4096, 0, label="read", ret=n, stop_on="non_positive", on_stop="close")
    c.send(connection, buffer, n, 0, stop_on="negative", on_stop="close", next="read")
    c.close(connection, label="close", next="accept")
    return c.freeze()


def conversation(address: tuple[str, int], number: int, failures: list[str]) -> None:
    with Client(address) as client:
        for turn in range(20):
            said = b"%d.%d " % (number, turn) * (1 + turn * 40)
            client.send(said)
            heard = client.exactly(len(said))
            if heard != said:
                failures.append(f"client {number} heard something else in turn {turn}")
        client.finish()
        if client.rest():
            failures.append(f"client {number} heard more than it had said")


@pytest.mark.slow
def test_an_echo_server_of_three_atoms_and_fifty_clients(listener: socket.socket, make: Make) -> None:
    rig = make(slots=50)
    rig.engine.submit(echo(), {"listener": listener.fileno()}, copies=50)
    failures: list[str] = []
    address = listener.getsockname()
    clients = [threading.Thread(target=conversation, args=(address, n, failures)) for n in range(50)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert failures == []
    rig.wait_for("connections", 0, least=False)
    assert rig.metric("accepted") == 50
    assert rig.ended == []
    rig.close()


def test_an_echo_server_serves_more_clients_than_it_has_runs(listener: socket.socket, make: Make) -> None:
    rig = make()
    rig.engine.submit(echo(), {"listener": listener.fileno()}, copies=2)
    with ExitStack() as ends:
        clients = [ends.enter_context(Client(listener.getsockname())) for _ in range(9)]
        for client in clients:
            client.send(b"hello")
            client.finish()
        for client in clients:
            assert client.exactly(5) == b"hello"
            assert client.rest() == b""
    assert rig.metric("accepted") == 9
    rig.close()


def test_a_client_that_vanishes_does_not_end_an_echo_server(listener: socket.socket, make: Make) -> None:
    rig = make()
    rig.engine.submit(echo(), {"listener": listener.fileno()})
    for number in range(20):
        client = Client(listener.getsockname())
        client.send(b"x" * 4096 * (number % 3))
        client.reset()
    with Client(listener.getsockname()) as client:
        client.send(b"still there?")
        assert client.exactly(12) == b"still there?"
    rig.wait_for("connections", 0, least=False)
    rig.close()


# Reading files.

FILES, EACH, COPIES = 200, 20, 4


def reader(first: int) -> Frozen:
    """Opens, reads and closes EACH files, and adds up what it has read."""
    c = Chain("reader")
    root, how, file, buffer, n = c.param("root"), c.data(OPEN), c.fd("file"), c.buffer(512), c.int("n")
    total = c.shared(1, "total")
    for number in range(first, first + EACH):
        c.openat2(root, c.data(b"%d\0" % number), how, 24, ret=file, stop_on="negative")
        c.pread(file, buffer, 512, 0, ret=n, stop_on="negative")
        c.close(file)
    c.umem_add(total, n)
    return c.freeze()


@pytest.mark.slow
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_two_hundred_files_are_opened_read_and_closed(make: Make, tmp_path: Path, warm: bool) -> None:
    for number in range(FILES):
        (tmp_path / str(number)).write_bytes(bytes(number + 1))
    root = os.open(tmp_path, os.O_PATH)
    try:
        rig = make(slots=64)
        if not warm:
            for number in range(FILES):
                fd = os.open(tmp_path / str(number), os.O_RDONLY)
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)
        for first in range(0, FILES, EACH):
            rig.engine.submit(reader(first), {"root": root}, cookie=first, copies=COPIES)
        results = rig.results(FILES // EACH * COPIES)
        assert {(r.reason, r.steps) for r in results} == {(Reason.END, 3 * EACH + 1)}
        assert rig.engine.shared(1) == COPIES * sum(range(EACH, FILES + 1, EACH))
        rig.close()
    finally:
        os.close(root)


# Odd ones, with the calls of a connection.


@pytest.fixture
def www(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("hello\n")
    (tmp_path / "other.html").write_text("other\n")
    return tmp_path


@pytest.fixture
def served(listener: socket.socket, backend: str, www: Path) -> Iterator[Rig]:
    with judged(backend, www) as rig:
        yield rig


def accepted(c: Chain) -> Cell:
    connection = c.fd("connection")
    c.accept4(c.param("listener", writable=False), 0, ret=connection, stop_on="negative")
    return connection


def test_a_head_survives_a_nap_before_it_is_decided(served: Rig, listener: socket.socket) -> None:
    """Meanwhile others are received, in the very same memory. One run more than clients: it is kept for newcomers."""
    c = Chain("naps")
    connection = accepted(c)
    c.recv_head(connection, label="read", stop_on="non_positive")
    c.nanosleep(30_000_000)
    c.decide(0, stop_on="non_positive")
    c.respond(connection, 0, stop_on="non_positive", next="read")
    served.engine.submit(c.freeze(), {"listener": listener.fileno()}, copies=9)
    with ExitStack() as ends:
        clients = [ends.enter_context(Client(listener.getsockname())) for _ in range(8)]
        for _ in range(3):
            for number, client in enumerate(clients):
                client.send(get("/other.html" if number % 2 else "/"))
            for number, client in enumerate(clients):
                assert client.read().body == (b"other\n" if number % 2 else b"hello\n")
    assert len(served.results(8)) == 8


def test_deciding_twice_changes_nothing(served: Rig, listener: socket.socket) -> None:
    c = Chain("twice")
    connection = accepted(c)
    c.recv_head(connection, label="read", stop_on="non_positive")
    for _ in range(3):
        c.decide(0, stop_on="non_positive")
    c.respond(connection, 0, stop_on="non_positive", next="read")
    served.engine.submit(c.freeze(), {"listener": listener.fileno()})
    with Client(listener.getsockname()) as client:
        for _ in range(5):
            assert client.ask(get("/")).body == b"hello\n"
    served.results(1)
    assert served.metric("responses") == served.metric("entries")
    assert served.metric("requests") == 5


def test_a_head_that_is_read_twice_is_the_next_one(served: Rig, listener: socket.socket) -> None:
    c = Chain("twice")
    connection = accepted(c)
    c.recv_head(connection, stop_on="non_positive")
    c.recv_head(connection, stop_on="non_positive")
    c.decide(0, stop_on="non_positive")
    c.respond(connection, 0)
    served.engine.submit(c.freeze(), {"listener": listener.fileno()})
    with Client(listener.getsockname()) as client:
        client.send(get("/other.html"))
        assert until(lambda: served.metric("turns") > 2)
        client.send(get("/")[:9])
        client.send(get("/")[9:])
        assert client.read().body in (b"hello\n", b"other\n")
    assert served.result().reason is Reason.END


@pytest.mark.parametrize("call", ["decide", "respond"])
def test_what_has_not_been_asked_is_not_answered(served: Rig, listener: socket.socket, call: str) -> None:
    c = Chain("hasty")
    connection = accepted(c)
    if call == "decide":
        c.decide(0)
    else:
        c.recv_head(connection)
        c.respond(connection, 0)
    c.umem_add(c.int("n"), 1)
    served.engine.submit(c.freeze(), {"listener": listener.fileno()})
    with Client(listener.getsockname()) as client:
        client.send(get("/"))
        ended = served.result()
        assert ended.reason is Reason.ERROR
        assert client.rest_or_reset() == b""
    assert served.metric("connections") == 0


@pytest.mark.parametrize("call", ["recv_head", "discard", "respond"])
def test_calls_of_a_connection_take_only_the_runs_own(served: Rig, listener: socket.socket, call: str) -> None:
    """Else one would receive, for a while, what belongs to the lender."""
    c = Chain("foreign")
    connection, lent = accepted(c), c.param("lent", writable=False)
    c.recv_head(connection, stop_on="non_positive")
    c.decide(0, stop_on="non_positive")
    c.add(call, lent, *([0] if call == "respond" else [1000] if call == "discard" else []), label="here")
    ours, theirs = socket.socketpair()
    with ours, theirs, Client(listener.getsockname()) as client:
        theirs.send(get("/"))
        client.send(get("/"))
        served.engine.submit(c.freeze(), {"listener": listener.fileno(), "lent": ours.fileno()})
        ended = served.result()
        assert ended.result < 0
        assert ours.recv(1000) == get("/")
    assert served.metric("connections") == 0


def test_a_second_connection_of_a_run_is_heard_too(served: Rig, listener: socket.socket) -> None:
    """Two cells, two connections at once: heads are read from the later one, and what it says is not mixed up."""
    c = Chain("two")
    first, second = c.fd("first"), c.fd("second")
    listening_at = c.param("listener", writable=False)
    c.accept4(listening_at, 0, ret=first, stop_on="negative")
    c.recv_head(first, stop_on="non_positive")
    c.accept4(listening_at, 0, ret=second, stop_on="negative")
    c.recv_head(second, stop_on="non_positive")
    c.decide(0, stop_on="non_positive")
    c.respond(second, 0)
    served.engine.submit(c.freeze(), {"listener": listener.fileno()})
    with Client(listener.getsockname()) as one, Client(listener.getsockname()) as two:
        one.send(get("/"))
        two.send(get("/other.html"))
        one.send(get("/"))
        assert two.read().body == b"other\n"
        assert served.result().reason is Reason.END
        assert one.rest_or_reset() == b""


def test_a_connection_whose_cell_is_needed_otherwise_is_closed(
    served: Rig, listener: socket.socket, tmp_path: Path
) -> None:
    root = os.open(tmp_path, os.O_PATH)
    c = Chain("overwrites")
    connection = accepted(c)
    c.recv_head(connection, stop_on="non_positive")
    c.openat2(c.param("root"), c.data(b"index.html\0"), c.data(OPEN), 24, ret=connection, stop_on="negative")
    c.nanosleep(10**15)
    served.engine.submit(c.freeze(), {"listener": listener.fileno(), "root": root})
    with Client(listener.getsockname()) as client:
        client.send(get("/"))
        assert client.rest_or_reset() == b""
    served.engine.cancel(0)
    served.results(1)
    assert served.metric("connections") == 0
    os.close(root)
