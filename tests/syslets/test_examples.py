"""The examples: each does what the code beside it does, and is shorter."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

import pytest

from tuxpy import Engine

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(function: ast.AST, text: list[str]) -> int:
    first = min(getattr(one, "lineno", 1 << 30) for one in ast.walk(function))
    return sum(bool(line.strip()) for line in text[first - 1 : function.end_lineno])  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "hello"])
def test_after_is_shorter_than_before(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    lines = {
        one.name: lines_of(one, text.splitlines())
        for one in ast.parse(text).body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    before = lines.pop("before")
    assert sum(lines.values()) < before, lines


def test_hello_has_ten_lines() -> None:
    body = ast.parse((EXAMPLES / "hello.py").read_text("utf-8")).body[1:]
    text = (EXAMPLES / "hello.py").read_text("utf-8").splitlines()
    assert sum(lines_of(one, text) for one in body) <= 10
    done = subprocess.run([sys.executable, EXAMPLES / "hello.py"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "Hello, syslets!"
    assert "hello.write: 16, END, 1 steps" in done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for number in range(60):
        (tmp_path / f"d{number % 7}" / "e").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"d{number % 7}" / f"file{number}").write_bytes(os.urandom(number * 50))
    (tmp_path / "d1" / "link").symlink_to("nowhere")
    return tmp_path


def test_read_many(engine: Engine, tree: Path) -> None:
    paths = [str(path) for path in sorted(tree.rglob("file*"))]
    example = load("read_many")
    assert example.after(engine, paths) == example.before(paths) == [Path(path).read_bytes() for path in paths]
    with pytest.raises(FileNotFoundError):
        example.after(engine, [*paths, "absent"])


def test_tree_size(engine: Engine, tree: Path) -> None:
    example = load("tree_size")
    assert example.after(engine, str(tree)) == example.before(str(tree)) == sum(range(60)) * 50 + len("nowhere")


def test_copy_file(engine: Engine, tmp_path: Path) -> None:
    example, source = load("copy_file"), tmp_path / "source"
    for content in (os.urandom(300_001), b"", b"x" * example.ROOM):
        source.write_bytes(content)
        example.before(str(source), str(tmp_path / "before"))
        example.after(engine, str(source), str(tmp_path / "after"))
        assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes() == content
    with pytest.raises(FileNotFoundError, match="atom openat2 of chain copying"):
        example.after(engine, str(tmp_path / "absent"), str(tmp_path / "after"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def converse(address: tuple[str, int]) -> None:
    clients = [socket.create_connection(address, timeout=20) for _ in range(30)]
    for turn in range(3):
        for number, client in enumerate(clients):
            client.sendall(f"{turn} {number}".encode())
        for number, client in enumerate(clients):
            assert client.recv(100) == f"{turn} {number}".encode()
    for client in clients:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        client.close()


def test_echo(engine: Engine, open_engine: object, listener: socket.socket) -> None:
    example = load("echo")
    with Engine(slots=100, backend=engine.backend) as own:
        example.after(own, listener)
        converse(listener.getsockname())
        assert own.wait(timeout=0) == []


def exchange(address: tuple[str, int]) -> None:
    """More both ways at once than any buffer holds, then the end of each way on its own."""
    sent, received = os.urandom(6_000_000), bytearray()
    with socket.create_connection(address, timeout=60) as client:
        sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
        sender.start()
        while piece := client.recv(1 << 16):
            received += piece
        sender.join()
    assert bytes(received) == sent


@contextmanager
def echoing() -> Iterator[tuple[str, int]]:
    """A server that sends back what comes, to one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with listener.accept()[0] as peer:
                        while piece := peer.recv(1 << 14):
                            peer.sendall(piece)

        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        server.join()


@pytest.mark.parametrize("way", ["before", "after"])
def test_proxy(engine: Engine, listener: socket.socket, way: str) -> None:
    example = load("proxy")

    async def both(own: Engine, address: tuple[str, int]) -> None:
        arguments = (own, listener, address) if way == "after" else (listener, address)
        serving = asyncio.create_task(getattr(example, way)(*arguments))
        for _ in range(3):
            await asyncio.to_thread(exchange, listener.getsockname())
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    with echoing() as address, Engine(slots=300, backend=engine.backend) as own:
        asyncio.run(both(own, address))


def test_proxy_counts_short_splices(engine: Engine) -> None:
    """A target with little room takes what was read in pieces, and each byte once."""
    content, got = os.urandom(1_000_000), bytearray()
    (near, source), (target, far) = socket.socketpair(), socket.socketpair()
    with near, source, target, far:
        target.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        def read() -> None:
            while piece := far.recv(1000):
                got.extend(piece)

        threads = [threading.Thread(target=lambda: (near.sendall(content), near.shutdown(socket.SHUT_WR))),
                   threading.Thread(target=read)]  # fmt: skip
        for thread in threads:
            thread.start()
        steps = engine.trace(load("proxy").carrying, source=source, target=target)
        for thread in threads:
            thread.join()
    assert any(step.call == "umem_sub" and step.result > 0 for step in steps), "no splice was short"
    assert bytes(got) == content


def test_what_echo_replaces_does_the_same(listener: socket.socket) -> None:
    async def both() -> None:
        serving = asyncio.create_task(load("echo").before(listener))
        await asyncio.to_thread(converse, listener.getsockname())
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(both())
