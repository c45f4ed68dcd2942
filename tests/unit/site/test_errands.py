"""Slow work on behalf of judgements: done once, elsewhere, and never too much of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from support.poll import until

from tuxpy.engine.http_engine import Miss
from tuxpy.model import Answer
from tuxpy.rules.policy import Policy
from tuxpy.site import codings
from tuxpy.site.errands import QUEUE_MAX, Errands, Later
from tuxpy.site.judge import judge_miss, too_busy
from tuxpy.site.opener import opener
from tuxpy.site.root import FileChanged
from tuxpy.site.site import Site

DEADLINE_S = 10


class Door:
    """Work that waits before it, and knocks that are counted."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)
        self.knocked = threading.Semaphore(0)
        self.done: list[object] = []

    def knock(self) -> None:
        self.knocked.release()

    def work(self, result: object) -> Callable[[], object]:
        def wait() -> object:
            self.begun.release()
            assert self.go.wait(DEADLINE_S)
            self.done.append(result)
            return result

        return wait

    def await_knocks(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.knocked.acquire(timeout=DEADLINE_S)

    def await_begun(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=DEADLINE_S)


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.go.set()


@pytest.fixture
def errands(door: Door) -> Iterator[Errands[str]]:
    errands: Errands[str] = Errands(3, door.knock)
    yield errands
    door.go.set()
    errands.close()


def asks(errands: Errands[str], key: object, work: Callable[[], object]) -> Later:
    """The Later that a judgement goes up with."""
    with pytest.raises(Later) as raised:
        errands.fetch("digest", key, work)  # type: ignore[arg-type]
    assert raised.value.key == key
    return raised.value


# Without workers.


def test_without_workers_it_is_done_at_once() -> None:
    """No thread, no Later; each time anew."""
    errands, done = Errands[str](), list[int]()
    before = threading.active_count()
    assert [errands.fetch("digest", "key", lambda: done.append(1) or len(done)) for _ in range(3)] == [1, 2, 3]
    assert threading.active_count() <= before
    assert list(errands.returned()) == []
    errands.close()


def test_without_workers_exceptions_go_straight_up() -> None:
    def fails() -> None:
        raise FileChanged

    with pytest.raises(FileChanged):
        Errands[str]().fetch("digest", "key", fails)


# With workers.


def test_later_comes_before_the_work(errands: Errands[str], door: Door) -> None:
    """Nothing is begun by asking."""
    asks(errands, "key", door.work(1))
    assert (errands.pending, list(errands.returned()), door.done) == (0, [], [])


def test_the_result_is_at_hand_while_its_askers_are_dealt_with(errands: Errands[str], door: Door) -> None:
    """And at no other time: whoever comes afterwards has to remember, or to ask again."""
    door.go.set()
    assert errands.put_off(asks(errands, "key", door.work("found")), "ann") == []
    door.await_knocks()
    dealt = [(who, errands.fetch("digest", "key", door.work("never"))) for who in errands.returned()]
    assert (dealt, door.done) == ([("ann", "found")], ["found"])
    asks(errands, "key", door.work("again"))


def test_one_work_for_many(errands: Errands[str], door: Door) -> None:
    """Also for those that come while it is being done; in the order in which they came."""
    for who in ("ann", "bob"):
        assert errands.put_off(asks(errands, "key", door.work(who)), who) == []
    door.await_begun()
    assert errands.put_off(asks(errands, "key", door.work("eve")), "eve") == []
    assert list(errands.returned()) == []
    door.go.set()
    door.await_knocks()
    assert list(errands.returned()) == ["ann", "bob", "eve"]
    assert door.done == ["ann"]


def test_other_results_are_not_mixed_up(errands: Errands[str], door: Door) -> None:
    """While one is at hand, another key is Later as before; it may be put off then."""
    door.go.set()
    for key in ("one", "two", "three"):
        assert errands.put_off(asks(errands, key, door.work(f"result {key}")), key) == []
    door.await_knocks(3)
    seen = []
    for who in errands.returned():
        seen.append(who)
        assert errands.fetch("digest", who, door.work("never")) == f"result {who}"
        for other in {"one", "two", "three", "four"} - {who}:
            asks(errands, other, door.work("more"))
        if len(seen) == 3:
            assert errands.put_off(asks(errands, "four", door.work("result four")), "four") == []
    assert sorted(seen) == ["one", "three", "two"]
    door.await_knocks()
    assert [errands.fetch("digest", who, door.work("never")) for who in errands.returned()] == ["result four"]


def test_who_needs_the_same_again_gets_it_anew(errands: Errands[str], door: Door) -> None:
    """Put off while its own result is dealt with: that is new work, and nobody is lost."""
    door.go.set()
    assert errands.put_off(asks(errands, "key", door.work(1)), "ann") == []
    door.await_knocks()
    for who in errands.returned():
        assert errands.put_off(Later("key", door.work(2)), who) == []
        break
    door.await_knocks()
    assert list(errands.returned()) == ["ann"]
    assert door.done == [1, 2]


@pytest.mark.parametrize("error", [FileChanged(), OSError(24, "none left"), ValueError("odd"), KeyboardInterrupt()])
def test_exceptions_travel(errands: Errands[str], door: Door, error: BaseException) -> None:
    """To each of those who wait, as they are; not into the worker, and not to whoever comes later."""

    def fails() -> None:
        raise error

    for who in ("ann", "bob"):
        assert errands.put_off(Later("key", fails), who) == []
    door.await_knocks()
    told = []
    for who in errands.returned():
        with pytest.raises(type(error)) as raised:
            errands.fetch("digest", "key", fails)
        told.append((who, raised.value is error))
    assert told == [("ann", True), ("bob", True)]
    door.go.set()
    assert errands.put_off(asks(errands, "key", door.work("well")), "ann") == []
    door.await_knocks()
    assert [errands.fetch("digest", "key", fails) for _ in errands.returned()] == ["well"]


def test_there_are_no_more_threads_than_workers(errands: Errands[str], door: Door) -> None:
    before = threading.active_count()
    for number in range(6):
        assert errands.put_off(Later(number, door.work(number)), "who") == []
    door.await_begun(3)
    assert threading.active_count() <= before + 3
    assert not door.begun.acquire(blocking=False)


def test_without_a_thread_it_is_refused(
    errands: Errands[str], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has no thread left: whoever asks is told to come back, and nobody waits for ever."""

    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    door.go.set()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        assert errands.put_off(Later("key", door.work("lost")), "ann") == ["ann"]
    assert errands.put_off(Later("key", door.work("found")), "bob") == []
    door.await_knocks()
    found = [(who, errands.fetch("digest", "key", door.work("never"))) for who in errands.returned()]
    assert found == [("bob", "found")]


# Who goes first.


def _results(errands: Errands[str], door: Door) -> list[str]:
    """The askers in the order in which their work was done, with one worker."""
    found: list[str] = []
    while errands.pending:
        door.await_knocks()
        found += errands.returned()
    return found


def test_an_address_that_asks_for_much_delays_another_by_one_piece(door: Door) -> None:
    """300 guesses of a password do not keep the login of somebody else waiting for 300 hashes."""
    errands: Errands[str] = Errands(1, door.knock)
    for number in range(200):
        assert errands.put_off(Later(number, door.work(number), "password"), "crowd", address=1) == []
    assert errands.put_off(Later("login", door.work("login"), "password"), "good", address=2) == []
    door.go.set()
    assert _results(errands, door).index("good") <= 2
    errands.close()


def test_what_somebody_else_waits_for_already_comes_as_early_as_his_own(door: Door) -> None:
    """A listing deep in the queue of a crowd, which another address asks for, too."""
    errands: Errands[str] = Errands(1, door.knock)
    for number in range(200):
        errands.put_off(Later(number, door.work(number), "listing"), "crowd", address=1)
    assert errands.put_off(Later(150, door.work(150), "listing"), "good", address=2) == []
    door.go.set()
    assert _results(errands, door).index("good") <= 3
    assert len(door.done) == 200, "it was done once"
    errands.close()


def test_9110_15_6_4_the_crowding_address_alone_is_turned_away(errands: Errands[str], door: Door) -> None:
    away = []
    for number in range(QUEUE_MAX + 50):
        away += errands.put_off(Later(number, door.work(number), "password"), f"crowd {number}", address=1)
    assert len(away) == 50 - 3, "three have begun"
    for number in range(40):
        away = errands.put_off(Later(f"good {number}", door.work(1), "password"), f"good {number}", address=2 + number)
        assert len(away) == 1
        assert away[0].startswith("crowd")


def test_no_kind_of_work_waits_for_another(errands: Errands[str], door: Door) -> None:
    for number in range(100):
        errands.put_off(Later(number, door.work(number), "password"), "crowd")
    door.await_begun(3)
    assert errands.put_off(Later("digest", lambda: "done", "digest"), "good") == []
    door.await_knocks()
    assert list(errands.returned()) == ["good"]


def test_a_file_system_that_hangs_leaves_workers_to_others(errands: Errands[str], door: Door) -> None:
    for place in ("hung", "hung too", "and this"):
        for number in range(20):
            errands.put_off(Later((place, number), door.work(number), "digest", place), "sick")
    assert errands.put_off(Later("good", lambda: "done", "digest", "disk"), "good") == []
    door.await_knocks()
    assert list(errands.returned()) == ["good"]


def test_work_that_nobody_waits_for_is_not_begun(door: Door) -> None:
    gone: set[str] = set()
    errands: Errands[str] = Errands(1, door.knock, lambda whos, _: [who in gone for who in whos])
    for number in range(100):
        errands.put_off(Later(number, door.work(number), "listing"), f"crowd {number}", address=1)
    errands.put_off(Later(50, door.work(50), "listing"), "good", address=1)
    gone |= {f"crowd {number}" for number in range(100)}
    errands.look(patience_s=60)
    assert errands.pending == 2, "what is being done, and what somebody waits for"
    assert len(errands.left()) == 100
    door.go.set()
    assert _results(errands, door) == ["good"]
    assert door.done == [0, 50]
    errands.close()


def test_those_who_left_are_found_before_their_work_begins(door: Door) -> None:
    gone: set[str] = set()
    errands: Errands[str] = Errands(1, door.knock, lambda whos, _: [who in gone for who in whos])
    for number in range(100):
        errands.put_off(Later(number, door.work(number), "listing"), f"crowd {number}", address=1)
    gone |= {f"crowd {number}" for number in range(1, 100)}
    door.go.set()
    assert _results(errands, door) == ["crowd 0"]
    assert (door.done, len(errands.left()), errands.left()) == ([0], 99, [])
    errands.close()


# The end.


def test_close_drops_what_has_not_begun(errands: Errands[str], door: Door) -> None:
    """Those who waited for it are told so; what is being done is waited for, but not for ever."""
    before = threading.active_count()
    for number in range(5):
        assert errands.put_off(Later(number, door.work(number)), str(number)) == []
    door.await_begun(3)
    errands.close(0)
    assert sorted(errands.returned()) == ["3", "4"]
    door.go.set()
    door.await_knocks(3)
    assert sorted(map(str, door.done)) == ["0", "1", "2"]
    assert until(lambda: threading.active_count() <= before)


def test_a_dropped_errand_is_told_as_cancelled(errands: Errands[str], door: Door) -> None:
    for number in range(4):
        assert errands.put_off(Later(number, door.work(number)), str(number)) == []
    errands.close(0)
    for who in errands.returned():
        with pytest.raises(CancelledError):
            errands.fetch("digest", int(who), door.work("never"))


def test_close_any_number_of_times(errands: Errands[str], door: Door) -> None:
    errands.close()
    door.go.set()
    assert errands.put_off(Later("key", door.work(1)), "ann") == []
    errands.close()
    errands.close()


# What the judge makes of it.


def _miss(head: bytes) -> Miss:
    return Miss(0, 0, 3, 0, 0, head)


def _bytes(answer: Answer) -> bytes:
    return b"".join(cell.content for cell in answer.chain.cells)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_9110_15_6_4_too_busy_says_when_to_come_back(method: bytes) -> None:
    """RFC 9110 10.2.3; to a HEAD without content (9.3.2). It is never kept, and the connection closes."""
    answer = too_busy(_miss(b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % method), 1e9)
    assert (answer.status, answer.keep, answer.cacheable) == (503, False, False)
    head, _, body = _bytes(answer).partition(b"\r\n\r\n")
    assert b"\r\nRetry-After: 1" in head
    assert bool(body) is (method == b"GET")


def test_9110_8_8_3_a_file_that_changes_while_it_is_compressed_is_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there then counts; it is no failure of the server."""
    changes, encoded = [1], codings._encoded

    def changing(*words: object) -> bytes:
        if changes.pop() if changes else 0:
            (tmp_path / "f.html").write_bytes(b"second " * 100)
            raise FileChanged
        return encoded(*words)  # type: ignore[arg-type]

    (tmp_path / "f.html").write_bytes(b"first " * 100)
    monkeypatch.setattr(codings, "_encoded", changing)
    with Site(str(tmp_path), opener(), Policy()) as site:
        answer = judge_miss(site, _miss(b"GET /f.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"), 1e9)
    assert answer.status == 200


def test_between_two_that_are_dealt_with_no_result_is_at_hand(errands: Errands[str], door: Door) -> None:
    """The judge may do other things before the second: what has failed for them may well succeed for who asks then."""
    door.go.set()
    for who in ("ann", "bob"):
        assert errands.put_off(asks(errands, "key", door.work("found")), who) == []
    door.await_knocks()
    for who in ("ann", "bob"):
        back = errands.next_back()
        assert back is not None and back[0] == who
        asks(errands, "key", door.work("never"))
        with back[1]:
            assert errands.fetch("digest", "key", door.work("never")) == "found"
        asks(errands, "key", door.work("never"))
    assert errands.next_back() is None
