"""What is served from memory and from the page cache is done by the engine's own thread.

A kernel that cannot do what a ring asks for at once hands it to a thread of its own, named iou-wrk (io_uring(7)), which
costs more than the request. csrc/wait/backend_uring.c asks for nothing of the kind.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from support.client import get
from support.fixtures import Connect, Serve
from support.webroot import CONTENT, write


def kernel_workers() -> set[str]:
    """The threads that io_uring has begun for this process; idle ones stay for some seconds."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            if (task / "comm").read_text().startswith("iou-wrk"):
                found.add(task.name)
    return found


def test_no_hit_needs_another_thread(serve: Serve, connect: Connect, root: Path) -> None:
    """Neither one of the kernel, which epoll has not, nor a worker of the engine, which both have."""
    write(root / "megabyte.bin", bytes(1 << 20))
    server = serve(root, look_after_s=60.0)  # what a look costs is another matter
    for target in ("/large.bin", "/megabyte.bin"):
        connect(server).ask(get(target))
    before, cold = kernel_workers(), server.metric("cold")
    targets = ("/notes.txt", "/large.bin", "/megabyte.bin", "/nothing", "/")
    client = connect(server)
    for _ in range(20):
        for target in targets:
            client.ask(get(target))
        client.ask(get("/notes.txt", method="HEAD"))
        assert client.ask(get("/megabyte.bin", "Range: bytes=5-99999")).status == 206
        assert connect(server).ask(get("/notes.txt", "Connection: close")).body == CONTENT["notes.txt"]
    client.send(get("/notes.txt") * 50)
    for _ in range(50):
        client.read()
    assert server.metric("repeats") > 0
    assert kernel_workers() - before == set()
    assert server.metric("cold") == cold
