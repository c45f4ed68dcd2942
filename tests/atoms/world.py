"""The little world in which random chains run: the same again for every run, so that two runs can be compared.

    directory   holds `source` and `sink`
    source      a file to read
    sink        a file to write
    stream      a socket with some bytes to receive, and then the end
    spring      the end of a pipe to read from: some bytes, and then the end
    drain       the end of a pipe to write to, with room for all that a run may send

Nothing in it makes a run wait for ever: whoever receives from the stream comes to its end, whoever sends finds room.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCE = bytes(range(1, 201))
RECEIVED = b"what the peer had to say, in forty letters"
LENT = ("directory", "source", "sink", "stream", "spring", "drain")  # the params that chains made by strategies.py take


@dataclass(frozen=True)
class World:
    params: Mapping[str, int]
    path: Path
    peer: socket.socket
    drained: int  # the far end of the drain

    def effects(self) -> tuple[dict[str, bytes | None], bytes, bytes, int]:
        """What a run left behind: in the directory, at the peer, in the pipe, and how far it has read the source."""
        arrived = b""
        self.peer.setblocking(False)
        try:
            while piece := self.peer.recv(65536):
                arrived += piece
        except BlockingIOError:
            pass
        found = {p.name: None if p.is_dir() else p.read_bytes() for p in sorted(self.path.iterdir())}
        piped = b""
        try:
            while piece := os.read(self.drained, 65536):
                piped += piece
        except BlockingIOError:
            pass
        return found, arrived, piped, os.lseek(self.params["source"], 0, os.SEEK_CUR)


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
            stream.fileno(),
        ]
        spring, spout = os.pipe()
        drained, drain = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(drain, True)
        fcntl.fcntl(drain, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.write(spout, SOURCE[:30])
        os.close(spout)
        fds += [spring, drain]
        try:
            peer.sendall(RECEIVED)
            peer.shutdown(socket.SHUT_WR)
            yield World(dict(zip(LENT, fds, strict=True)), path, peer, drained)
        finally:
            stream.close()
            peer.close()
            os.close(drained)
            for name, fd in zip(LENT, fds, strict=True):
                if name != "stream":
                    os.close(fd)
