"""Sockets that outlive their runs: the engine forgets them, so the next run of the same slot waits for its own."""

from __future__ import annotations

import os
import socket
import threading
import time

from tuxpy import Chain
from tuxpy.atoms import Frozen, Reason

from .conftest import Open

SIZE = 1 << 20  # more than both ends of a connection hold
LIMIT = 10.0  # seconds


def pushing() -> Frozen:
    c = Chain("pushing")
    peer = c.fd("peer")
    c.accept4(c.param("listener"), socket.SOCK_CLOEXEC, ret=peer, stop_on="negative")
    c.send(peer, c.buffer(SIZE), SIZE, 0, stop_on="negative")
    return c.freeze()


def read_late(address: tuple[str, int], received: list[int]) -> None:
    """Connect, let the other side fill its socket and wait for room, then read all."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(LIMIT)
        client.connect(address)
        time.sleep(0.1)
        count = 0
        while count < SIZE and (piece := client.recv(1 << 16)):
            count += len(piece)
        received.append(count)


def test_the_next_run_waits_for_its_own_socket_of_the_same_number(open_engine: Open) -> None:
    chain, numbers, received = pushing(), [], list[int]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        engine = open_engine(slots=1)
        for _ in range(3):
            reader = threading.Thread(target=read_late, args=(listener.getsockname(), received))
            reader.start()
            ended = engine.run(chain, fd="peer", timeout=LIMIT, listener=listener)
            assert ended.reason is Reason.END and ended.result == SIZE
            numbers.append(ended.take_fd())
            os.close(numbers[-1])
            reader.join()
    assert received == [SIZE] * 3
    assert len(set(numbers)) == 1, "else this shows nothing"
