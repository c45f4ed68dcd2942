"""Whatever fails in the judge's thread, clients are answered and the next one is judged. RFC 9110 15.6, 9112 9.6."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from support.client import get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running

from tuxpy.atoms import Chain
from tuxpy.model import Answer
from tuxpy.serving import answering as answering_module
from tuxpy.serving.service import Service
from tuxpy.site.judge import judge_miss


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_9110_15_6_4_without_memory_a_client_gets_503(
    server: Running,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    """It lies ready in the engine; the connection ends as HTTP has it, and what is pipelined behind is not answered."""

    def fails(*_: object) -> Answer:
        raise MemoryError

    client = connect(server)
    with monkeypatch.context() as patch:
        patch.setattr(answering_module, "judge_miss", fails)
        client.send(get("/notes.txt", method=method) * 2)
        answer = client.read(method == "HEAD")
        assert (answer.status, answer.closes, answer[b"retry-after"]) == (503, True, b"1")
        assert client.rest() == b""
    assert ["no memory is left" in message for message in caplog.messages] == [True]
    caplog.clear()
    assert connect(server).ask(get("/notes.txt")).status == 200, "it is not kept"


def test_9110_15_6_1_what_the_engine_refuses_is_500(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A chain that C distrusts, with a file that it was to own: an answer all the same, and the file is closed."""

    def wrong(*args: object) -> Answer:
        answer = judge_miss(*args)  # type: ignore[arg-type]
        chain = Chain("nonsense")
        chain.close(chain.fd("x"))
        return replace(answer, chain=chain.freeze())

    with monkeypatch.context() as patch:
        patch.setattr(answering_module, "judge_miss", wrong)
        for target in ("/notes.txt", "/from-file.bin"):
            client = connect(server)
            answer = client.ask(get(target))
            assert (answer.status, answer.closes) == (500, True)
            assert client.rest() == b""
    (said,) = caplog.messages
    assert "GET /notes.txt HTTP/1.1" in said and "500" in said
    caplog.clear()
    assert connect(server).ask(get("/notes.txt")).status == 200


@pytest.mark.parametrize("duty", ["renew", "judge_ahead", "judge"])
def test_a_duty_that_fails_ends_neither_the_loop_nor_the_others(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, duty: str
) -> None:
    failed: list[int] = []

    def fails(*_: object) -> bool:
        failed.append(1)
        if len(failed) > 3:
            monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr(Service, duty, fails)
    server.server._service.knock()
    assert connect(server).ask(get("/notes.txt")).status == 200
    assert until(lambda: len(failed) > 3 and caplog.messages)
    assert len(caplog.messages) == 1, "it is said once"
    caplog.clear()


def test_a_knock_that_is_lost_heals(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the eventfd says, questions are looked for whenever the loop looks around."""
    server = serve()

    def nothing(_: int) -> int:
        raise BlockingIOError

    with monkeypatch.context() as patch:
        patch.setattr(os, "eventfd_read", nothing)
        assert connect(server).ask(get("/notes.txt")).status == 200
