"""Rubbish by the hundred beside one who behaves: nothing is lost, nobody is harmed. RFC 9110 section 17."""

from __future__ import annotations

import random
import threading

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import CONTENT

from tuxpy.config.bounds import ClientLimits
from tuxpy.serving.refusal_log import Refusals

_HEADS = (
    get("/notes.txt"),
    get("/docs?a=b", "Accept-Encoding: gzip, br", 'If-None-Match: "a", W/"b"'),
    get("http://a/from-file.bin", "Connection: keep-alive", "Range: bytes=0-5", method="HEAD"),
    get("/in-memory.bin", "Content-Length: 10", "Expect: 100-continue") + b"0123456789",
    get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n0\r\n\r\n",
)
_BITS = (b"\r", b"\n", b"\r\n\r\n", b"\0", b" ", b":", b"\xff" * 9, b"%", b"..", b"//", b"HTTP/", b"9" * 30)


def mutated(chance: random.Random) -> bytes:
    """A sound request, damaged in one to six places."""
    data = bytearray(chance.choice(_HEADS) * chance.randrange(1, 4))
    for _ in range(chance.randrange(1, 7)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            data[at:at] = chance.choice(_BITS)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 30)]
        elif kind == 2:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.randrange(40))
        else:
            data[at:at] = data[: chance.randrange(len(data) + 1)]
    return bytes(data)


def _abuse(address: tuple[str, int], chance: random.Random) -> None:
    """One bad client: it may read or not, cut or not, finish, vanish or wait."""
    with Client(address, receive_buffer=chance.choice([None, 2048])) as client:
        data = mutated(chance)
        cut = chance.randrange(len(data) + 1)
        client.send_until_refused(data[:cut])
        client.send_until_refused(data[cut:])
        ending = chance.randrange(4)
        if ending == 0:
            client.reset()
        elif ending == 1:
            client.finish_if_connected()
            answers = client.rest_or_reset()
            assert not answers or answers.startswith(b"HTTP/1.1 ")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_9110_17_rubbish_harms_nobody(server: Running, connect: Connect, seed: int) -> None:
    """Two hundred connections, and one client that gets the right answers all along."""
    names = ["notes.txt", "from-file.bin", "style.css", "in-memory.bin"]
    done = threading.Event()
    failures: list[BaseException] = []

    def abuse(part: int) -> None:
        chance = random.Random(seed * 1000 + part)
        try:
            for _ in range(50):
                _abuse(server.address, chance)
        except BaseException as failure:  # told below
            failures.append(failure)

    threads = [threading.Thread(target=abuse, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    client, count = connect(server), 0
    while not done.is_set() or count < 100:
        name = names[count % len(names)]
        assert client.ask(get(f"/{name}")).body == CONTENT[name]
        count += 1
        if not any(thread.is_alive() for thread in threads):
            done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    client.close()
    assert server.wait_for("accepted", 201) == 201
    assert until(lambda: server.metric("connections") == 0)


@pytest.mark.parametrize("seed", range(20))
def test_9112_2_2_rubbish_is_answered_alike_whole_and_byte_by_byte(
    server: Running, connect: Connect, seed: int
) -> None:
    """What was taken for requests does not depend on how the bytes arrived."""
    data = mutated(random.Random(seed))[:3000]
    whole, slow = connect(server), connect(server)
    whole.send_until_refused(data)
    whole.finish_if_connected()
    slow.send_bytewise(data, lambda: server.wait_until_read(slow))
    slow.finish_if_connected()
    assert _statuses(slow.rest_or_reset()) == _statuses(whole.rest_or_reset())


def _statuses(answers: bytes) -> list[bytes]:
    return [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),  # TLS
        b"\x00" * 5000,
        b"\xff" * 5000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\r\n" * 3000,
        b"\n" * 5000,
        b"\r" * 5000,
        b" " * 5000,
        b"GET " * 5000,
        b":" * 20_000 + b"\r\n\r\n",
    ],
    ids=["tls", "nul", "ff", "ssh", "crlf", "lf", "cr", "space", "get", "colon"],
)
def test_9112_2_another_protocol_is_refused_or_left(server: Running, connect: Connect, data: bytes) -> None:
    client = connect(server)
    client.send_until_refused(data)
    client.finish_if_connected()
    rest = client.rest_or_reset()
    assert not rest or rest.startswith(b"HTTP/1.1 4")


@pytest.mark.slow
@pytest.mark.parametrize("most", [16, 4096])
def test_9110_17_5_connections_that_come_and_go(
    serve: Serve, connect: Connect, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Refusals, "look", lambda *_: None)  # of 16 some go to make room
    server = serve(max_connections=most, limits=ClientLimits(when_full="wait"))
    for number in range(1000):
        client = Client(server.address)
        if number % 3 == 0:
            client.send(get("/notes.txt"))
        client.reset() if number % 2 else client.close()
    # Who sends nothing is accepted only when he ends in order; some others may be gone before they are accepted.
    assert server.wait_for("accepted", 600) >= 600
    assert until(lambda: server.metric("connections") == 0)
    assert connect(server).ask(get("/notes.txt")).status == 200
