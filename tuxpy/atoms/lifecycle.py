"""The life cycle of a connection, as the picture in the 2007 announcement has it: one chain, submitted once a slot.

Each run holds at most one connection at a time, so the number of runs is the number of connections. The shared counter
is the budget of further ones: every run that lets a connection go takes one from it, and ends when there is none left.
Draining is taking the counter down to zero.
"""

from __future__ import annotations

import socket
from struct import pack
from typing import Final

from .chain import Chain
from .check import Frozen

COUNTER: Final = 0  # index of the shared number that counts the connections still to be accepted


def lifecycle(counter_index: int = COUNTER, nodelay: bool = True, proxy: bool = False) -> Frozen:
    """Accept, read, decide, respond, close, count; the listener is given at submit.

    counter_index: of the shared number; each listener of a server has its own, so that one can be drained alone.
    nodelay: TCP_NODELAY is set; sockets that are not TCP's would refuse that, and the chain would stop.
    proxy: a header of the PROXY protocol comes first, and says who the client is.
    """
    c = Chain("lifecycle")
    listener, connection = c.param("listener"), c.fd("connection")
    head, decision = c.int("head"), c.int("decision")
    counter = c.shared(counter_index, "counter")

    c.accept4(
        listener,
        socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
        label="accept",
        ret=connection,
        stop_on="negative",
    )
    if nodelay:
        on = c.data(pack("=i", 1), "on")
        c.setsockopt(
            connection,
            socket.IPPROTO_TCP,
            socket.TCP_NODELAY,
            on,
            on.size,
            label="nodelay",
            stop_on="negative",
        )
    if proxy:
        c.recv_proxy(connection, label="proxy", stop_on="negative", on_stop="close")
    c.recv_head(connection, label="read", ret=head, stop_on="non_positive", on_stop="close")
    c.decide(head, label="decide", ret=decision, stop_on="non_positive", on_stop="close")
    c.respond(
        connection, decision, label="respond", stop_on="non_positive", on_stop="close", next="read"
    )
    c.close(connection, label="close")
    c.umem_add(counter, -1, label="count", stop_on="non_positive", next="accept")
    return c.freeze()


def connections(most: int, runs: int) -> int:
    """What the counter starts at so that `runs` runs serve exactly `most` connections: each holds its first already."""
    return most - (runs - 1)
