"""One question, asked in every way in which the server may come to its answer: judged or from the cache, whole or
byte by byte, on a connection that has been used or a fresh one. All answers must be the same."""

from __future__ import annotations

from collections.abc import Callable

from .client import Client, Response, get
from .poll import until
from .running import Running

_PROBE = get("/notes.txt", "If-None-Match: *")


def ask_both_ways(running: Running, connect: Callable[[Running], Client], request: bytes, kept: bool) -> Response:
    """The answer. `kept`: it may be judged once at most; otherwise the judge must be asked every time."""
    head_only = request.lstrip(b"\r\n").startswith(b"HEAD ")
    before = running.metrics()
    used = connect(running)
    first = used.ask(request)
    again = connect(running) if first.closes else used
    fresh, slow = connect(running), connect(running)
    answers = [first, again.ask(request), fresh.ask(request)]
    slow.send_bytewise(request, lambda: running.wait_until_read(slow))
    answers.append(slow.read(head_only))
    _check_counters(running, before, kept)
    for answer in answers:
        assert answer.undated == first.undated
    for client in {id(client): client for client in (used, again, fresh, slow)}.values():
        _check_course(client, first.closes)
    return first


def _check_counters(running: Running, before: dict[str, int], kept: bool) -> None:
    def asked() -> tuple[int, int]:
        now = running.metrics()
        return now["judged"] - before["judged"], now["hits"] - before["hits"]

    until(lambda: sum(asked()) >= 4)
    judged, hits = asked()
    assert judged + hits == 4, f"{judged} judged and {hits} found make not 4 answers"
    assert judged <= 1 if kept else judged == 4, f"{judged} of 4 were judged"


def _check_course(client: Client, closes: bool) -> None:
    """The connection ends in order if that was announced; else the next request is understood."""
    if closes:
        assert client.rest() == b"", "there is something behind the last answer"
    else:
        assert client.ask(_PROBE).status == 304
    client.close()
