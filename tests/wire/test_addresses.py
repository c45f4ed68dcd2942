"""Gates by the address that a client has: 403 (RFC 9110 15.5.4), and no answer that is for another address."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import running as running_module
from support.access import CHALLENGE, ClientFrom, basic, write_users
from support.both_ways import ask_both_ways
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.running import Running

from tuxpy.config.settings import Address
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy

DOCS, DEEP = "/docs/", "/docs/deep/a.css"
HERE, THERE, FAR = "127.0.0.1", "127.0.0.2", "127.3.0.9"
ANN, WRONG = basic("ann", "right"), basic("ann", "wrong")

From = Callable[..., Client]


@pytest.fixture
def come_from(serve: Serve) -> Iterator[From]:
    """Opens connections from an address of one's choice, and closes them at the end."""
    opened: list[Client] = []

    def come_from_(source: str, running: Running) -> Client:
        host, port = running.address
        opened.append(ClientFrom((host.strip("[]").removeprefix("::ffff:"), port), source))
        return opened[-1]

    yield come_from_
    for client in opened:
        client.close()


@pytest.fixture
def users(tmp_path: Path) -> str:
    return write_users(tmp_path / "users", ann="right")


def gate(**words: object) -> Policy:
    return Policy(gates=(Gate.parse("/docs/*", **words),))  # type: ignore[arg-type]


def asker(come_from: From, running: Running, source: str) -> Callable[[Running], Client]:
    """The function that ask_both_ways opens its connections with."""
    return lambda _: come_from(source, running)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_9110_15_5_4_an_address_that_may_not_ask_gets_403(
    serve: Serve, come_from: From, method: str
) -> None:
    """For all that is there and all that is not. There is no challenge: no password would help."""
    running = serve(policy=gate(allow=[HERE]))
    for target in (DOCS, DEEP, "/docs", "/docs/nothing", "/docs/.hidden", "//docs/%2e/"):
        request = get(target, method=method)
        refused = ask_both_ways(running, asker(come_from, running, THERE), request, kept=True)
        assert (refused.status, b"www-authenticate" in refused, refused.closes) == (403, False, False)
        allowed = ask_both_ways(running, asker(come_from, running, HERE), request, kept=True)
        assert allowed.status in (200, 301, 404)
        assert (allowed.body, refused.body) == (b"", b"") or method == "GET"
    assert come_from(THERE, running).ask(get("/notes.txt", method=method)).status == 200
    assert come_from(THERE, running).ask(get(DOCS, method="OPTIONS")).status == 204


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("words", [{"allow": [HERE]}, {"deny": [THERE]}, {"allow": ["127.0.0.0/8"], "deny": [THERE]}])
def test_9111_4_a_kept_answer_is_for_its_class(
    serve: Serve, come_from: From, words: dict[str, list[str]], first: int
) -> None:
    """Each class is judged once, whichever asks first; then both are answered from what was kept."""
    running = serve(policy=gate(**words))
    both = [(come_from(HERE, running), 200), (come_from(THERE, running), 403)]
    before = running.metrics()
    for _ in range(3):
        for client, status in (both[first], both[1 - first]):
            assert [client.ask(get(DEEP)).status for _ in range(2)] == [status] * 2
    assert running.metric("judged") - before["judged"] == 2
    for source, status in ((HERE, 200), (THERE, 403), (HERE, 200)):
        assert come_from(source, running).ask(get(DEEP)).status == status
    assert running.metric("judged") - before["judged"] == 2


@pytest.mark.parametrize(
    ("words", "open_to"),
    [
        ({"allow": [HERE]}, (True, False, False)),
        ({"deny": [HERE]}, (False, True, True)),
        ({"allow": ["127.0.0.0/16"]}, (True, True, False)),
        ({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.0/24"]}, (False, False, True)),
        ({"allow": ["127.0.0.0/8", HERE], "deny": ["127.0.0.0/24"]}, (True, False, True)),
        ({"allow": ["all"], "deny": [FAR]}, (True, True, False)),
        ({"allow": [THERE], "deny": ["all"]}, (False, True, False)),
        ({"allow": ["::/0"]}, (False, False, False)),
        ({"deny": ["::/0"]}, (True, True, True)),
        ({"allow": ["::ffff:127.0.0.2"]}, (False, True, False)),
        ({"allow": ["::1"], "deny": ["127.0.0.0/31"]}, (False, False, False)),
    ],
)
def test_the_most_specific_network_decides(
    serve: Serve, come_from: From, words: dict[str, list[str]], open_to: tuple[bool, ...]
) -> None:
    """An address in no list may ask when there are only denials."""
    running = serve(policy=gate(**words))
    for _ in range(2):
        statuses = [come_from(source, running).ask(get(DEEP)).status for source in (HERE, THERE, FAR)]
        assert statuses == [200 if is_open else 403 for is_open in open_to]


def test_several_gates_have_classes_of_their_own(serve: Serve, come_from: From) -> None:
    """What one address may and another may not is never mixed up, and every gate must be passed."""
    gates = (
        Gate.parse("/docs/*", allow=[HERE, THERE]),
        Gate.parse("/docs/deep/*", allow=[THERE, FAR]),
        Gate.parse("/*.bin", deny=[HERE]),
        Gate.parse("/notes.txt", allow=["all"]),
    )
    running = serve(policy=Policy(gates=gates))
    wanted = {
        HERE: {DOCS: 200, DEEP: 403, "/in-memory.bin": 403, "/notes.txt": 200},
        THERE: {DOCS: 200, DEEP: 200, "/in-memory.bin": 200, "/notes.txt": 200},
        FAR: {DOCS: 403, DEEP: 403, "/in-memory.bin": 200, "/notes.txt": 200},
    }
    for _ in range(2):
        for source, answers in wanted.items():
            client = come_from(source, running)
            assert {target: client.ask(get(target)).status for target in answers} == answers


def test_an_excepted_path_is_open_to_all(serve: Serve, come_from: From) -> None:
    running = serve(policy=gate(allow=[HERE], excepted=["/docs/deep/*"]))
    client = come_from(THERE, running)
    assert [client.ask(get(target)).status for target in (DEEP, DOCS)] == [200, 403]


def test_9110_15_5_4_a_page_of_the_site_for_403(serve: Serve, come_from: From) -> None:
    policy = Policy(gates=(Gate.parse("/docs/*", allow=[HERE]),), error_pages={403: b"docs/index.html"})
    running = serve(policy=policy)
    refused = ask_both_ways(running, asker(come_from, running, THERE), get(DEEP), kept=True)
    assert (refused.status, refused.body) == (403, b"<!doctype html><title>docs</title>\n")
    assert ask_both_ways(running, asker(come_from, running, HERE), get(DEEP), kept=True).status == 200


# Addresses and passwords.


def test_an_address_and_a_password(serve: Serve, come_from: From, users: str) -> None:
    """Without `either` both are asked for: who comes from elsewhere gets no chance to guess."""
    running = serve(policy=gate(allow=[HERE], login=Login(users)))
    here, there = asker(come_from, running, HERE), asker(come_from, running, THERE)
    assert ask_both_ways(running, here, get(DEEP), kept=True).status == 401
    assert ask_both_ways(running, here, get(DEEP, WRONG), kept=False).status == 401
    assert ask_both_ways(running, here, get(DEEP, ANN), kept=True).status == 200
    for shown in ((), (ANN,), (WRONG,)):
        refused = ask_both_ways(running, there, get(DEEP, *shown), kept=True)
        assert (refused.status, b"www-authenticate" in refused) == (403, False)


@pytest.mark.parametrize("first", [HERE, THERE])
def test_an_address_or_a_password(serve: Serve, come_from: From, users: str, first: str) -> None:
    """With `either` one of them is enough: 401 for who has neither. What is kept for one is not for the other."""
    running = serve(policy=gate(allow=[HERE], login=Login(users), either=True))
    come_from(first, running).ask(get(DEEP))
    here, there = asker(come_from, running, HERE), asker(come_from, running, THERE)
    for shown in ((), (ANN,), (WRONG,)):
        assert ask_both_ways(running, here, get(DEEP, *shown), kept=True).status == 200
    refused = ask_both_ways(running, there, get(DEEP), kept=True)
    assert (refused.status, refused[b"www-authenticate"]) == (401, CHALLENGE)
    assert ask_both_ways(running, there, get(DEEP, ANN), kept=True).status == 200
    assert ask_both_ways(running, there, get(DEEP, WRONG), kept=False).status == 401


# IPv6.


def listening_at(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The next server listens there, or the test is skipped."""
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.bind((host, 0))
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error.strerror}")
    monkeypatch.setattr(running_module, "Address", lambda *_: Address(host, 0, True))


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"allow": ["::1"]}, 200),
        ({"allow": ["::/64"]}, 200),
        ({"allow": ["all"]}, 200),
        ({"deny": ["127.0.0.1"]}, 200),
        ({"deny": ["0.0.0.0/0"]}, 200),
        ({"deny": ["::1"]}, 403),
        ({"allow": ["127.0.0.0/8"]}, 403),
        ({"allow": ["::2/127"]}, 403),
    ],
)
def test_4291_2_5_3_the_loopback_of_ipv6(
    serve: Serve, come_from: From, monkeypatch: pytest.MonkeyPatch, words: dict[str, list[str]], status: int
) -> None:
    listening_at(monkeypatch, "::1")
    running = serve(policy=gate(**words))
    client = come_from("::1", running)
    assert [client.ask(get(DEEP)).status for _ in range(2)] == [status] * 2
    assert come_from("::1", running).ask(get("/notes.txt")).status == 200


@pytest.mark.parametrize(
    ("words", "open_to"),
    [
        ({"allow": ["127.0.0.1"]}, (True, False)),
        ({"deny": ["127.0.0.1"]}, (False, True)),
        ({"allow": ["::ffff:127.0.0.0/127"]}, (True, False)),
        ({"allow": ["::/0"]}, (False, False)),
        ({"allow": ["0.0.0.0/0"], "deny": ["127.0.0.2/31"]}, (True, False)),
    ],
)
def test_4291_2_5_5_2_an_ipv4_address_is_itself_on_an_ipv6_listener(
    serve: Serve,
    come_from: From,
    monkeypatch: pytest.MonkeyPatch,
    words: dict[str, list[str]],
    open_to: tuple[bool, ...],
) -> None:
    """The kernel shows it as ::ffff:127.0.0.1; rules mean the same address."""
    listening_at(monkeypatch, "::ffff:127.0.0.1")
    running = serve(policy=gate(**words))
    for _ in range(2):
        statuses = [come_from(source, running).ask(get(DEEP)).status for source in (HERE, THERE)]
        assert statuses == [200 if is_open else 403 for is_open in open_to]


def test_without_a_rule_nobody_is_told_apart(serve: Serve, connect: Connect, come_from: From) -> None:
    """One answer for all addresses: what is kept for one is for every one."""
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", allow=["all"]),)))
    assert connect(running).ask(get(DEEP)).status == 200
    before = running.metric("judged")
    assert [come_from(source, running).ask(get(DEEP)).status for source in (THERE, FAR)] == [200] * 2
    assert running.metric("judged") == before
