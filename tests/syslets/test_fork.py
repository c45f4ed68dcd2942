"""A child of fork(2) has no engine: it is told so in one sentence, its end does nothing, and the parent's goes on."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tuxpy import Address, Config, Engine, EngineError, Server, SiteConfig
from tuxpy.config.settings import Backend, LogConfig
from tuxpy.engine.access_log import AccessLog, open_log
from tuxpy.engine.clients import Clients

from .conftest import Open
from .test_threads import SLEEPERS, asleep, dozing, null, reading, thread_of

SENTENCE = "an engine does not survive fork: make one in the child"
METHODS: dict[str, Callable[[Engine], Any]] = {
    "submit": lambda engine: engine.submit(null),
    "submit_many": lambda engine: engine.submit_many(null, [{}]),
    "run": lambda engine: engine.run(null),
    "run_many": lambda engine: engine.run_many(dozing, ns=[1]),
    "call": lambda engine: engine.call("getpid"),
    "map": lambda engine: list(engine.map(null, [{}])),
    "wait": lambda engine: engine.wait(),
    "wait at once": lambda engine: engine.wait(min=0),
    "cancel": lambda engine: engine.cancel(1),
    "fileno": lambda engine: engine.fileno(),
    "metrics": lambda engine: engine.metrics(),
    "shared": lambda engine: engine.shared(0),
    "set_shared": lambda engine: engine.set_shared(0, 1),
    "trace": lambda engine: engine.trace(null),
}


@pytest.fixture(autouse=True)
def quiet_about_threads() -> Iterator[None]:
    """Python 3.12 warns whoever forks with threads; what comes of that is the matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def in_child(work: Callable[[], Any]) -> None:
    """Do it in a child, which must end by itself with status 0, and be dead within the alarm's time otherwise."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(30)
            work()
            gc.collect()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {os.waitstatus_to_exitcode(status)}"


def test_the_child_is_told_in_one_sentence(engine: Engine) -> None:
    def child() -> None:
        for method in METHODS.values():
            with pytest.raises(EngineError) as told:
                method(engine)
            assert str(told.value) == SENTENCE
        engine.close()

    engine.run(null)
    in_child(child)
    assert engine.run(dozing, ns=1).ok


def test_leaving_the_with_block_in_the_child_does_nothing(backend: Backend) -> None:
    with Engine(slots=64, workers=2, backend=backend) as engine:
        pid = os.fork()
        if pid == 0:
            try:
                raise SystemExit(0)
            finally:
                engine.close()
                os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert engine.run(dozing, ns=1).ok


def test_dropping_it_in_the_child_does_nothing_and_warns_nobody(backend: Backend) -> None:
    kept = [Engine(slots=64, workers=2, backend=backend)]

    def child() -> None:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            kept.clear()
            gc.collect()
        assert not told

    in_child(child)
    with kept[0] as engine:
        assert engine.run(dozing, ns=1).ok


def test_completions_of_the_parent_can_be_read_and_dropped(engine: Engine, files: list[Path]) -> None:
    """Also while another thread has the lock of their memory, which no thread in the child will ever let go."""
    found = [engine.run(null) for _ in range(100)]
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            engine.run_many(dozing, ns=[0] * 20)

    churning = thread_of(churn)
    try:
        for _ in range(20):
            in_child(lambda: (found[0].cells, found.clear()))
    finally:
        stop.set()
        churning.result(30)


@pytest.mark.parametrize("sleeper", SLEEPERS)
def test_fork_while_threads_wait(engine: Engine, sleeper: str, pipe: tuple[int, int]) -> None:
    sleeping = thread_of(lambda: SLEEPERS[sleeper](engine, pipe[0]))
    if sleeper == "arun":
        while engine.metrics()["runs"] == 0:
            assert not sleeping.done()
    else:
        asleep(engine)

    def child() -> None:
        with pytest.raises(EngineError):
            engine.submit(null)
        engine.close()

    in_child(child)
    if sleeper == "wait":
        engine.submit(null)
    os.write(pipe[1], b"x")
    assert sleeping.result(30)


def test_the_child_may_make_its_own(open_engine: Open, backend: Backend, pipe: tuple[int, int]) -> None:
    engine = open_engine()
    cookie = engine.submit(reading, end=pipe[0])

    def child() -> None:
        with Engine(slots=64, workers=2, backend=backend) as mine:
            assert mine.run(dozing, ns=1).ok
            assert mine.call("getpid") == os.getpid()

    in_child(child)
    os.write(pipe[1], b"x")
    assert [one.cookie for one in engine.wait(timeout=30)] == [cookie]


def test_a_child_of_a_child(engine: Engine) -> None:
    in_child(lambda: in_child(engine.close))
    assert engine.run(null).ok


def test_a_server_in_the_child(tmp_path: Path, backend: Backend) -> None:
    """Neither its sockets, its pid file nor its log are touched by the child."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "index.html").write_bytes(b"hello")
    path, pid_file = str(tmp_path / "socket"), tmp_path / "pid"
    config = Config(
        sites=(SiteConfig(root=str(tmp_path / "root")),),
        binds=(Address(unix=path),),
        workers=1,
        backend=backend,
        pid_file=str(pid_file),
        access_log=LogConfig(str(tmp_path / "log")),
    )
    with Server(config) as server:
        loop = threading.Thread(target=server.loop)
        loop.start()
        try:

            def child() -> None:
                with pytest.raises(EngineError, match=SENTENCE):
                    server.metrics()
                server.close()

            in_child(child)
            assert pid_file.exists()
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(30)
                client.connect(path)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"\r\n\r\nhello")
        finally:
            server.stop()
            loop.join()


def test_what_engines_share_in_the_child(tmp_path: Path) -> None:
    log, clients = AccessLog(open_log(str(tmp_path / "log")), "common"), Clients(64)
    try:
        in_child(lambda: (log.close(), clients.close()))
        assert log.state()["error"] == 0
    finally:
        log.close()
        clients.close()
