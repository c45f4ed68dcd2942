"""A TCP echo server for a hundred connections as one chain: the picture of the announcement, less the counter.

    python examples/echo.py [PORT]
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from tuxpy import Chain, Engine, chain

ROOM = 4096


async def before(listener: socket.socket) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(ROOM):
                writer.write(piece)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(talk, sock=listener) as server:
        await server.serve_forever()


@chain
def echo(c: Chain) -> None:
    peer, room, size = c.fd("peer"), c.buffer(ROOM), c.int("size")
    c.accept4(c.param("listener"), socket.SOCK_CLOEXEC, ret=peer, stop_on="negative")
    c.recv(peer, room, ROOM, 0, ret=size, stop_on="non_positive", on_stop="close")
    c.send(peer, room, size, 0, stop_on="negative", on_stop="close", next="recv")
    c.close(peer, next="accept4")


def after(engine: Engine, listener: socket.socket) -> range:
    return engine.submit_many(echo, listener=[listener] * 100)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 7007
    with socket.create_server(("127.0.0.1", port)) as listener, Engine(slots=100) as engine:
        after(engine, listener)
        with contextlib.suppress(KeyboardInterrupt):
            print(engine.wait(), "on port", port)
