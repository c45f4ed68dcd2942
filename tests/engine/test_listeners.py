"""Listeners are lent: to whom, for how long, and what happens when they go too early."""

from __future__ import annotations

import errno
import os
import socket

from tuxpy.atoms import Chain, Frozen, Reason

from .rig import Rig, listening


def accepting() -> Frozen:
    c = Chain("accepts")
    c.accept4(c.param("listener", writable=False), 0, ret=c.fd("connection"), stop_on="negative")
    return c.freeze()


def test_a_listener_can_be_taken_back_when_its_runs_have_ended(rig: Rig) -> None:
    """And its number may come back as another listener, as often as you like."""
    frozen = accepting()
    for _ in range(30):
        with listening() as listener:
            rig.engine.submit(frozen, {"listener": listener.fileno()}, copies=3)
            with socket.create_connection(listener.getsockname(), timeout=5) as client:
                assert client.recv(1) == b""
            rig.engine.cancel(0)
            assert sorted(r.reason for r in rig.results(3)) == [Reason.END, *[Reason.CANCELLED] * 2]
    assert rig.metric("accepted") == 30


def test_there_may_be_more_listeners_than_ports_one_after_another(rig: Rig) -> None:
    frozen = accepting()
    spare: list[int] = []
    for _ in range(20):
        with listening() as listener:
            spare.append(os.dup(0))  # so that the next has another number
            rig.engine.submit(frozen, {"listener": listener.fileno()})
            with socket.create_connection(listener.getsockname(), timeout=5) as client:
                assert client.recv(1) == b""
            assert rig.result().reason is Reason.END
    for fd in spare:
        os.close(fd)


def test_a_listener_that_closes_too_early_harms_nobody_else(rig: Rig) -> None:
    frozen = accepting()
    with listening() as good:
        rig.engine.submit(frozen, {"listener": good.fileno()}, cookie=1)
        with listening() as bad:
            rig.engine.submit(frozen, {"listener": bad.fileno()}, cookie=2)
            rig.wait_until_parked(2)
        rig.engine.cancel(2)
        assert rig.result().cookie == 2
        with socket.create_connection(good.getsockname(), timeout=5) as client:
            assert client.recv(1) == b""
        assert rig.result().reason is Reason.END


def test_only_a_listener_accepts(rig: Rig) -> None:
    frozen = accepting()
    ours, theirs = socket.socketpair()
    file = os.memfd_create("no socket")
    with ours, theirs:
        for fd, expected in (
            (ours.fileno(), -errno.EINVAL),
            (file, -errno.ENOTSOCK),
            (1 << 20, -errno.EBADF),
            (-1, -errno.EBADF),
        ):
            rig.engine.submit(frozen, {"listener": fd})
            ended = rig.result()
            assert (ended.reason, ended.result) == (Reason.STOP, expected)
    os.close(file)


def test_unknown_flags_of_accept_are_refused(rig: Rig) -> None:
    c = Chain("accepts")
    c.accept4(c.param("listener", writable=False), 1, ret=c.fd("connection"), stop_on="negative")
    with listening() as listener:
        rig.engine.submit(c.freeze(), {"listener": listener.fileno()})
        assert rig.result().result == -errno.EINVAL


def spinning() -> Frozen:
    """Works without end, so that the turns of its engine are long."""
    c = Chain("spins", budget=1 << 30)
    c.umem_add(c.int("count"), 1, label="again", next="again")
    return c.freeze()


def test_whoever_connects_while_a_listener_is_handed_over_is_accepted(backend: str) -> None:
    """The kernel wakes one of those who accept. When that one stops at this very moment, nobody has been told."""
    frozen, busy = accepting(), spinning()
    for _ in range(10):
        with listening() as listener, Rig(backend, slots=1400) as goes, Rig(backend, slots=1100) as stays:
            for rig in (goes, stays):
                rig.engine.submit(frozen, {"listener": listener.fileno()}, copies=1100)
                rig.wait_until_parked(1100)
            goes.engine.submit(busy, cookie=1, copies=300)
            goes.wait_for("turns", goes.metric("turns") + 3)
            goes.engine.drain(shut=False)
            with socket.create_connection(listener.getsockname(), timeout=5) as client:
                assert client.recv(1) == b"", "accepted, and closed"
            goes.engine.cancel(1)
