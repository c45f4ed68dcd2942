"""The reference interpreter: what each word of its docstring means, over real descriptors."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EBADF, EFAULT, ENOENT
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given

from tuxpy.atoms import COUNTER, Chain, ChainError, Frozen, Reason, connections, flags, lifecycle
from tuxpy.atoms.reference import Trace, run

from .strategies import QUICK, chains, params, shared_numbers
from .world import world

HOW = pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0)


def reading(path: bytes, room: int = 64) -> Frozen:
    """open, read, close: the announcement's benchmark."""
    c = Chain("file")
    file, count, buffer, how = c.fd("file"), c.int("count"), c.buffer(room), c.data(HOW, "how")
    c.openat2(-100, c.data(path + b"\0", "path"), how, len(HOW), label="open", ret=file, stop_on="negative")
    c.read(file, buffer, room, label="read", ret=count, stop_on="negative")
    c.close(file, label="close")
    return c.freeze()


def held(frozen: Frozen, cells: tuple[int | bytes, ...]) -> dict[str, int | bytes]:
    return {cell.name: value for cell, value in zip(frozen.cells, cells, strict=True)}


def test_open_read_close(tmp_path: Path) -> None:
    (tmp_path / "greeting").write_bytes(b"hello")
    frozen = reading(os.fsencode(tmp_path / "greeting"))
    trace: Trace = []
    completion = run(frozen, trace=trace, cookie=7)
    assert [label for label, _ in trace] == ["open", "read", "close"]
    assert [result for _, result in trace][1:] == [5, 0]
    assert (completion.cookie, completion.last_atom, completion.result) == (7, 2, 0)
    assert (completion.reason, completion.steps) == (Reason.END, 3)
    cells = held(frozen, completion.cells)
    assert (cells["file"], cells["count"], cells["buffer"]) == (-1, 5, b"hello" + bytes(59))


def test_a_result_that_stops(tmp_path: Path) -> None:
    completion = run(reading(os.fsencode(tmp_path / "absent")))
    assert (completion.reason, completion.result, completion.last_atom) == (Reason.STOP, -ENOENT, 0)


def test_stop_and_end_differ_by_the_condition_alone() -> None:
    for stop_on, reason in ((), Reason.END), ("negative", Reason.STOP):
        c = Chain("one")
        c.umem_add(c.int("i"), -1, stop_on=stop_on)  # type: ignore[arg-type]
        completion = run(c.freeze())
        assert (completion.result, completion.steps, completion.reason) == (-1, 1, reason)


def test_echo_until_the_peer_has_nothing_more() -> None:
    c = Chain("echo")
    peer, buffer, count = c.param("peer"), c.buffer(8), c.int("count")
    c.recv(peer, buffer, 8, 0, label="recv", ret=count, stop_on="non_positive")
    c.send(peer, buffer, count, 0, label="send", stop_on="negative", next="recv")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"a line longer than the buffer")
        theirs.shutdown(socket.SHUT_WR)
        completion = run(c.freeze(), {"peer": ours.fileno()})
        assert theirs.recv(100) == b"a line longer than the buffer"
    assert (completion.reason, completion.result, completion.steps) == (Reason.STOP, 0, 9)


@pytest.mark.parametrize("length", [9, -1, 1 << 62])
def test_error_is_a_length_beyond_its_memory(length: int) -> None:
    """No call is made; the result is kept, and no condition is asked."""
    c = Chain("long")
    result = c.int("result", 5)
    c.write(c.param("fd"), c.data(b"12345678"), length, ret=result, stop_on="negative", on_stop="after")
    c.umem_add(result, 1, label="after")
    frozen = c.freeze()
    completion = run(frozen, {"fd": -1}, calls={"write": lambda *_: pytest.fail("the call was made")})
    assert (completion.reason, completion.result, completion.last_atom) == (Reason.ERROR, -EFAULT, 0)
    assert held(frozen, completion.cells)["result"] == -EFAULT


def test_error_is_an_open_how_of_another_size() -> None:
    c = Chain("how")
    c.openat2(-100, c.data(b".\0"), c.data(HOW), 8, ret=c.fd("file"))
    assert run(c.freeze()).reason is Reason.ERROR


def test_budget_is_found_when_a_step_is_wanted() -> None:
    for budget, reason, steps in (3, Reason.END, 3), (2, Reason.BUDGET, 2):
        c = Chain("three", budget)
        i = c.int("i")
        for _ in range(3):
            c.umem_add(i, 1)
        completion = run(c.freeze())
        assert (completion.reason, completion.steps, completion.result) == (reason, steps, steps)


def test_a_number_wraps() -> None:
    c = Chain("wrap")
    c.umem_add(c.int("i", (1 << 63) - 1), 1)
    assert run(c.freeze()).result == -(1 << 63)


def test_shared_numbers_are_changed_in_place() -> None:
    c = Chain("shared")
    c.umem_add(c.shared(2, "third"), -3)
    shared = [1, 1, 1]
    completion = run(c.freeze(), shared=shared)
    assert shared == [1, 1, -2]
    assert completion.cells == (-2, -3)


def test_close_empties_its_cell_whatever_comes_of_it() -> None:
    c = Chain("close")
    c.close(c.fd("never"))
    completion = run(c.freeze())
    assert (completion.result, completion.cells) == (-EBADF, (-1,))


def test_what_a_run_owns_is_closed_however_it_ends() -> None:
    """Opened into a full cell, then STOP, BUDGET, ERROR, or an exception from outside."""
    for ending in "stop", "budget", "error", "exception":
        c = Chain("leak", budget=3)
        file, here, how = c.fd("file"), c.data(b".\0"), c.data(HOW)
        c.openat2(-100, here, how, len(HOW), label="once", ret=file)
        c.openat2(-100, here, how, len(HOW), label="twice", ret=file)
        length = 1 if ending != "error" else 100
        c.write(file, here, length, label="write", stop_on="negative" if ending == "stop" else (), next="write")
        calls = {"write": _interrupt} if ending == "exception" else {}
        closed: list[int] = []
        try:
            run(c.freeze(), calls={**calls, "close": _closing(closed)})
        except KeyboardInterrupt:
            pass
        assert len(closed) == 2, ending


def _interrupt(*_: object) -> int:
    raise KeyboardInterrupt


def _closing(closed: list[int]) -> Callable[[int], int]:
    def close(fd: int) -> int:
        closed.append(fd)
        os.close(fd)
        return 0

    return close


def test_what_is_lent_is_not_closed() -> None:
    c = Chain("lent")
    c.shutdown(c.param("stream"), socket.SHUT_WR)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run(c.freeze(), {"stream": ours.fileno()})
        assert theirs.recv(1) == b""
        os.fstat(ours.fileno())  # raises where nothing is open any more


@pytest.mark.parametrize("manner", flags.MANNER.values(), ids=flags.MANNER)
def test_how_an_atom_is_carried_out_changes_nothing_here(manner: int) -> None:
    c = Chain("manner")
    c.umem_add(c.int("i"), 1, flags=manner)
    completion = run(c.freeze())
    assert (completion.result, completion.reason) == (1, Reason.END)


def refused(frozen: Frozen, *args: object, **named: object) -> tuple[str, str]:
    with pytest.raises(ChainError) as error:
        run(frozen, *args, **named)  # type: ignore[arg-type]
    return error.value.fault, error.value.mend


def test_refuses_params_that_do_not_fit() -> None:
    c = Chain("params")
    c.umem_add(c.param("given"), c.param("step"))
    frozen = c.freeze()
    assert refused(frozen, {"given": 1}) == ("step has no value", "the params are given, step")
    assert refused(frozen, {"given": 1, "step": 1, "more": 1})[0] == "there is no param more"
    assert refused(frozen, {"given": 1, "step": 1 << 63})[0].endswith("does not fit into 64 bits")


def test_refuses_what_it_cannot_run() -> None:
    assert refused(lifecycle(), {"listener": 0}) == ("nobody here knows recv_head", "give a function in calls")
    c = Chain("shared")
    c.umem_add(c.shared(3, "fourth"), 1)
    assert refused(c.freeze(), shared=[0, 0])[0] == "fourth is shared number 3, 2 are given"


class Peers:
    """The calls of the HTTP engine over socket pairs: a head is a line, and every decision sends it back.

    A line "close" is answered and ends the connection, "refuse" is not answered at all.
    """

    def __init__(self, *conversations: bytes) -> None:
        self.waiting = list(conversations)
        self.theirs: list[socket.socket] = []
        self.heads: list[bytes] = []

    def accept4(self, listener: int, flags: int) -> int:
        assert (listener, flags) == (99, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        ours, theirs = socket.socketpair()
        theirs.sendall(self.waiting.pop(0))
        theirs.shutdown(socket.SHUT_WR)
        self.theirs.append(theirs)
        return ours.detach()

    def recv_head(self, connection: int) -> int:
        head = b""
        while (letter := os.read(connection, 1)) not in (b"", b"\n"):
            head += letter
        self.heads.append(head)
        return len(head)

    def decide(self, head: int) -> int:
        assert head == len(self.heads[-1])
        return 0 if self.heads[-1] == b"refuse" else head

    def respond(self, connection: int, decision: int) -> int:
        os.write(connection, self.heads[-1][:decision] + b".")
        return 0 if self.heads[-1] == b"close" else 1

    def answers(self) -> list[bytes]:
        return [self._answer(theirs) for theirs in self.theirs]

    def _answer(self, theirs: socket.socket) -> bytes:
        with theirs:
            return theirs.recv(1000)

    @property
    def calls(self) -> dict[str, Callable[..., int]]:
        names = "accept4", "recv_head", "decide", "respond"
        # A socket pair knows no TCP_NODELAY.
        return {**{name: getattr(self, name) for name in names}, "setsockopt": lambda *_: 0}


def test_the_life_cycle_of_connections() -> None:
    peers = Peers(b"one\ntwo\n", b"close\nnever read\n", b"refuse\n")
    shared = [connections(most=3, runs=1)]
    trace: Trace = []
    completion = run(lifecycle(), {"listener": 99}, peers.calls, shared, trace)
    assert peers.answers() == [b"one.two.", b"close.", b""]
    assert [label for label, _ in trace] == [
        *("accept", "nodelay", "read", "decide", "respond", "read", "decide", "respond", "read", "read>close"),
        *("close", "count"),
        *("accept", "nodelay", "read", "decide", "respond", "close", "count"),
        *("accept", "nodelay", "read", "decide", "decide>close", "close", "count"),
    ]
    assert (completion.reason, completion.result, shared[COUNTER]) == (Reason.STOP, 0, 0)


def test_the_life_cycle_ends_where_accept_fails() -> None:
    completion = run(lifecycle(), {"listener": 99}, {**Peers().calls, "accept4": lambda *_: -EBADF})
    assert (completion.last_atom, completion.result, completion.reason) == (0, -EBADF, Reason.STOP)


@QUICK
@given(chains(), params(), shared_numbers())
def test_random_chains_end_with_a_reason(frozen: Frozen, numbers: dict[str, int], first: list[int]) -> None:
    trace: Trace = []
    with world() as w:
        completion = run(frozen, {**w.params, **numbers}, shared=first, trace=trace)
    labels = frozen.labels
    assert completion.steps == len(trace) <= (frozen.budget or len(frozen.atoms))
    assert (labels[trace[-1][0]], trace[-1][1]) == (completion.last_atom, completion.result)
    last = frozen.atoms[completion.last_atom]
    stopped = flags.stops(last.flags, completion.result)
    if completion.reason is Reason.STOP:
        assert stopped
        assert not last.flags & flags.SKIP_TO_NEXT_ON_STOP
    if completion.reason is Reason.END:
        assert not stopped
        assert last.next is None
