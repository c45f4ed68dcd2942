"""Reloads and upgrades under load, again and again: not one request fails, and nothing is left behind."""

from __future__ import annotations

import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.access import SlowCheck, basic, write_users
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.load import Load
from support.poll import until
from support.running import Running, refusal
from support.webroot import settle, write

from tuxpy.config.settings import Backend, Config
from tuxpy.config.sites import SiteConfig
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy

LASTS_S = 4.0
EVERY_S = 0.2
TARGETS = [f"/{number}.txt" for number in range(50)] + ["/large.bin"]


class Process:
    """A server in a process of its own, and whoever it has handed over to."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        self.file = folder / "tuxpy.toml"
        self.log = folder / "log"
        words = [sys.executable, "-m", "tuxpy", "serve", "-c", str(self.file), "-w", "2", "--backend", backend]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stderr=log, cwd=Path(__file__).parents[2])
        self.pid = self.process.pid
        assert until(lambda: " serves " in self.said), self.said
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", self.said)
        assert found
        self.address = ("127.0.0.1", int(found[1]))

    @property
    def said(self) -> str:
        return self.log.read_text()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208

    def upgrade(self) -> None:
        count = self.said.count("serves now")
        os.kill(self.pid, signal.SIGUSR2)
        assert until(lambda: self.said.count("serves now") > count, 20), self.said
        self.pid = int(re.findall(r"process (\d+) serves now", self.said)[-1])

    def stop(self) -> None:
        for pid in {self.pid, self.process.pid}:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        assert self.process.wait(20) == 0
        assert until(lambda: not Path(f"/proc/{self.pid}/exe").exists())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two roots with the same names and different content."""
    for root in ("one", "two"):
        for target in TARGETS:
            write(tmp_path / root / target[1:], root.encode() * (100_000 if target == "/large.bin" else 100))
    settle()
    return tmp_path


def configuration(number: int) -> str:
    """Another one each time: the root, rules by address and by field, a listener that comes and goes."""
    text = '[server]\nlisten = ["127.0.0.1:0"' + f', "unix:@tuxpy-{os.getpid()}"' * (number % 3 == 1) + "]\n"
    cors = ["https://a.example"] if number % 4 == 0 else []
    text += f'[site]\nroot = "{("one", "two")[number % 2]}"\ncors = {cors}\n'
    if number % 3:
        text += f'[[site.access]]\npath = "/*"\nallow = ["127.0.0.0/8", "10.0.0.{number % 250}"]\n'
    return text.replace("'", '"') + f'[[site.headers]]\npath = "*"\nset = {{ X-Number = "{number}" }}\n'


@pytest.fixture
def process(folder: Path, backend: Backend) -> Iterator[Process]:
    why_not = refusal(backend)
    if why_not is not None:
        pytest.skip(why_not)
    (folder / "tuxpy.toml").write_text(configuration(0))
    process = Process(folder, backend)
    yield process
    process.stop()


def good(answer: Response) -> bool:
    """One of the two versions, whole."""
    return answer.status == 200 and answer.body in {word * (len(answer.body) // 3) for word in (b"one", b"two")}


def alarms(said: str) -> list[str]:
    return [line for line in said.splitlines() if re.search(r" (warning|error) ", line) and "as root" not in line]


@pytest.mark.slow
def test_reloads_under_load(process: Process) -> None:
    reloads = 0
    with Load(process.address, TARGETS, good) as load:
        load.wait_for_more(200)
        before = process.descriptors()
        end = time.monotonic() + LASTS_S
        while time.monotonic() < end or reloads < 10:
            reloads += 1
            process.file.write_text(configuration(reloads))
            os.kill(process.pid, signal.SIGHUP)
            assert until(lambda: process.said.count("is in force") >= reloads), process.said  # noqa: B023
            time.sleep(EVERY_S / 2)
        load.wait_for_more(200)
    assert load.failures == []
    assert load.answered >= 400
    assert alarms(process.said) == []
    assert until(lambda: process.descriptors() <= before + 4), "old roots and listeners are left open"


@pytest.mark.slow
def test_upgrades_under_load(process: Process) -> None:
    with Load(process.address, TARGETS, good) as load:
        for _ in range(4):
            load.wait_for_more(300)
            process.upgrade()
        load.wait_for_more(300)
    assert load.failures == []
    assert load.answered > 1500
    assert alarms(process.said) == []


@pytest.mark.slow
def test_bad_configurations_under_load(process: Process) -> None:
    with Load(process.address, TARGETS, good) as load:
        for number in range(1, 11):
            process.file.write_text(f"[server]\nlisen = {number}\n")
            os.kill(process.pid, signal.SIGHUP)
            assert until(lambda: process.said.count("configuration is refused") >= number)  # noqa: B023
            load.wait_for_more(20)
    assert load.failures == []
    assert len(alarms(process.said)) == 10


# What is under way when the rules change.


def reload_to(running: Running, policy: Policy) -> None:
    """Another policy for the same root, in force when this returns."""
    server = running.server
    site = SiteConfig(server.config.sites[0].root, policy)
    config: Config = replace(server.config, sites=(site,))
    done = threading.Event()
    server._reloads.load = lambda: config
    server.reloaded = lambda _: done.set()
    server.ask(signal.SIGHUP)
    assert done.wait(10)


def test_what_waits_for_a_worker_is_answered_by_the_rules_it_was_asked_under_and_not_kept(
    serve: Serve, connect: Connect, tmp_path: Path, check: SlowCheck, caplog: pytest.LogCaptureFixture
) -> None:
    users = write_users(tmp_path / "users", ann="right")
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", login=Login(users)),)))
    first, second = connect(running), connect(running)
    asked = get("/docs/", basic("ann", "right"))
    first.send(asked)
    assert until(lambda: check.begun)
    reload_to(running, Policy(gates=(Gate.parse("/*", deny=["127.0.0.1"]),)))
    assert second.ask(asked).status == 403
    assert len(list(running.server._service.generations)) == 2, "the old site still has a question to answer"
    check.let_go()
    assert first.read().status == 200
    assert first.ask(asked).status == 403 and second.ask(asked).status == 403
    assert until(lambda: len(list(running.server._service.generations)) == 1)


def test_who_waits_for_the_same_answer_asks_again(
    serve: Serve, connect: Connect, tmp_path: Path, check: SlowCheck
) -> None:
    """Whoever has only joined has asked nothing yet, so the new rules are his."""
    users = write_users(tmp_path / "users", ann="right")
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", login=Login(users)),)))
    clients = [connect(running) for _ in range(4)]
    for client in clients:
        client.send(get("/docs/", basic("ann", "right")))
    assert until(lambda: running.metric("joined") == 3)
    reload_to(running, Policy(gates=(Gate.parse("/*", deny=["127.0.0.1"]),)))
    late = clients[1:]
    assert until(lambda: all(select.select([client.socket], [], [], 0)[0] for client in late))
    assert [client.read().status for client in late] == [403] * 3
    check.let_go()
    assert clients[0].read().status == 200


def test_rules_that_change_a_hundred_times(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """Engines take them in order; the last holds, and no site is left open."""
    caplog.set_level(logging.WARNING, "tuxpy")
    running = serve()
    client = connect(running)
    open_, shut = Policy(), Policy(gates=(Gate.parse("/*", deny=["127.0.0.1"]),))
    for number in range(100):
        reload_to(running, shut if number % 2 else open_)
        assert client.ask(get("/notes.txt")).status == (403 if number % 2 else 200)
    assert until(lambda: len(list(running.server._service.generations)) == 1)
