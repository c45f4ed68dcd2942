"""A TCP proxy: splice moves the bytes through a pipe, and no byte enters the program.

    python examples/proxy.py PORT HOST HOST_PORT
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress

from tuxpy import Chain, Engine, chain

ROOM = 1 << 16


async def before(listener: socket.socket, address: tuple[str, int]) -> None:
    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(ROOM):
                target.write(piece)
                await target.drain()
            target.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            their_reader, their_writer = await asyncio.open_connection(*address)
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, their_writer), carry(their_reader, writer))
        for one in (writer, their_writer):
            one.close()
            with suppress(OSError):
                await one.wait_closed()

    async with await asyncio.start_server(serve, sock=listener) as server:
        await server.serve_forever()


@chain
def carrying(c: Chain) -> None:
    source, target, left = c.param("source"), c.param("target"), c.int("left")
    reader, writer, moved = c.fd("reader"), c.fd("writer"), c.int("moved")
    c.pipe2(reader, writer, os.O_CLOEXEC, stop_on="negative")
    c.splice(source, -1, writer, -1, ROOM, 0, label="take", ret=left, stop_on="non_positive", on_stop="shutdown")
    c.splice(reader, -1, target, -1, left, 0, label="give", ret=moved, stop_on="non_positive", on_stop="shutdown")
    c.umem_sub(left, moved, stop_on="nonzero", on_stop="give", next="take")  # a splice may be short
    c.shutdown(target, socket.SHUT_WR)


async def after(engine: Engine, listener: socket.socket, address: tuple[str, int]) -> None:
    async def serve() -> None:
        while True:
            fd = await engine.acall("accept4", listener, socket.SOCK_CLOEXEC)
            with socket.socket(fileno=fd) as near, socket.socket() as far, suppress(OSError):
                far.setblocking(False)
                await asyncio.get_running_loop().sock_connect(far, address)
                ways = (near, far), (far, near)
                await asyncio.gather(*(engine.arun(carrying, source=one, target=other) for one, other in ways))

    await asyncio.gather(*(serve() for _ in range(100)))


if __name__ == "__main__":
    port, host, host_port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with socket.create_server(("127.0.0.1", port)) as near, Engine(slots=300) as engine, suppress(KeyboardInterrupt):
        asyncio.run(after(engine, near, (host, host_port)))
