"""The little world in which random chains run: the same again for every run, so that two runs can be compared.

    directory   holds `source` and `sink`
    source      a file to read
    sink        a file to write
    stream      a socket with some bytes to receive, and then the end

Nothing in it makes a run wait for ever: whoever receives from the stream comes to its end, whoever sends finds room.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCE = bytes(range(1, 201))
RECEIVED = b"what the peer had to say, in forty letters"
LENT = ("directory", "source", "sink", "stream")  # the params that chains made by strategies.py take


@dataclass(frozen=True)
class World:
    params: Mapping[str, int]
    path: Path
    peer: socket.socket

    def effects(self) -> tuple[bytes, bytes, int]:
        """What a run left behind: in the sink, at the peer, and how far it has read the source."""
        arrived = b""
        self.peer.setblocking(False)
        try:
            while piece := self.peer.recv(65536):
                arrived += piece
        except BlockingIOError:
            pass
        return (self.path / "sink").read_bytes(), arrived, os.lseek(self.params["source"], 0, os.SEEK_CUR)


@contextmanager
def world() -> Iterator[World]:
    with TemporaryDirectory() as name:
        path = Path(name)
        (path / "source").write_bytes(SOURCE)
        stream, peer = socket.socketpair()
        fds = [
            os.open(path, os.O_RDONLY | os.O_DIRECTORY),
            os.open(path / "source", os.O_RDONLY),
            os.open(path / "sink", os.O_WRONLY | os.O_CREAT),
        ]
        try:
            peer.sendall(RECEIVED)
            peer.shutdown(socket.SHUT_WR)
            yield World(dict(zip(LENT, [*fds, stream.fileno()], strict=True)), path, peer)
        finally:
            stream.close()
            peer.close()
            for fd in fds:
                os.close(fd)
