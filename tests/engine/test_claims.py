"""What DESIGN.md says of the picture, each sentence as a test: the life cycle is the server, data and no decoration."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, get
from support.poll import until

from tuxpy.atoms import COUNTER, Frozen, Reason, connections, lifecycle

from .rig import Rig, far_end, judged, listening
from .surgery import without

BARE = without(lifecycle(), "nodelay")


@pytest.fixture
def www(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("hello\n")
    (tmp_path / "big.bin").write_bytes(bytes(8 << 20))
    return tmp_path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening() as listener:
        yield listener


@pytest.fixture
def rig(backend: str, www: Path, listener: socket.socket) -> Iterator[Rig]:
    """It ends before the listener does, which is lent to it."""
    with judged(backend, www) as rig:
        yield rig


def one(listener: socket.socket, *fields: str, target: str = "/") -> int:
    """A connection for a single request; its status."""
    with Client(listener.getsockname()) as client:
        return client.ask(get(target, "Connection: close", *fields)).status


# No atom, no system call.


@pytest.mark.parametrize(("chain", "set_there"), [(lifecycle(), True), (BARE, False)], ids=["whole", "without-it"])
def test_nodelay_is_set_by_its_atom_and_by_nothing_else(
    rig: Rig, listener: socket.socket, chain: Frozen, set_there: bool
) -> None:
    rig.serve(listener, copies=1, chain=chain)
    with Client(listener.getsockname()) as client:
        assert client.ask(get("/")).status == 200
        end = far_end(client.socket)
        assert end is not None, "the server's end is not among the descriptors of this process"
        with end:
            assert bool(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is set_there


def test_taking_an_atom_out_leaves_the_rest_as_it_was() -> None:
    labels = [atom.label for atom in lifecycle().atoms]
    labels.remove("nodelay")
    assert [atom.label for atom in BARE.atoms] == labels
    assert BARE.atoms[BARE.labels["count"]].next == BARE.labels["accept"]
    assert BARE.atoms[BARE.labels["respond"]].next == BARE.labels["read"]
    assert without(lifecycle(), "close").atoms[-1].next == 0


# The counter is the budget of connections.


@pytest.mark.parametrize(("most", "runs"), [(1, 1), (5, 1), (5, 3), (5, 5), (40, 7)])
def test_a_counter_of_n_serves_exactly_n_connections(rig: Rig, listener: socket.socket, most: int, runs: int) -> None:
    rig.serve(listener, copies=runs, most=connections(most, runs))
    assert [one(listener) for _ in range(most)] == [200] * most
    results = rig.results(runs)
    assert {r.reason for r in results} == {Reason.STOP}
    assert {r.last_atom for r in results} == {lifecycle().labels["count"]}
    assert sorted(r.result for r in results) == list(range(1 - runs, 1))
    with Client(listener.getsockname()) as late:  # the kernel still takes it, since the listener is open
        late.send(get("/"))
        late.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            late.socket.recv(1)
    assert (rig.metric("accepted"), rig.metric("runs")) == (most, 0)


@pytest.mark.slow
def test_a_counter_counts_exactly_where_a_ring_accepts_all_who_come(
    backend: str, www: Path, listener: socket.socket
) -> None:
    """More runs than the backlog is long: accepting need not be asked for each connection."""
    runs = 1100
    with judged(backend, www, slots=runs) as rig:
        rig.serve(listener, copies=runs, most=connections(runs + 50, runs))
        assert {one(listener) for _ in range(runs + 50)} == {200}
        assert len(rig.results(runs)) == runs
        assert outcome(listener, patience_s=0.05) == "waits"
        assert rig.metric("accepted") == runs + 50


def test_a_counter_counts_connections_that_are_open_together(rig: Rig, listener: socket.socket) -> None:
    """Of three runs none is kept for newcomers, so that none of their connections has to make room."""
    rig.serve(listener, copies=3, most=connections(5, 3))
    clients = [Client(listener.getsockname()) for _ in range(5)]
    for client in clients[:3]:
        assert client.ask(get("/")).status == 200
    for client in clients[3:]:
        client.send(get("/"))
    for client in clients:
        client.finish()
    for client in clients[3:]:
        assert client.read().status == 200
    for client in clients:
        assert client.rest() == b""
        client.close()
    assert len(rig.results(3)) == 3
    assert rig.metric("accepted") == 5


# The number of runs is the number of connections.


@pytest.mark.parametrize("slots", [1, 3])
def test_one_client_more_than_slots_waits_in_the_backlog(rig: Rig, listener: socket.socket, slots: int) -> None:
    rig.serve(listener, copies=slots)
    inside = [Client(listener.getsockname()) for _ in range(slots)]
    for client in inside:
        assert client.ask(get("/")).status == 200
    with Client(listener.getsockname()) as outside:
        outside.send(get("/"))
        outside.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            outside.socket.recv(1)
        assert rig.metric("accepted") == rig.metric("connections") == slots
        outside.socket.settimeout(10)
        inside.pop().close()
        assert outside.read().status == 200
        assert (rig.metric("accepted"), rig.metric("connections")) == (slots + 1, slots)
    for client in inside:
        client.close()


# Draining is arithmetic.


def drain(rig: Rig) -> None:
    rig.engine.set_shared(COUNTER, 0)
    rig.engine.drain()


def test_draining_ends_every_run_after_its_connection(rig: Rig, listener: socket.socket) -> None:
    """Parked at accept, idle between requests, half a head, waiting for the judge."""
    rig.serve(listener, copies=6)
    idle, half, asking = (Client(listener.getsockname()) for _ in range(3))
    assert idle.ask(get("/")).status == 200
    half.send(get("/")[:-2])
    asking.send(get("/withheld"))
    assert until(lambda: len(rig.withheld) == 1)
    drain(rig)
    assert idle.rest() == b""
    parked = rig.results(4)
    assert sorted((r.reason, r.result) for r in parked) == [(Reason.STOP, -125)] * 3 + [(Reason.STOP, -1)]
    half.send(b"\r\n")
    assert half.read().status == 200
    half.finish()
    rig.engine.answer(rig.withheld[0], None)
    assert asking.rest() == half.rest() == b""
    assert {r.last_atom for r in rig.results(2)} == {lifecycle().labels["count"]}
    assert rig.metric("runs") == rig.metric("connections") == 0
    for client in idle, half, asking:
        client.close()


def test_a_download_that_draining_meets_is_finished(rig: Rig, listener: socket.socket) -> None:
    rig.serve(listener, copies=2)
    with Client(listener.getsockname(), receive_buffer=4096) as client:
        client.send(get("/big.bin", "Connection: close"))
        begun = client.socket.recv(1000)
        drain(rig)
        assert len(rig.results(1)) == 1  # the other run, which was parked at accept
        whole = begun + client.rest()
    head, _, body = whole.partition(b"\r\n\r\n")
    assert b"Content-Length: 8388608" in head
    assert len(body) == 8 << 20
    (result,) = rig.results(1)
    assert (result.reason, result.result) == (Reason.STOP, -1)


def test_whoever_comes_while_draining_is_told_at_once(rig: Rig, listener: socket.socket) -> None:
    """Served, refused or reset, but never left to wait."""
    rig.serve(listener, copies=8)
    ends: list[str] = []
    for number in range(60):
        if number == 20:
            drain(rig)
        ends.append(outcome(listener))
    assert ends[:20] == ["served"] * 20
    assert ends[-1] == "refused"
    assert set(ends) <= {"served", "refused"}
    assert len(rig.results(8)) == 8


def outcome(listener: socket.socket, patience_s: float = 2) -> str:
    address = listener.getsockname()
    with contextlib.suppress(ConnectionError), socket.create_connection(address, timeout=patience_s) as client:
        client.sendall(get("/", "Connection: close"))
        try:
            answer = client.recv(1000)
        except TimeoutError:
            return "waits"
        return "served" if answer.startswith(b"HTTP/1.1 200 ") else "refused" if not answer else "odd"
    return "refused"


@pytest.mark.slow
@pytest.mark.parametrize("inside", range(3))
def test_a_crowd_at_the_door_while_draining_is_told_at_once(rig: Rig, listener: socket.socket, inside: int) -> None:
    """More clients than slots: some are inside, some accepted early, some in the backlog. No run is kept free."""
    rig.serve(listener, copies=3)
    crowd = [Client(listener.getsockname()) for _ in range(40)]
    for client in crowd[:inside]:
        assert client.ask(get("/")).status == 200
    drain(rig)
    for client in crowd:
        client.socket.settimeout(5)
        with contextlib.suppress(ConnectionError):
            client.send(get("/", "Connection: close"))
            client.rest()
        client.close()
    assert len(rig.results(3)) == 3
