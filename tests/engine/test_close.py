"""Closing in the middle of everything: at once, and nothing is left. And what is left after a rush: nothing either."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack

import pytest
from support.client import Client, get
from support.poll import until
from support.running import Running

from tuxpy.atoms import COUNTER, Chain, Reason, flags
from tuxpy.config.settings import Backend
from tuxpy.engine.http_engine import METRICS

from .crowd import STATES, Address, crowd, visit
from .places import PLACES
from .rig import Rig, descriptors, judged, listening

EACH = 25
PARKED = 100
CLOSED_WITHIN_S = 2.0
LONG_S = 600  # no time limit of the server ends a crowd that a slow machine is still gathering
GAUGES = [name for name, _, is_gauge in METRICS if is_gauge]


@contextmanager
def arriving(address: Address) -> Iterator[None]:
    """Somebody who comes and comes, also while the engine closes."""
    leave = threading.Event()

    def come() -> None:
        while not leave.is_set():
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.1) as one:
                one.sendall(b"GET / HTTP/1.1\r\n")

    comer = threading.Thread(target=come)
    comer.start()
    try:
        yield
    finally:
        leave.set()
        comer.join()


def timed(close: Callable[[], None]) -> float:
    begun = time.monotonic()
    close()
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_an_engine_closes_in_the_middle_of_everything(backend: Backend, root: Path) -> None:
    for _ in range(20):
        long_ms = dict.fromkeys(("head_ms", "idle_ms", "send_ms"), LONG_S * 1000)
        with listening() as listener, judged(backend, root, slots=EACH * len(STATES) + PARKED, **long_ms) as rig:
            before = set(descriptors())
            rig.serve(listener, copies=EACH * len(STATES) + PARKED)
            with crowd(listener.getsockname(), EACH) as clients:
                rig.wait_for("connections", EACH * len(STATES))
                rig.wait_for("requests", EACH * 4)
                rig.wait_for("joined", EACH - 1)  # the first of those who ask for the same is with the judge
                with arriving(listener.getsockname()):
                    rig.stop_judging()
                    assert timed(rig.engine.close) < CLOSED_WITHIN_S
                for client in clients:
                    client.rest_or_reset()
            left = set(descriptors()) - before
            assert not left, f"left open: {[descriptors()[fd] for fd in left]}"


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_server_closes_in_the_middle_of_everything(backend: Backend, root: Path) -> None:
    """Its judge answers everybody; a second signal ends it."""
    for _ in range(20):
        running = Running(
            root, backend, max_connections=EACH * len(STATES) + PARKED,
            head_timeout_s=LONG_S, idle_timeout_s=LONG_S, send_timeout_s=LONG_S,
        )  # fmt: skip
        try:
            with crowd(running.address, EACH) as clients:
                running.wait_for("connections", EACH * len(STATES))
                running.wait_for("requests", EACH * 5)
                with arriving(running.address):
                    running.server.stop()
                    running.server.stop()
                    running._thread.join()
                    assert timed(running.server.close) < CLOSED_WITHIN_S
                for client in clients:
                    client.rest_or_reset()
            assert running.result == 128 + signal.SIGTERM
        finally:
            running.close()


@pytest.mark.parametrize("place", PLACES)
def test_an_engine_closes_wherever_its_runs_wait(backend: Backend, place: str) -> None:
    """What is lent to them stays as it was."""
    with PLACES[place]() as (frozen, given), Rig(backend) as rig:
        before = descriptors()
        rig.engine.submit(frozen, given, copies=5)
        rig.wait_until_parked(5)
        assert timed(rig.engine.close) < CLOSED_WITHIN_S
        assert set(descriptors()) <= set(before)
        if place.endswith("stalled_reader"):
            with socket.socket(fileno=os.dup(given["fd"])) as lent, pytest.raises(BlockingIOError):
                lent.recv(1, socket.MSG_DONTWAIT)  # neither ended nor shut down


@pytest.mark.slow
def test_an_engine_of_many_slots_closes_while_clients_arrive(backend: Backend, root: Path) -> None:
    """So many that a ring accepts all who come, also those whom nobody will serve."""
    for _ in range(10):
        with listening() as listener, judged(backend, root, slots=1200) as rig:
            before = descriptors()
            rig.serve(listener, copies=1200)
            with arriving(listener.getsockname()), arriving(listener.getsockname()):
                rig.wait_for("accepted", 50)
                rig.stop_judging()
                assert timed(rig.engine.close) < CLOSED_WITHIN_S
            assert set(descriptors()) <= set(before)


@pytest.mark.slow
def test_an_engine_closes_while_its_workers_open_files(backend: Backend, root: Path) -> None:
    """What a worker has opened for a run that is gone is closed too."""
    c = Chain("opens", budget=1000)
    file, how = c.fd("file"), c.data(pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0))
    c.openat2(c.param("root"), c.data(b"notes.txt\0"), how, 24, ret=file, label="open", flags=flags.ASYNC, next="open")
    frozen = c.freeze()
    folder = os.open(root, os.O_PATH)
    try:
        for _ in range(30):
            before = descriptors()
            with Rig(backend, slots=200, workers=8) as rig:
                rig.engine.submit(frozen, {"root": folder}, copies=200)
                rig.wait_for("cold", 100)
            assert descriptors() == before
    finally:
        os.close(folder)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_left_after_a_rush(backend: Backend, root: Path, seed: int) -> None:
    """Odd pieces, resets, clients that vanish; then every gauge is at rest, and every run tells its end."""
    runs = 48
    with listening() as listener, judged(backend, root, slots=runs, linger_ms=200, head_ms=2_000) as rig:
        rig.serve(listener, copies=runs)
        end = time.monotonic() + 4
        failures: list[BaseException] = []

        def rush(number: int) -> None:
            chance = random.Random(seed * 100 + number)
            try:
                while time.monotonic() < end:
                    visit(listener.getsockname(), chance)
            except BaseException as error:
                failures.append(error)

        crowds = [threading.Thread(target=rush, args=(number,)) for number in range(6)]
        for one in crowds:
            one.start()
        for one in crowds:
            one.join()
        assert failures == []
        rig.wait_for("connections", 0, least=False)
        until(lambda: (now := rig.engine.metrics())["responses"] == now["entries"])  # the judge may still answer one
        at_rest = rig.engine.metrics()
        assert at_rest["accepted"] > 200, "hardly a rush"
        assert (at_rest["runs"], at_rest["accept_errors"]) == (runs, 0)
        assert at_rest["responses"] == at_rest["entries"]
        with Client(listener.getsockname()) as client:
            assert client.ask(get("/notes.txt", "Connection: close")).status == 200
        rig.engine.forget()
        rig.engine.set_shared(COUNTER, 0)
        rig.engine.drain()
        assert {r.reason for r in rig.results(runs)} == {Reason.STOP}
        until(lambda: not any(rig.engine.metrics()[name] for name in GAUGES))  # a worker may still hold an answer
        after = rig.engine.metrics()
        assert {name: after[name] for name in GAUGES} == dict.fromkeys(GAUGES, 0)
        assert (after["submitted"], after["completions"], after["refused"]) == (runs, runs, 0)
